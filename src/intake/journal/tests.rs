//! `journalctl` as it is and as it might be: a script in its place, and a private journald.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::event::{Body, Draft};

fn text_of(draft: Draft) -> String {
    let Body::Raw(raw) = draft.body else { panic!("a raw event") };
    String::from_utf8_lossy(&raw.payload).into_owned()
}

/// A reader with a script in place of `journalctl`.
fn reader(directory: &TempDir, script: &str, position: Option<&Value>) -> JournalReader {
    let program = directory.path().join("journalctl");
    let fresh = directory.path().join("fresh");
    fs::write(&fresh, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&fresh, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(&fresh, &program).unwrap();
    let mut reader = JournalReader::new("journal", &IntakeJournal::default(), position);
    reader.follower.program = program.into();
    reader
}

/// Prints three entries, beginning with the one at the cursor, and ends.
const THREE_ENTRIES: &str = r#"n=1
for argument; do case $argument in --cursor=c*) n=${argument#--cursor=c};; esac; done
for _ in 1 2 3; do printf '__CURSOR=c%d\n__REALTIME_TIMESTAMP=5\nMESSAGE=m%d\n\n' $n $n; n=$((n+1)); done
echo 'Journal file corrupted' >&2
exit 3"#;

#[derive(Default)]
struct Taken {
    lines: Vec<String>,
    problems: Vec<Problem>,
    position: Option<Value>,
}

/// Reads until there are so many lines.
async fn take(reader: &mut JournalReader, count: usize, max_events: usize) -> Taken {
    let mut taken = Taken::default();
    while taken.lines.len() < count {
        let polled =
            tokio::time::timeout(Duration::from_secs(60), reader.next_batch(max_events)).await.expect("entries");
        assert!(polled.batch.drafts.len() <= max_events);
        taken.lines.extend(polled.batch.drafts.into_iter().map(text_of));
        taken.problems.extend(polled.problems);
        taken.position = polled.batch.positions.into_iter().map(|(_, value)| value).next_back().or(taken.position);
    }
    taken
}

#[tokio::test]
async fn a_journalctl_that_ends_is_started_again_at_the_last_entry() {
    let directory = tempfile::tempdir().unwrap();
    let mut reader = reader(&directory, THREE_ENTRIES, None);
    let taken = take(&mut reader, 7, 1000).await;
    assert_eq!(taken.lines, ["m1", "m2", "m3", "m4", "m5", "m6", "m7"]);
    assert!(taken.problems.iter().any(|problem| problem.text.contains("exit status: 3")), "{:?}", taken.problems);
    assert!(taken.problems.iter().any(|problem| problem.text.contains("corrupted")), "{:?}", taken.problems);
}

#[tokio::test]
async fn a_restart_continues_behind_what_was_handed_out() {
    let directory = tempfile::tempdir().unwrap();
    let first = take(&mut reader(&directory, THREE_ENTRIES, None), 2, 1).await;
    assert_eq!(first.lines, ["m1", "m2"]);
    let second = take(&mut reader(&directory, THREE_ENTRIES, first.position.as_ref()), 2, 1000).await;
    assert_eq!(second.lines, ["m3", "m4"]);
}

#[tokio::test]
async fn a_cursor_that_is_gone_or_broken_is_said_and_the_oldest_entry_is_next() {
    let directory = tempfile::tempdir().unwrap();
    let refuses =
        "case $* in *--cursor=?[!0-9]*) echo 'Failed to seek to cursor: Invalid argument' >&2; exit 1;; esac\n";
    for (cursor, script) in [("gone", THREE_ENTRIES), ("broken", &format!("{refuses}{THREE_ENTRIES}"))] {
        let taken = take(&mut reader(&directory, script, Some(&json!({ "cursor": cursor }))), 2, 1000).await;
        assert_eq!(taken.lines[..2], ["m1", "m2"]);
        assert_eq!(taken.problems.iter().filter(|problem| problem.reason == "gone").count(), 1, "{cursor}");
    }
}

#[tokio::test]
async fn a_missing_journalctl_is_said_once_and_used_when_it_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let mut reader = reader(&directory, THREE_ENTRIES, None);
    let program = reader.follower.program.clone();
    reader.follower.program = directory.path().join("absent").into();
    let polled = reader.next_batch(10).await;
    assert!(polled.problems[0].text.contains("cannot be started"), "{:?}", polled.problems);
    let again = tokio::time::timeout(Duration::from_millis(500), reader.next_batch(10)).await;
    assert!(again.is_err(), "nothing new to say");
    assert!(reader.follower.pause > Duration::from_millis(200), "tried more and more slowly");
    reader.follower.program = program;
    assert_eq!(take(&mut reader, 1, 1).await.lines, ["m1"]);
}

#[tokio::test]
async fn output_that_is_no_journal_is_refused_and_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let script = format!(
        "[ -e {0}/once ] || {{ touch {0}/once; echo garbage in; exec sleep 60; }}\n{THREE_ENTRIES}",
        directory.path().display()
    );
    let taken = take(&mut reader(&directory, &script, None), 3, 1000).await;
    assert_eq!(taken.lines, ["m1", "m2", "m3"]);
    assert!(taken.problems[0].text.contains("export format"), "{:?}", taken.problems);
}

