//! Who wrote a line, by the word of the kernel: journald notes user, executable and transport beside the name that the sender
//! gives itself. Under the name of `sshd` anybody may write anything; such a line is shown, and counts against nobody.
//!
//! Two things stay possible and are in the hands of the system: root writes as whom it likes, and a user who may make namespaces
//! of mounts can have a program of its own seen as `/usr/bin/sudo`.

use crate::event::{Action, Entity, Record, named};

/// From here up, users are people and what they start.
const LOGIN_UID_MIN: u32 = 1000;

/// As whom the kernel may see a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Uid {
    Root,
    /// Root, and the user of a session for what happens in it.
    Session,
    /// Any user of the system's own.
    System,
    /// The user who started it: it takes other rights only later.
    Anybody,
}

/// Names in logs, and the executables that may use them.
struct Claim {
    names: &'static [&'static str],
    executables: &'static [&'static str],
    uid: Uid,
}

const CLAIMS: &[Claim] = &[
    claim(&["sshd", "sshd-session", "sshd-auth"], &["sshd", "sshd-session", "sshd-auth"], Uid::Session),
    claim(&["sudo", "sudo-i"], &["sudo", "sudo-rs"], Uid::Anybody),
    claim(&["su", "su-l"], &["su", "su-rs"], Uid::Anybody),
    claim(&["doas"], &["doas"], Uid::Anybody),
    claim(&["pkexec"], &["pkexec"], Uid::Anybody),
    claim(&["passwd"], &["passwd"], Uid::Anybody),
    claim(&["login"], &["login"], Uid::Root),
    claim(&["auditd", "audisp-syslog", "audispd"], &["auditd", "audisp-syslog", "audispd"], Uid::Root),
    claim(&["polkitd"], &["polkitd"], Uid::System),
    claim(&["CRON", "cron", "crond"], &["cron", "crond"], Uid::Root),
    claim(&["systemd-logind"], &["systemd-logind"], Uid::Root),
    claim(&["useradd"], &["useradd", "adduser"], Uid::Root),
    claim(&["usermod", "userdel"], &["usermod", "userdel", "deluser"], Uid::Root),
    claim(&["groupadd", "groupmod", "groupdel"], &["groupadd", "groupmod", "groupdel"], Uid::Root),
];

const fn claim(names: &'static [&'static str], executables: &'static [&'static str], uid: Uid) -> Claim {
    Claim { names, executables, uid }
}

/// Folders that root alone writes to.
const SYSTEM_FOLDERS: &[&str] =
    &["/usr/", "/bin/", "/sbin/", "/lib", "/opt/", "/nix/store/", "/gnu/store/", "/run/wrappers/"];

#[derive(Debug, Clone, PartialEq, Eq)]
enum Sender {
    /// It is who it claims to be, or nobody says otherwise.
    Plausible,
    /// The kernel does not say which program it was; somebody who is not root may have written it.
    Unknown,
    /// The kernel knows it as another.
    Impostor(String),
}

/// What the kernel says of the sender.
#[derive(Debug, Clone, Copy)]
struct Kernel<'a> {
    uid: Option<u32>,
    executable: Option<&'a str>,
    comm: Option<&'a str>,
    transport: Option<&'a str>,
}

/// Takes away what a line says in the name of a program that did not write it. What is left is the text, the fields that came
/// beside it, the machine, and the program as the kernel knows it.
pub(super) fn check(record: &mut Record, attributes: &[(String, String)]) {
    // A text with fields of its own must not speak for the kernel where the kernel has spoken.
    let beside = attributes.iter().any(|(key, _)| matches!(key.as_str(), "_UID" | "_TRANSPORT" | "_COMM" | "_EXE"));
    let fields = if beside { attributes } else { &record.fields };
    let text = |name| named(fields, name);
    let kernel = Kernel {
        uid: text("_UID").and_then(|uid| uid.parse().ok()),
        executable: text("_EXE").map(|path| path.strip_suffix(" (deleted)").unwrap_or(path)),
        comm: text("_COMM"),
        transport: text("_TRANSPORT"),
    };
    if kernel.uid.is_none() && kernel.comm.is_none() && kernel.transport.is_none() {
        return;
    }
    let sender = names(text("SYSLOG_IDENTIFIER"), record)
        .map(|name| kernel.judge(name, record))
        .find(|sender| *sender != Sender::Plausible);
    let Some(sender) = sender else { return };
    let program = kernel.comm.map(str::to_owned);
    let process = kernel.executable.or(kernel.comm).map(str::to_owned);
    let fields = if beside { attributes.to_vec() } else { std::mem::take(&mut record.fields) };
    *record = Record {
        program,
        pid: record.pid,
        level: record.level,
        message: std::mem::take(&mut record.message),
        fields,
        entity: Entity { host: record.entity.host.take(), process, ..Entity::default() },
        impostor: if let Sender::Impostor(evidence) = sender { Some(evidence) } else { None },
        ..Record::default()
    };
}

