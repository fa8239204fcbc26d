//! Random histories under the real logrotate, with every way in which it names and packs what it rotates.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::process::Command;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use serde_json::Value;

use super::tests::Bench;

#[derive(Debug, Clone)]
enum Step {
    Append(usize),
    Rotate,
    Poll(usize),
    /// From the positions of an earlier commit: 0 is the last.
    Restart(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1_usize..5).prop_map(Step::Append),
        3 => Just(Step::Rotate),
        3 => (1_usize..6).prop_map(Step::Poll),
        2 => (0_usize..4).prop_map(Step::Restart),
    ]
}

#[derive(Debug, Clone, Copy)]
struct Manner {
    is_copied: bool,
    /// The date in the names; without it they are numbered.
    date: Option<&'static str>,
    before_extension: bool,
    /// Packer, ending, and whether the newest stays as it is until the next time.
    packed: Option<(&'static str, &'static str, bool)>,
}

fn manner() -> impl Strategy<Value = Manner> {
    let packer = prop::sample::select(vec![("gzip", ".gz"), ("zstd", ".zst"), ("xz", ".xz")]);
    let packed = prop::option::weighted(0.8, (packer, any::<bool>()));
    let date = prop::option::of(prop::sample::select(vec!["-%Y%m%d", "-%Y-%m-%d", ".%Y-%m-%d"]));
    (any::<bool>(), date, any::<bool>(), packed).prop_map(|(is_copied, date, before_extension, packed)| Manner {
        is_copied,
        date,
        before_extension,
        packed: packed.map(|((packer, ending), is_delayed)| (packer, ending, is_delayed)),
    })
}

impl Manner {
    fn configuration(self, log: &str) -> String {
        let mut lines = vec![format!("{log} {{"), "rotate 100\nmissingok".to_owned()];
        lines.push(if self.is_copied { "copytruncate" } else { "create" }.to_owned());
        lines.extend(self.date.map(|date| format!("dateext\ndateformat {date}")));
        lines.extend(self.before_extension.then(|| "extension .log".to_owned()));
        if let Some((packer, ending, is_delayed)) = self.packed {
            lines.push(format!("compress\ncompresscmd /usr/bin/{packer}\ncompressext {ending}\ncompressoptions -q"));
            lines.extend(is_delayed.then(|| "delaycompress".to_owned()));
        }
        lines.push("}\n".to_owned());
        lines.join("\n")
    }
}

struct History {
    bench: Bench,
    manner: Manner,
    written: Vec<String>,
    commits: Vec<(BTreeMap<String, Value>, usize)>,
    lines: Vec<String>,
    rotations: u32,
    modified: SystemTime,
}

impl History {
    fn new(manner: Manner) -> Self {
        let mut bench = Bench::new(&["app.log"]);
        bench.quiet_after = Duration::ZERO;
        bench.restart();
        let log = bench.path("app.log");
        // logrotate packs with what is in /usr/bin.
        let manner = match manner.packed {
            Some((packer, ..)) if !fs::exists(format!("/usr/bin/{packer}")).unwrap() => {
                Manner { packed: None, ..manner }
            }
            _ => manner,
        };
        fs::write(bench.path("conf"), manner.configuration(&log.display().to_string())).unwrap();
        let (written, commits, lines) = Default::default();
        let mut history = Self { bench, manner, written, commits, lines, rotations: 0, modified: SystemTime::now() };
        history.apply(&Step::Append(1));
        history.poll(1);
        history
    }

    /// The clock of a file system is too coarse for what follows in a moment.
    fn touch(&mut self) {
        self.modified += Duration::from_secs(1);
        File::open(self.bench.path("app.log")).unwrap().set_modified(self.modified).unwrap();
    }

    fn poll(&mut self, max_events: usize) -> bool {
        let more = self.bench.poll(max_events);
        self.lines.append(&mut self.bench.lines);
        self.commits.push((self.bench.positions.clone(), self.lines.len()));
        more
    }

    fn rotate(&mut self) {
        if self.manner.is_copied {
            // Who has read nothing of a file yet cannot know its copy.
            self.apply(&Step::Append(1));
            while self.poll(1000) {}
            self.poll(1000);
            self.apply(&Step::Append(1));
            self.commits.retain(|(positions, _)| !is_of_nothing(positions));
        }
        let (state, conf) = (self.bench.path("state"), self.bench.path("conf"));
        let run = Command::new("logrotate").arg("-f").arg("-s").arg(state).arg(conf).output().unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        self.pass_a_day();
        self.touch();
    }

    /// Dates what logrotate has just dated: rotations of one day have one name.
    fn pass_a_day(&mut self) {
        let Some(date) = self.manner.date else { return };
        self.rotations += 1;
        let form = date.get(1..).unwrap();
        let today = Command::new("date").arg(format!("+{form}")).output().unwrap();
        let today = String::from_utf8(today.stdout).unwrap().trim().to_owned();
        let day = format!("2025-{:02}-{:02}", 1 + self.rotations / 28, 1 + self.rotations % 28);
        let day = if form.contains('-') { day } else { day.replace('-', "") };
        for entry in fs::read_dir(self.bench.path("")).unwrap().flatten() {
            let name = entry.file_name().into_string().unwrap();
            if name.contains(&today) {
                fs::rename(entry.path(), self.bench.path(&name.replace(&today, &day))).unwrap();
            }
        }
    }

    fn apply(&mut self, step: &Step) {
        match step {
            Step::Append(count) => {
                for _ in 0..*count {
                    let line = format!("{:06} a line that is long enough to tell files apart", self.written.len());
                    self.bench.append("app.log", format!("{line}\n"));
                    self.written.push(line);
                }
                self.touch();
            }
            Step::Rotate => self.rotate(),
            Step::Poll(max_events) => drop(self.poll(*max_events)),
            Step::Restart(back) => {
                let index = self.commits.len().saturating_sub(1 + back);
                self.commits.truncate(index + 1);
                let Some((positions, count)) = self.commits.get(index).cloned() else { return };
                self.lines.truncate(count);
                self.bench.positions = positions;
                self.bench.restart();
            }
        }
    }
}

/// Nothing of the file at the path had been read then.
fn is_of_nothing(positions: &BTreeMap<String, Value>) -> bool {
    let last = positions.values().next().and_then(|position| position["files"].as_array()?.last());
    last.is_none_or(|mark| mark["fingerprint"]["bytes"] == 0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn every_line_comes_once_and_in_order_however_logrotate_rotates_and_packs(
        manner in manner(),
        steps in prop::collection::vec(step(), 1..20),
    ) {
        if Command::new("logrotate").arg("--version").output().is_err() {
            eprintln!("skipped: logrotate is not here");
            return Ok(());
        }
        let mut history = History::new(manner);
        steps.iter().for_each(|step| history.apply(step));
        for _ in 0..4 {
            while history.poll(1000) {}
        }
        prop_assert_eq!(&history.lines, &history.written, "{:?}", history.bench.problems);
        prop_assert!(history.bench.problems.is_empty(), "{:?}", history.bench.problems);
    }
}