#[tokio::test]
async fn own_lines_are_passed_over_and_still_move_the_position() {
    let directory = tempfile::tempdir().unwrap();
    let script = r#"for n in 1 2 3; do printf '__CURSOR=c%d\nMESSAGE=m\n_UID=%d\nDSMILD_INSTANCE=x\n\n' $n $(id -u); done; exec sleep 60"#;
    let mut reader = reader(&directory, script, None);
    let polled = reader.next_batch(3).await;
    assert!(polled.batch.drafts.is_empty());
    assert_eq!(polled.batch.positions, [("journal".to_owned(), json!({"cursor": "c3"}))]);
}

#[tokio::test]
async fn every_boot_of_this_machine_is_read_and_no_other_machine() {
    let Ok(id) = fs::read_to_string("/etc/machine-id") else {
        eprintln!("skipped: this machine has no id");
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let script = r#"printf '__CURSOR=c\nMESSAGE=%s\n\n' "$*"; exec sleep 60"#;
    let taken = take(&mut reader(&directory, script, None), 1, 10).await;
    assert!(taken.lines[0].contains(" --merge ") && !taken.lines[0].contains("--boot"), "{:?}", taken.lines);
    assert!(taken.lines[0].contains(&format!("_MACHINE_ID={}", id.trim())), "{:?}", taken.lines);
}

#[test]
fn identifiers_with_a_star_are_not_left_to_journalctl() {
    let text = |identifiers: &[&str]| {
        let identifiers = identifiers.iter().map(|text| (*text).to_owned()).collect();
        let config = IntakeJournal { identifiers, units: vec!["ssh.service".into()], ..IntakeJournal::default() };
        format!("{:?}", arguments(&config))
    };
    assert!(text(&["-x", "sshd"]).contains(r#""--unit=ssh.service", "--identifier=-x", "--identifier=sshd""#));
    assert!(!text(&["sshd", "dsmil-*"]).contains("--identifier"));
}

/// A journald of our own, in a mount namespace; it writes what it reads from standard input, a line an entry.
struct Journald {
    child: Child,
    directory: TempDir,
}

const JOURNALD: &str = r#"mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal /run/log/journal || exit 1
mount --bind "$0" /run/log/journal || exit 1
/lib/systemd/systemd-journald & journald=$!
while read -r line; do
    until [ -S /run/systemd/journal/socket ]; do sleep 0.05; done
    printf 'MESSAGE=%s\nSYSLOG_IDENTIFIER=%s\n' "${line#* }" "${line%% *}" | logger --journald
done
kill $journald; wait $journald"#;

impl Journald {
    fn start() -> Option<Self> {
        let directory = tempfile::tempdir().ok()?;
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", JOURNALD]).arg(directory.path());
        let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
        let mut journald = Self { child, directory };
        journald.write("dsmil-probe started");
        (0..100).any(|_| journald.is_written()).then_some(journald)
    }

    fn write(&mut self, line: &str) {
        let _ = writeln!(self.child.stdin.as_mut().unwrap(), "{line}");
    }

    fn is_written(&mut self) -> bool {
        std::thread::sleep(Duration::from_millis(50));
        let Some(directory) = self.journal() else { return false };
        let mut journalctl = Command::new("journalctl");
        let found = journalctl.arg("--directory").arg(directory).args(["-q", "-t", "dsmil-probe"]).output();
        found.is_ok_and(|output| !output.stdout.is_empty())
    }

    /// The directory with the machine's id.
    fn journal(&self) -> Option<std::path::PathBuf> {
        let entries = fs::read_dir(self.directory.path()).ok()?;
        entries.flatten().map(|entry| entry.path()).find(|path: &std::path::PathBuf| path.is_dir())
    }
}

impl Drop for Journald {
    fn drop(&mut self) {
        // The end of its input ends it.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn a_real_journal_is_followed_over_restarts_and_killed_children() {
    let Some(mut journald) = Path::new("/lib/systemd/systemd-journald").exists().then(Journald::start).flatten() else {
        eprintln!("skipped: a private journald needs root, unshare and systemd-journald");
        return;
    };
    let directory = journald.journal();
    let config = IntakeJournal { identifiers: vec!["dsmil-*".into()], directory, ..IntakeJournal::default() };
    let mut reader = JournalReader::new("journal", &config, None);
    journald.write("dsmil-a one");
    journald.write("other not asked for");
    journald.write("dsmil-b two");
    let taken = take(&mut reader, 3, 2).await;
    assert_eq!(taken.lines, ["started", "one", "two"]);

    reader.follower.running.as_mut().unwrap().child.start_kill().unwrap();
    journald.write("dsmil-a three");
    assert_eq!(take(&mut reader, 1, 1000).await.lines, ["three"]);

    drop(reader);
    journald.write("dsmil-a four");
    let mut reader = JournalReader::new("journal", &config, taken.position.as_ref());
    let taken = take(&mut reader, 2, 1000).await;
    assert_eq!((taken.lines, taken.problems), (vec!["three".to_owned(), "four".to_owned()], vec![]));

    let vacuumed =
        json!({ "cursor": "s=00000000000000000000000000000001;i=1;b=00000000000000000000000000000002;m=1;t=1;x=1" });
    let taken = take(&mut JournalReader::new("journal", &config, Some(&vacuumed)), 5, 1000).await;
    assert_eq!(taken.lines, ["started", "one", "two", "three", "four"]);
    assert_eq!(taken.problems.iter().map(|problem| problem.reason).collect::<Vec<_>>(), ["gone"]);
}