/// As whom the line speaks: its identifier, the program that it is read as, an audit record's writer, the service that a line of
/// PAM names.
fn names<'a>(identifier: Option<&'a str>, record: &'a Record) -> impl Iterator<Item = &'a str> {
    let is_audit = record.program.as_deref() == Some("auditd") || is_audit_record(&record.message);
    let pam = record.message.strip_prefix("pam_").and_then(|rest| rest.split_once('(')?.1.split(':').next());
    identifier.into_iter().chain(record.program.as_deref()).chain(is_audit.then_some("audit")).chain(pam)
}

fn is_audit_record(message: &str) -> bool {
    (message.starts_with("type=") || message.starts_with("node=")) && message.contains("msg=audit(")
}

impl Kernel<'_> {
    fn judge(&self, name: &str, record: &Record) -> Sender {
        let by_program = self.transport.is_some_and(|transport| matches!(transport, "syslog" | "journal" | "stdout"));
        let found = match name {
            "kernel" if by_program => Some(self.impostor(name)),
            "kernel" => None,
            // The kernel's own records, or what an audit daemon passes on.
            "audit" if self.transport == Some("audit") => None,
            "audit" => (by_program || self.uid.is_some_and(|uid| uid != 0))
                .then(|| self.judge_claim(name, &CLAIMS_OF_AUDIT, record)),
            _ => CLAIMS
                .iter()
                .find(|claim| claim.names.contains(&name))
                .map(|claim| self.judge_claim(name, claim, record)),
        };
        found.unwrap_or(Sender::Plausible)
    }

    fn judge_claim(&self, name: &str, claim: &Claim, record: &Record) -> Sender {
        let is_root = self.uid.is_none_or(|uid| uid == 0);
        let fits = match claim.uid {
            Uid::Root => is_root,
            // What leads to a session is said by root; what happens in it, also by the user.
            Uid::Session => is_root || !matches!(record.action, Action::Login),
            Uid::System => self.uid.is_none_or(|uid| uid < LOGIN_UID_MIN),
            Uid::Anybody => true,
        };
        if !fits {
            return self.impostor(name);
        }
        if let Some(path) = self.executable {
            let file = path.rsplit('/').next().unwrap_or(path);
            let is_system = is_root || SYSTEM_FOLDERS.iter().any(|folder| path.starts_with(folder));
            // Scripts are seen as what runs them, and every tool of busybox as busybox.
            let by_name = is_root && (file == "busybox" || file.starts_with("perl") || file.starts_with("python"));
            let fits = claim.executables.contains(&file)
                || (by_name && self.comm.is_some_and(|comm| claim.executables.contains(&comm)));
            return if fits && is_system { Sender::Plausible } else { self.impostor(name) };
        }
        match self.comm {
            // Before it becomes the program, a process that systemd starts has its name in parentheses.
            Some(comm) if claim.executables.contains(&comm) || (is_root && comm.starts_with('(')) => Sender::Plausible,
            Some(_) => self.impostor(name),
            None if is_root => Sender::Plausible,
            None => Sender::Unknown,
        }
    }

    fn impostor(&self, name: &str) -> Sender {
        let writer = self.executable.or(self.comm).or(self.transport).unwrap_or("a process that is gone");
        let uid = self.uid.map_or_else(String::new, |uid| format!(", uid {uid}"));
        Sender::Impostor(format!("{name} written by {writer}{uid}"))
    }
}

/// Who passes on audit records of the kernel; rsyslog and journald do so from the audit log as well.
const CLAIMS_OF_AUDIT: Claim =
    claim(&[], &["auditd", "audisp-syslog", "audispd", "rsyslogd", "syslog-ng", "systemd-journald"], Uid::Root);

#[cfg(test)]
mod tests {
    use crate::event::{Action, Format, Record};
    use crate::parse::record;

    const FAILED: &str = "Failed password for root from 192.168.1.1 port 22 ssh2";
    const COMMAND: &str = "bob : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/usr/bin/cat /etc/shadow";
    const AUDIT: &str = "type=USER_LOGIN msg=audit(1764.123:456): pid=1 uid=0 auid=1000 msg='op=login acct=\"bob\" exe=\"/usr/sbin/sshd\" hostname=? addr=192.168.1.1 terminal=ssh res=failed'";
    const PAM: &str =
        "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.168.1.1 user=root";

    fn line(message: &str, beside: &[(&str, &str)]) -> Record {
        let beside: Vec<_> = beside.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        record(message.as_bytes(), Format::Auto, &beside)
    }

    fn sent(identifier: &str, uid: &str, executable: &str, message: &str) -> Record {
        let comm = executable.rsplit('/').next().unwrap();
        let beside = [
            ("SYSLOG_IDENTIFIER", identifier),
            ("_UID", uid),
            ("_EXE", executable),
            ("_COMM", comm),
            ("_TRANSPORT", "syslog"),
        ];
        line(message, &beside)
    }

