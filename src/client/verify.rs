//! `verify`: the audit log against its own hashes, and against what the daemon remembers of it.

use std::io::{self, Write};
use std::path::Path;

use serde::Deserialize;

use super::exit::{EXIT_BAD, EXIT_OK};
use super::{Client, ClientError, ConnectionArgs};
use crate::config::Config;
use crate::detect::deceptive::escaped;
use crate::observe::audit::{self, Head, Kept};
use crate::outlet::archive;
use crate::store::positions::Positions;

/// The answer of `/api/v1/audit`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Head(Head),
    Unusable { error: String },
}

/// A file that is named is another one than the daemon's, unless `--url` asks the daemon about it. Without either, the
/// running daemon is asked where it can be, `positions.json` in any case, and Postgres where there is an archive.
pub async fn verify(args: &ConnectionArgs, config: &Config, file: Option<&Path>) -> Result<u8, ClientError> {
    let log = config.daemon.state_dir.join(audit::FILE);
    let path = file.unwrap_or(&log);
    let before = match (args.url.is_some(), file) {
        (true, _) => Some(ask(args, config).await?),
        (false, None) => ask(args, config).await.ok(),
        (false, Some(_)) => None,
    };
    let saved = if file.is_none() { saved_head(config) } else { None };
    let archived = if file.is_none() { archived_head(config).await } else { None };
    let checked = check(path, before.as_ref(), [&saved, &archived].into_iter().flatten());
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
        Ok(head) => {
            let compared = match (before.is_some(), saved.is_some()) {
                (true, _) => "as the daemon knows it",
                (false, true) => "as positions.json knows it; no daemon was asked",
                (false, false) => "compared with nothing: no daemon was asked",
            };
            let archived = if archived.is_some() { ", and as Postgres knows it" } else { "" };
            let Head { lines, hash } = head;
            writeln!(io::stdout(), "{}: {lines} lines, whole, {compared}{archived}; head {hash}", path.display())?;
            Ok(EXIT_OK)
        }
        Err(problem) => {
            writeln!(io::stderr(), "dsmild: {problem}")?;
            Ok(EXIT_BAD)
        }
    }
}

async fn ask(args: &ConnectionArgs, config: &Config) -> Result<Answer, ClientError> {
    Client::new(args, config)?.get("/api/v1/audit").await
}

/// `positions.json` is a second old at most while the daemon runs, so the file may be ahead of it.
fn saved_head(config: &Config) -> Option<Head> {
    let saved = Positions::read(&config.daemon.state_dir)?;
    saved.positions.get(Kept::NAME).and_then(Kept::read).map(|kept| kept.head)
}

/// The file may be ahead of it as well. A Postgres that cannot be asked says nothing against the file.
async fn archived_head(config: &Config) -> Option<Head> {
    let archive = config.archive.as_ref()?;
    match archive::kept_head(archive, &config.daemon.instance).await {
        Ok(head) => head,
        Err(error) => {
            let error = error.to_string();
            let _ = writeln!(io::stderr(), "dsmild: not compared with Postgres: {}", escaped(&error));
            None
        }
    }
}

fn check<'head>(
    path: &Path,
    daemon: Option<&'head Answer>,
    kept: impl Iterator<Item = &'head Head>,
) -> Result<Head, String> {
    let daemon = match daemon {
        Some(Answer::Unusable { error }) => return Err(format!("the daemon cannot use it: {}", escaped(error))),
        Some(Answer::Head(head)) => Some(head),
        None => None,
    };
    for kept in daemon.into_iter().chain(kept) {
        audit::verify(path, Some(kept)).map_err(|error| shown(&error))?;
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
        let said = check(&log, Some(&lie), std::iter::empty()).unwrap_err();
        assert!(said.contains("\\u{1b}[2J") && !said.contains('\u{1b}'), "{said}");
    }
}
