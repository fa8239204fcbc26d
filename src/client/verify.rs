//! `verify`: the audit log against its own hashes, and against what the daemon remembers of it.

use std::io::{self, Write};
use std::path::Path;

use serde::Deserialize;

use super::anchors::{self, Anchor};
use super::exit::{EXIT_BAD, EXIT_OK};
use super::{Client, ClientError, ConnectionArgs};
use crate::config::Config;
use crate::detect::deceptive::escaped;
use crate::observe::audit::{self, Head};

/// The answer of `/api/v1/audit`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Head(Head),
    Unusable { error: String },
}

/// A file that is named is another one than the daemon's, unless `--url` asks the daemon about it. Without either, the
/// running daemon is asked where it can be, and everything else that remembers where the file ends.
pub async fn verify(args: &ConnectionArgs, config: &Config, file: Option<&Path>) -> Result<u8, ClientError> {
    let log = config.daemon.state_dir.join(audit::FILE);
    let path = file.unwrap_or(&log);
    let before = match (args.url.is_some(), file) {
        (true, _) => Some(ask(args, config).await?),
        (false, None) => ask(args, config).await.ok(),
        (false, Some(_)) => None,
    };
    let anchors = if file.is_none() { anchors::all(config).await } else { Vec::new() };
    let checked = check(path, before.as_ref(), &anchors);
    // A line may have come since; what the file has beyond the daemon's head never was its own.
    let after = match (&checked, &before) {
        (Ok(_), Some(_)) => Some(ask(args, config).await?),
        _ => None,
    };
    let checked = checked.and_then(|head| match after {
        Some(Answer::Head(after)) if after.lines < head.lines || (after.lines == head.lines && after != head) => {
            Err(format!("{}: it goes on after the line {} that the daemon wrote last", path.display(), after.lines))
        }
        _ => Ok(head),
    });
    match checked {
        Ok(Head { lines, hash }) => {
            let compared = compared(before.is_some(), &anchors);
            writeln!(io::stdout(), "{}: {lines} lines, whole, {compared}; head {hash}", path.display())?;
            Ok(EXIT_OK)
        }
        Err(problem) => {
            writeln!(io::stderr(), "dsmild: {problem}")?;
            Ok(EXIT_BAD)
        }
    }
}

/// Who knows the file as it is.
fn compared(by_daemon: bool, anchors: &[Anchor]) -> String {
    let known: Vec<&str> =
        by_daemon.then_some("the daemon").into_iter().chain(anchors.iter().map(|anchor| anchor.of)).collect();
    let asked = if by_daemon { "" } else { "; no daemon was asked" };
    match known.as_slice() {
        [] => "compared with nothing: no daemon was asked".to_owned(),
        [one] => format!("as {one} knows it{asked}"),
        [others @ .., last] => format!("as {} and {last} know it{asked}", others.join(", ")),
    }
}

async fn ask(args: &ConnectionArgs, config: &Config) -> Result<Answer, ClientError> {
    Client::new(args, config)?.get("/api/v1/audit").await
}

fn check(path: &Path, daemon: Option<&Answer>, anchors: &[Anchor]) -> Result<Head, String> {
    match daemon {
        Some(Answer::Unusable { error }) => return Err(format!("the daemon cannot use it: {}", escaped(error))),
        Some(Answer::Head(head)) => audit::verify(path, Some(head)).map(|_| ()).map_err(|error| shown(&error))?,
        None => {}
    }
    for Anchor { of, head } in anchors {
        audit::verify(path, Some(head)).map_err(|error| format!("compared with {of}: {}", shown(&error)))?;
    }
    audit::verify(path, None).map_err(|error| shown(&error))
}

/// It names hashes as the file or who answers for the daemon gives them.
fn shown(error: &dyn std::error::Error) -> String {
    escaped(&error.to_string()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_answers_in_the_place_of_the_daemon_cannot_drive_the_terminal() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("audit.log");
        audit::Audit::open(&log, None).unwrap().0.append("proposal.approve", "1-0", "alice", "").unwrap();
        let lie = Answer::Head(Head { lines: 1, hash: "\u{1b}[2J".to_owned() });
        let said = check(&log, Some(&lie), &[]).unwrap_err();
        assert!(said.contains("\\u{1b}[2J") && !said.contains('\u{1b}'), "{said}");
    }
}
