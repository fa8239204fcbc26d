use std::path::Path;

use super::entry::{seal, unseal};
use super::*;

fn log_of(lines: u64) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let (mut audit, _) = Audit::open(&path, None).unwrap();
    for line in 1..=lines {
        audit.append("proposal.approve", &format!("{line}-0"), "alice", "a \"note\",\"hash\":\"x\"}\n").unwrap();
    }
    (folder, path)
}

fn first_bad_line(path: &Path) -> u64 {
    match verify(path, None) {
        Err(AuditError::Broken { line, .. }) => line,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_whole_chain_verifies_and_continues_after_a_restart() {
    let (_folder, path) = log_of(3);
    let (mut audit, entries) = Audit::open(&path, None).unwrap();
    assert_eq!(entries.iter().map(|entry| entry.subject.as_str()).collect::<Vec<_>>(), ["1-0", "2-0", "3-0"]);
    audit.append("proposal.reject", "4-0", "bob", "").unwrap();
    assert_eq!(verify(&path, None).unwrap().lines, 4);
}

#[test]
fn a_pipe_in_the_place_of_the_log_is_said_and_nobody_waits_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RWXU).unwrap();
    for error in [Audit::open(&path, None).err().unwrap(), verify(&path, None).unwrap_err()] {
        assert!(error.to_string().contains("a named pipe"), "{error}");
    }
}

#[test]
fn a_changed_line_is_named() {
    let (_folder, path) = log_of(3);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("\"2-0\"", "\"9-0\"", 1)).unwrap();
    assert_eq!(first_bad_line(&path), 2);
}

#[test]
fn a_removed_line_is_named_by_the_one_after_it() {
    let (_folder, path) = log_of(3);
    let text = std::fs::read_to_string(&path).unwrap();
    let kept: Vec<&str> = text.lines().enumerate().filter(|(index, _)| *index != 1).map(|(_, line)| line).collect();
    std::fs::write(&path, kept.join("\n") + "\n").unwrap();
    assert_eq!(first_bad_line(&path), 2);
}

#[test]
fn a_line_forged_with_a_hash_of_its_own_is_named_by_the_one_after_it() {
    let (_folder, path) = log_of(3);
    let text = std::fs::read_to_string(&path).unwrap();
    let mut lines: Vec<String> = text.lines().map(|line| format!("{line}\n")).collect();
    let before = Head::none();
    let (entry, _) = unseal(lines[0].as_bytes(), &before).unwrap();
    lines[0] = seal(&Entry { who: "mallory".into(), ..entry }).0;
    std::fs::write(&path, lines.concat()).unwrap();
    assert_eq!(first_bad_line(&path), 2);
}

#[test]
fn a_broken_chain_is_not_continued() {
    let (_folder, path) = log_of(2);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("alice", "mallory", 1)).unwrap();
    assert!(matches!(Audit::open(&path, None), Err(AuditError::Broken { line: 1, .. })));
}

#[test]
fn an_unfinished_last_line_is_cut_off_at_the_next_start() {
    let (_folder, path) = log_of(2);
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, [&whole[..], b"{\"seq\":3,\"ts\""].concat()).unwrap();
    assert_eq!(first_bad_line(&path), 3);
    let (_, entries) = Audit::open(&path, None).unwrap();
    assert_eq!(entries.len(), 2);
    assert_eq!(std::fs::read(&path).unwrap(), whole);
}

#[test]
fn only_the_owner_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, path) = log_of(1);
    assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
}

fn cut_to(path: &Path, lines: usize) {
    let text = std::fs::read_to_string(path).unwrap();
    std::fs::write(path, text.split_inclusive('\n').take(lines).collect::<String>()).unwrap();
}

/// A chain that is whole, by whoever holds the file.
fn forge(path: &Path, lines: u64) {
    std::fs::remove_file(path).unwrap();
    let (mut audit, _) = Audit::open(path, None).unwrap();
    for line in 1..=lines {
        audit.append("proposal.reject", &format!("{line}-0"), "mallory", "").unwrap();
    }
}

#[test]
fn a_file_that_was_cut_emptied_removed_or_forged_is_not_the_one_that_is_remembered() {
    let faults: [fn(&Path); 5] = [
        |path| cut_to(path, 2),
        |path| cut_to(path, 0),
        |path| std::fs::remove_file(path).unwrap(),
        |path| forge(path, 3),
        |path| forge(path, 5),
    ];
    for (number, fault) in faults.into_iter().enumerate() {
        let (_folder, path) = log_of(3);
        let head = verify(&path, None).unwrap();
        fault(&path);
        assert!(verify(&path, Some(&head)).is_err(), "verify after {number}");
        let error = Audit::open(&path, Some(&head)).err();
        assert!(matches!(error, Some(AuditError::Cut { .. } | AuditError::Rewritten { .. })), "{number}: {error:?}");
    }
}