    #[test]
    fn a_program_that_the_kernel_knows_as_another_is_an_impostor_and_its_line_counts_against_nobody() {
        for (identifier, uid, executable, message) in [
            ("sshd", "1000", "/usr/bin/logger", FAILED),
            ("sshd", "1000", "/usr/sbin/sshd", FAILED),
            ("sshd", "1000", "/home/eve/sshd", "hello"),
            ("sshd", "0", "/usr/bin/logger", FAILED),
            ("sudo", "1000", "/tmp/sudo", COMMAND),
            ("su", "1000", "/usr/bin/python3.11", "FAILED SU (to root) bob on pts/0"),
            (
                "kernel",
                "1000",
                "/usr/bin/logger",
                "[UFW BLOCK] IN=eth0 OUT= SRC=192.168.1.1 DST=192.0.2.2 PROTO=TCP SPT=1 DPT=22",
            ),
            ("audit", "1000", "/usr/bin/logger", AUDIT),
            ("anything", "1000", "/usr/bin/logger", AUDIT),
            ("anything", "1000", "/usr/bin/logger", PAM),
            ("polkitd", "1000", "/usr/lib/polkit-1/polkitd", "hello"),
        ] {
            let record = sent(identifier, uid, executable, message);
            let evidence =
                record.impostor.as_deref().unwrap_or_else(|| panic!("{identifier} {uid} {executable}: {message}"));
            assert!(evidence.ends_with(&format!("written by {executable}, uid {uid}")), "{evidence}");
            let entity = &record.entity;
            assert_eq!(
                (&entity.user, &entity.src_ip, record.action, record.outcome),
                (&None, &None, Action::Other, None)
            );
            assert_eq!((record.message.as_str(), record.command), (message, None));
            assert_eq!(record.program.as_deref(), executable.rsplit('/').next());
            assert!(record.fields.iter().all(|(key, _)| key.starts_with('_') || key == "SYSLOG_IDENTIFIER"));
        }
    }

    #[test]
    fn programs_that_are_who_they_claim_to_be_count() {
        for (identifier, uid, executable, message) in [
            ("sshd", "0", "/usr/sbin/sshd", FAILED),
            ("sshd-session", "0", "/usr/lib/openssh/sshd-session (deleted)", FAILED),
            ("sshd", "0", "/usr/sbin/sshd", PAM),
            ("sudo", "1000", "/usr/bin/sudo", COMMAND),
        ] {
            let record = sent(identifier, uid, executable, message);
            assert_eq!(record.impostor, None, "{identifier}");
            assert!(record.entity.user.is_some() && record.action != Action::Other, "{identifier}: {record:?}");
        }
        let session = sent(
            "sshd",
            "1000",
            "/usr/sbin/sshd",
            "Received disconnect from 192.0.2.1 port 5:11: disconnected by user",
        );
        assert_eq!((session.impostor, session.entity.src_ip.as_deref()), (None, Some("192.0.2.1")));
        assert_eq!(sent("backup", "1000", "/usr/bin/logger", "hello").impostor, None);
        let audit = line(AUDIT, &[("SYSLOG_IDENTIFIER", "audit"), ("_TRANSPORT", "audit"), ("_UID", "0")]);
        assert_eq!((audit.impostor, audit.entity.user.as_deref()), (None, Some("bob")));
        let kernel = line("usb 1-1: new device", &[("SYSLOG_IDENTIFIER", "kernel"), ("_TRANSPORT", "kernel")]);
        assert_eq!(kernel.impostor, None);
    }

    #[test]
    fn a_name_that_a_process_gives_itself_does_not_help() {
        for comm in ["sshd", "(sshd)"] {
            let beside = [("SYSLOG_IDENTIFIER", "sshd"), ("_UID", "1000"), ("_COMM", comm), ("_TRANSPORT", "syslog")];
            assert!(line(FAILED, &beside).impostor.is_some(), "{comm}");
        }
        let nameless = [("_UID", "1000"), ("_COMM", "sshd"), ("_EXE", "/home/eve/x"), ("_TRANSPORT", "journal")];
        assert!(line(FAILED, &nameless).impostor.is_some());
    }

    #[test]
    fn a_process_that_was_gone_too_soon_is_not_accused_and_accuses_nobody() {
        let gone = line(COMMAND, &[("SYSLOG_IDENTIFIER", "sudo"), ("_UID", "1000"), ("_TRANSPORT", "syslog")]);
        assert_eq!((gone.impostor, gone.entity.user, gone.command), (None, None, None));
        let root = line(FAILED, &[("SYSLOG_IDENTIFIER", "sshd"), ("_UID", "0"), ("_TRANSPORT", "syslog")]);
        assert_eq!(root.entity.src_ip.as_deref(), Some("192.168.1.1"));
    }

    #[test]
    fn a_text_with_fields_cannot_speak_for_the_kernel() {
        let text = format!(r#"{{"_UID":"0","_EXE":"/usr/sbin/sshd","message":"{FAILED}"}}"#);
        assert!(sent("sshd", "1000", "/usr/bin/logger", &text).impostor.is_some());
    }

    #[test]
    fn lines_of_files_have_no_kernel_to_speak_for_them_and_are_taken_at_their_word() {
        let file = line("Jan  2 03:04:05 web sshd[7]: Failed password for root from 192.0.2.1 port 22 ssh2", &[]);
        assert_eq!((file.impostor, file.entity.src_ip.as_deref()), (None, Some("192.0.2.1")));
    }
}
