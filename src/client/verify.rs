//! `verify`: the audit log against its own hashes, and against what the daemon remembers of it.

use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::anchors::{self, Anchor};
use super::exit::{EXIT_BAD, EXIT_OK};
use super::{Client, ClientError, ConnectionArgs};
use crate::config::Config;
use crate::detect::deceptive::escaped;
use crate::observe::audit::{self, Head};

const DAEMON: &str = "the daemon";

/// The answer of `/api/v1/audit`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Head(Head),
    Unusable { error: String },
}

/// What was found.
#[derive(Serialize)]
struct Report {
    file: String,
    /// It is whole, and everybody who remembers it knows it.
    ok: bool,
    /// Where it ends; `None` where it cannot be read to its end.
    #[serde(flatten)]
    head: Option<Head>,
    /// A daemon was asked.
    daemon_asked: bool,
    /// Who remembers it.
    compared: Vec<Compared>,
    /// The first that is wrong.
    problem: Option<String>,
}

#[derive(Serialize)]
struct Compared {
    of: &'static str,
    #[serde(flatten)]
    head: Head,
    ok: bool,
    problem: Option<String>,
}

/// A file that is named is another one than the daemon's, unless `--url` asks the daemon about it. Without either, the
/// running daemon is asked where it can be, and everything else that remembers where the file ends.
pub async fn verify(
    args: &ConnectionArgs,
    config: &Config,
    file: Option<&Path>,
    json: bool,
) -> Result<u8, ClientError> {
    let log = config.daemon.state_dir.join(audit::FILE);
    let path = file.unwrap_or(&log);
    let before = match (args.url.is_some(), file) {
        (true, _) => Some(ask(args, config).await?),
        (false, None) => ask(args, config).await.ok(),
        (false, Some(_)) => None,
    };
    let anchors = if file.is_none() { anchors::all(config).await } else { Vec::new() };
    let mut report = check(path, before.as_ref(), anchors);
    // A line may have come since; what the file has beyond the daemon's head never was its own.
    if report.ok && before.is_some() {
        let after = ask(args, config).await?;
        report.compare_end(&after);
    }
    let code = if report.ok { EXIT_OK } else { EXIT_BAD };
    match (&report.head, &report.problem) {
        _ if json => writeln!(io::stdout(), "{}", serde_json::json!(report))?,
        (Some(Head { lines, hash }), None) => {
            writeln!(io::stdout(), "{}: {lines} lines, whole, {}; head {hash}", path.display(), report.words())?;
        }
        (_, problem) => writeln!(io::stderr(), "dsmild: {}", problem.as_deref().unwrap_or("it is not whole"))?,
    }
    Ok(code)
}

impl Report {
    /// Who knows the file as it is.
    fn words(&self) -> String {
        let known: Vec<&str> = self.compared.iter().map(|compared| compared.of).collect();
        let asked = if self.daemon_asked { "" } else { "; no daemon was asked" };
        match known.as_slice() {
            [] => "compared with nothing: no daemon was asked".to_owned(),
            [one] => format!("as {one} knows it{asked}"),
            [others @ .., last] => format!("as {} and {last} know it{asked}", others.join(", ")),
        }
    }

    /// `after`: what the daemon says when the file has been read.
    fn compare_end(&mut self, after: &Answer) {
        let (Some(head), Answer::Head(after)) = (&self.head, after) else { return };
        if after.lines < head.lines || (after.lines == head.lines && after != head) {
            self.ok = false;
            self.problem =
                Some(format!("{}: it goes on after the line {} that the daemon wrote last", self.file, after.lines));
        }
    }
}

async fn ask(args: &ConnectionArgs, config: &Config) -> Result<Answer, ClientError> {
    Client::new(args, config)?.get("/api/v1/audit").await
}

/// Reads the file once.
fn check(path: &Path, daemon: Option<&Answer>, anchors: Vec<Anchor>) -> Report {
    let daemon_asked = daemon.is_some();
    let file = path.display().to_string();
    let failed = |problem| Report {
        file: file.clone(),
        ok: false,
        head: None,
        daemon_asked,
        compared: Vec::new(),
        problem: Some(problem),
    };
    let of_daemon = match daemon {
        Some(Answer::Unusable { error }) => return failed(format!("the daemon cannot use it: {}", escaped(error))),
        Some(Answer::Head(head)) => Some(Anchor { of: DAEMON, head: head.clone() }),
        None => None,
    };
    let all: Vec<Anchor> = of_daemon.into_iter().chain(anchors).collect();
    let heads: Vec<&Head> = all.iter().map(|anchor| &anchor.head).collect();
    let (head, problems) = match audit::compare(path, &heads) {
        Ok(compared) => compared,
        Err(error) => return failed(shown(&error)),
    };
    let compared = all.into_iter().zip(problems).map(|(Anchor { of, head }, problem)| {
        let named = |problem| if of == DAEMON { problem } else { format!("compared with {of}: {problem}") };
        let problem = problem.map(|error| named(shown(&error)));
        // As whoever answers for the daemon gives it.
        let head = Head { hash: escaped(&head.hash).into_owned(), ..head };
        Compared { of, head, ok: problem.is_none(), problem }
    });
    let compared: Vec<Compared> = compared.collect();
    let problem = compared.iter().find_map(|compared| compared.problem.clone());
    Report { file, ok: problem.is_none(), head: Some(head), daemon_asked, compared, problem }
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
        let report = check(&log, Some(&lie), Vec::new());
        let said = report.problem.as_ref().unwrap();
        assert!(said.contains("\\u{1b}[2J") && !said.contains('\u{1b}'), "{said}");
        assert!(!serde_json::json!(report).to_string().contains("\\u001b"), "escaped there as well");
    }

    #[test]
    fn each_place_that_remembers_another_file_is_named_and_the_others_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("audit.log");
        let (mut audit, _) = audit::Audit::open(&log, None).unwrap();
        let mut heads = vec![audit.head().clone()];
        for number in 1..=3 {
            audit.append("proposal.approve", &format!("{number}-0"), "alice", "").unwrap();
            heads.push(audit.head().clone());
        }
        let other = |lines| Head { lines, hash: "0".repeat(64) };
        let anchor = |head: &Head| Anchor { of: "Redis", head: head.clone() };
        let report = check(&log, None, heads.iter().chain([&other(2), &other(3), &other(4)]).map(anchor).collect());
        let found: Vec<bool> = report.compared.iter().map(|compared| compared.ok).collect();
        assert_eq!(found, [true, true, true, true, false, false, false]);
        let problem = report.compared[6].problem.as_ref().unwrap();
        assert!(problem.contains("ends with line 3") && problem.starts_with("compared with Redis"), "{problem}");
        assert!(report.problem.unwrap().contains("line 2 has the hash"));
        assert_eq!(report.head.unwrap(), heads[3]);
    }
}
