//! Lines and commands that show logs being cleared, cut short, or switched off.

use std::sync::LazyLock;

use regex::RegexSet;

use super::phrases::{self, Phrase, Phrases};
use super::words::Words;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tampering {
    Cleared,
    HistoryErased,
    AuditingDisabled,
    LoggingStopped,
    /// Lines were lost, as the logging service itself reports.
    Lost,
}

const AUDIT: &[&str] = &["audit", "auditd", "kernel", "audispd"];
const JOURNAL: &[&str] = &["systemd-journald", "systemd-journal"];

static PHRASES: &[Phrase<Tampering>] = &[
    Phrase {
        all: &["audit_enabled=0"],
        none: &["old=0", "res=0"],
        programs: &[],
        meaning: Tampering::AuditingDisabled,
    },
    Phrase { all: &["type=daemon_abort"], none: &[], programs: &[], meaning: Tampering::AuditingDisabled },
    Phrase { all: &["audit_lost="], none: &["audit_lost=0"], programs: AUDIT, meaning: Tampering::Lost },
    Phrase { all: &["audit: backlog limit exceeded"], none: &[], programs: AUDIT, meaning: Tampering::Lost },
    Phrase { all: &["audit backlog limit exceeded"], none: &[], programs: AUDIT, meaning: Tampering::Lost },
    Phrase { all: &["audit: kauditd hold queue overflow"], none: &[], programs: AUDIT, meaning: Tampering::Lost },
    Phrase { all: &["messages lost due to rate-limiting"], none: &[], programs: &[], meaning: Tampering::Lost },
    Phrase { all: &["suppressed", "messages from"], none: &[], programs: JOURNAL, meaning: Tampering::Lost },
    Phrase { all: &["audit log was cleared"], none: &[], programs: &[], meaning: Tampering::Cleared },
    Phrase { all: &["event log was cleared"], none: &[], programs: &[], meaning: Tampering::Cleared },
    Phrase { all: &["log file was cleared"], none: &[], programs: &[], meaning: Tampering::Cleared },
    Phrase { all: &["the audit daemon is exiting"], none: &[], programs: AUDIT, meaning: Tampering::LoggingStopped },
];

static MESSAGES: LazyLock<Option<Phrases<Tampering>>> = LazyLock::new(|| Phrases::new(PHRASES).ok());

/// Where logs lie, as a command would name one.
const LOG: &str = r#"['"]?(?:/var/log/(?:audit/|journal/|apache2/|nginx/|secure|auth|syslog|messages|wtmp|btmp|lastlog|utmp|kern|daemon|cron|maillog|[\w.-]*log)|/run/(?:utmp|log/journal)|/var/run/utmp)"#;
const HISTORY: &str = r#"['"]?(?:~|\$HOME|/root|/home/[^/\s]+)/\.(?:ba|z|a)?sh_history|\$HISTFILE"#;

static COMMANDS: LazyLock<Option<(RegexSet, Vec<Tampering>)>> = LazyLock::new(|| {
    let patterns = [
        (format!(r"\b(?:rm|shred|srm|wipe|unlink|truncate)\b[^|;&]*\s{LOG}"), Tampering::Cleared),
        (r"\brm\b[^|;&]*\s/var/log/(?:\*|\s|$)".to_owned(), Tampering::Cleared),
        (format!(r"(?:^|[;&|\s])(?:cat /dev/null|:|true|echo(?: -n)?(?: (?:''|\x22\x22))?)?\s*>\s*{LOG}"), Tampering::Cleared),
        (format!(r"\b(?:cp|dd|ln)\b.*/dev/null.*{LOG}"), Tampering::Cleared),
        (format!(r"\bsed\b.*(?:-i|--in-place).*\s{LOG}"), Tampering::Cleared),
        (r"\bjournalctl\b.*--vacuum-(?:time=(?:1s|[0-9]+s)|size=[01][KkMB]?\b|files=[01]\b)".to_owned(), Tampering::Cleared),
        (r"\bdmesg\b.*(?:\s-[a-zA-Z]*[Cc]\b|--(?:read-)?clear)".to_owned(), Tampering::Cleared),
        (format!(r"\b(?:rm|shred|truncate|ln|unlink)\b.*{HISTORY}"), Tampering::HistoryErased),
        (format!(r">\s*{HISTORY}"), Tampering::HistoryErased),
        (r"\bhistory\s+-[cw]*c|\bunset\s+HISTFILE\b|\bHISTFILE=(?:/dev/null|\s|$|'')|\bHIST(?:FILE)?SIZE=0\b|\bset\s+\+o\s+history".to_owned(), Tampering::HistoryErased),
        (r"\bauditctl\b.*(?:\s-e\s*0\b|\s-D\b)".to_owned(), Tampering::AuditingDisabled),
        (r"\b(?:systemctl\b.*\b(?:stop|disable|mask|kill)\b.*|service\s+)\b(?:auditd|rsyslog|syslog-ng|syslog|systemd-journald|auditbeat|filebeat|osqueryd|falco|wazuh-agent)\b(?:\.service|\.socket)?(?:\s+stop)?$".to_owned(), Tampering::LoggingStopped),
        (r"\b(?:kill|pkill|killall)\b.*\b(?:auditd|rsyslogd|syslog-ng|systemd-journald|dsmild)\b".to_owned(), Tampering::LoggingStopped),
    ];
    let set = RegexSet::new(patterns.iter().map(|(pattern, _)| pattern)).ok()?;
    Some((set, patterns.into_iter().map(|(_, meaning)| meaning).collect()))
});