#[test]
fn a_file_may_be_one_line_ahead_of_what_is_remembered() {
    let (_folder, path) = log_of(3);
    let head = verify(&path, None).unwrap();
    Audit::open(&path, Some(&head)).unwrap().0.append("proposal.reject", "4-0", "bob", "").unwrap();
    assert_eq!(Audit::open(&path, Some(&head)).unwrap().0.head().lines, 4);
}

#[test]
fn a_remembered_line_without_its_end_is_not_cut_off() {
    let (_folder, path) = log_of(3);
    let head = verify(&path, None).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.trim_end()).unwrap();
    assert!(matches!(Audit::open(&path, Some(&head)), Err(AuditError::Cut { found: 2, .. })));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text.trim_end());
}

#[test]
fn nothing_is_added_to_a_file_that_was_touched_under_the_daemon() {
    let faults: [fn(&Path); 6] = [
        |path| std::fs::remove_file(path).unwrap(),
        |path| cut_to(path, 1),
        |path| cut_to(path, 0),
        |path| forge(path, 3),
        // The same bytes in another file: what is added to the open one is nowhere.
        |path| {
            let bytes = std::fs::read(path).unwrap();
            std::fs::rename(path, path.with_extension("old")).unwrap();
            std::fs::write(path, bytes).unwrap();
        },
        |path| {
            let text = std::fs::read_to_string(path).unwrap();
            std::fs::write(path, text.replacen("alice", "clair", 1)).unwrap();
        },
    ];
    for (number, fault) in faults.into_iter().enumerate() {
        let (_folder, path) = log_of(3);
        let (mut audit, _) = Audit::open(&path, None).unwrap();
        // Past the grain of the file system's clock.
        std::thread::sleep(std::time::Duration::from_millis(20));
        fault(&path);
        let before = std::fs::read(&path).ok();
        assert!(audit.append("proposal.approve", "4-0", "alice", "").is_err(), "{number}");
        assert_eq!(std::fs::read(&path).ok(), before, "{number}");
        assert_eq!(audit.head().lines, 3, "{number}");
    }
}

#[test]
fn a_line_of_another_hand_is_not_built_upon() {
    let (_folder, path) = log_of(2);
    let (mut audit, _) = Audit::open(&path, None).unwrap();
    Audit::open(&path, None).unwrap().0.append("proposal.reject", "9-0", "mallory", "").unwrap();
    let error = audit.append("proposal.approve", "3-0", "alice", "").unwrap_err().to_string();
    assert!(error.contains("another hand"), "{error}");
    assert_eq!(verify(&path, None).unwrap().lines, 3);
}

#[test]
fn a_file_that_was_only_touched_is_read_and_used() {
    let (_folder, path) = log_of(2);
    let (mut audit, _) = Audit::open(&path, None).unwrap();
    let text = std::fs::read(&path).unwrap();
    std::fs::write(&path, text).unwrap();
    audit.append("proposal.approve", "3-0", "alice", "").unwrap();
    assert_eq!(verify(&path, Some(audit.head())).unwrap().lines, 3);
}

#[test]
fn what_is_kept_is_bounded_and_read_back() {
    let (_folder, path) = log_of(1);
    let (mut audit, entries) = Audit::open(&path, None).unwrap();
    let mut kept = Kept::new(audit.head().clone());
    for _ in 0..=crate::limits::AUDIT_ENTRIES_KEPT {
        kept.add(&entries[0]);
    }
    kept.add(&audit.append("proposal.reject", "2-0", "bob", "long").unwrap());
    assert_eq!(kept.entries.len(), crate::limits::AUDIT_ENTRIES_KEPT);
    assert_eq!(kept.entries.back().unwrap().note, "");
    assert_eq!(Kept::read(&kept.to_value()), Some(kept));
    assert_eq!(Kept::read(&serde_json::json!({ "offset": 4 })), None);
}

#[test]
fn a_flipped_bit_in_any_byte_is_found() {
    let (_folder, path) = log_of(3);
    let whole = std::fs::read(&path).unwrap();
    for place in 0..whole.len() {
        for bit in 0..8 {
            let mut flipped = whole.clone();
            flipped[place] ^= 1 << bit;
            std::fs::write(&path, &flipped).unwrap();
            assert!(verify(&path, None).is_err(), "bit {bit} of byte {place}");
        }
    }
    std::fs::write(&path, &whole).unwrap();
    let head = verify(&path, None).unwrap();
    for length in 0..whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        assert!(verify(&path, Some(&head)).is_err(), "cut after {length} bytes");
    }
}