/// One of these stands in every message that [`of_message`] finds something in.
pub fn needed_words() -> impl Iterator<Item = &'static str> {
    phrases::needed_words(PHRASES)
}

/// The tampering that a line of a logging service or of the kernel's audit reports, if it reports any.
pub fn of_message(program: Option<&str>, message: &str) -> Option<Tampering> {
    MESSAGES.as_ref()?.find(program, message).copied()
}

/// One of these stands in every command that [`of_command`] finds something in, in whatever case.
const HINTS: [&str; 11] =
    ["log", "utmp", "hist", "journal", "dmesg", "audit", "beat", "osqueryd", "falco", "wazuh", "dsmild"];

static HINT: LazyLock<Option<Words>> = LazyLock::new(|| Words::new(HINTS).ok());

/// The tampering that a command line does to the logs, if it does any.
pub fn of_command(command: &str) -> Option<Tampering> {
    if HINT.as_ref().is_some_and(|hint| !hint.is_any_in(command)) {
        return None;
    }
    let (set, meanings) = COMMANDS.as_ref()?;
    let first = set.matches(command).iter().next()?;
    // `service auditd restart` also names the service; only stopping it counts.
    let meaning = *meanings.get(first)?;
    let only_named = meaning == Tampering::LoggingStopped && !command.contains("stop") && !command.contains("kill");
    (!only_named || command.contains("disable") || command.contains("mask")).then_some(meaning)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::string::string_regex;

    use super::*;

    #[test]
    fn every_pattern_compiles() {
        assert!(MESSAGES.is_some() && COMMANDS.is_some());
    }

    #[test]
    fn whatever_a_pattern_finds_has_a_hint() {
        let (set, _) = COMMANDS.as_ref().unwrap();
        for pattern in set.patterns() {
            // What only says where a text may stand makes none.
            let made = pattern.replace(r"\b", "").replace("(?:^|", "(?:").replace("|$", "");
            let commands = string_regex(made.trim_end_matches('$')).unwrap();
            proptest!(|(command in commands)| {
                prop_assert!(HINT.as_ref().unwrap().is_any_in(&command), "{}", command);
            });
        }
    }

    #[test]
    fn commands_that_clear_or_stop_logging_are_recognised() {
        use Tampering::*;
        for (command, meaning) in [
            ("rm -rf /var/log/auth.log", Cleared),
            ("/usr/bin/shred -u /var/log/audit/audit.log", Cleared),
            ("truncate -s 0 /var/log/syslog", Cleared),
            ("sh -c 'cat /dev/null > /var/log/secure'", Cleared),
            ("bash -c > /var/log/wtmp", Cleared),
            ("sed -i /192.0.2.1/d /var/log/auth.log", Cleared),
            ("journalctl --rotate --vacuum-time=1s", Cleared),
            ("dmesg -C", Cleared),
            ("history -c", HistoryErased),
            ("ln -sf /dev/null /root/.bash_history", HistoryErased),
            ("unset HISTFILE", HistoryErased),
            ("auditctl -e 0", AuditingDisabled),
            ("/sbin/auditctl -D", AuditingDisabled),
            ("systemctl stop auditd", LoggingStopped),
            ("systemctl disable --now rsyslog.service", LoggingStopped),
            ("service auditd stop", LoggingStopped),
            ("pkill -9 rsyslogd", LoggingStopped),
        ] {
            assert_eq!(of_command(command), Some(meaning), "{command}");
        }
    }

    #[test]
    fn ordinary_administration_is_left_alone() {
        for command in [
            "tail -f /var/log/auth.log",
            "grep sshd /var/log/auth.log",
            "systemctl restart rsyslog",
            "systemctl status auditd",
            "service rsyslog restart",
            "journalctl -u ssh --since today",
            "auditctl -l",
            "rm -rf /tmp/build",
            "history 20",
            "dmesg --color=always",
            "ls > /tmp/x",
        ] {
            assert_eq!(of_command(command), None, "{command}");
        }
    }

    #[test]
    fn switching_auditing_off_is_read_from_the_audit_record() {
        let off = "type=CONFIG_CHANGE msg=audit(1.2:3): op=set audit_enabled=0 old=1 auid=1000 res=1";
        assert_eq!(of_message(Some("audit"), off), Some(Tampering::AuditingDisabled));
        let on = "type=CONFIG_CHANGE msg=audit(1.2:3): op=set audit_enabled=1 old=0 auid=1000 res=1";
        assert_eq!(of_message(Some("audit"), on), None);
        let reported = "Suppressed 1193 messages from user.slice";
        assert_eq!(of_message(Some("systemd-journald"), reported), Some(Tampering::Lost));
        assert_eq!(of_message(Some("nginx"), "GET /?q=Suppressed 9 messages from x"), None);
    }
}
