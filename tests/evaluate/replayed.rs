//! What the daemon itself says of lines: `dsmild replay` of all of them, and its decisions of Layer 3.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

/// The daemon that was built with these tests, or the one that `DSMIL_EVAL_BIN` names.
pub fn daemon() -> OsString {
    std::env::var_os("DSMIL_EVAL_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_dsmild").into())
}

/// Names that detectors give to what is new; they are no statement about what happened.
const NOVELTY: &str = "first_";
/// Reasons with one of these beginnings say that something was refused or failed.
const FAILURES: &[&str] = &["failed_", "refused_"];

/// What `L3_OUT` says of one line.
#[derive(Debug, Default, Clone)]
pub struct Decided {
    pub reasons: Vec<String>,
    pub verdict: String,
    entity: Value,
}

impl Decided {
    /// Whether the line left a reason, whatever it says happened.
    pub fn is_noticed(&self) -> bool {
        self.reasons.iter().any(|reason| !reason.starts_with(NOVELTY))
    }

    /// Whether the line is said to be a failure or a refusal.
    pub fn is_failure(&self) -> bool {
        self.reasons.iter().any(|reason| FAILURES.iter().any(|failure| reason.starts_with(failure)))
    }

    pub fn entity(&self, name: &str) -> Option<&str> {
        self.entity[name].as_str()
    }
}

/// The decisions about `lines`, in their order. Each line is an entry of its own, as a stream would bring it, so that none is
/// taken for the continuation of another.
pub fn decisions(lines: &[&str]) -> Vec<Decided> {
    decisions_with("", lines)
}

/// The same, with more of the configuration.
pub fn decisions_with(more: &str, lines: &[&str]) -> Vec<Decided> {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("lines.ndjson");
    let entries =
        lines.iter().enumerate().map(|(number, line)| json!({ "source": number.to_string(), "payload": line }));
    fs::write(&input, entries.map(|entry| format!("{entry}\n")).collect::<String>()).unwrap();
    let config = configuration(folder.path(), more);
    let numbers: HashMap<String, usize> = stream(&config, std::slice::from_ref(&input), "L3_IN")
        .iter()
        .filter_map(|entry| Some((entry["id"].as_str()?.to_owned(), entry["source"].as_str()?.parse().ok()?)))
        .collect();
    let mut decided = vec![Decided::default(); lines.len()];
    for decision in stream(&config, std::slice::from_ref(&input), "L3_OUT") {
        let number = decision["input_ref"].as_str().and_then(|id| numbers.get(id));
        let Some(place) = number.and_then(|number| decided.get_mut(*number)) else { continue };
        let reasons = decision["reasons"].as_array().into_iter().flatten();
        *place = Decided {
            reasons: reasons.filter_map(|reason| reason.as_str().map(str::to_owned)).collect(),
            verdict: decision["decision"].as_str().unwrap_or_default().to_owned(),
            entity: decision["entity"].clone(),
        };
    }
    decided
}

/// The SOC events that log files lead to, read one after the other.
pub fn soc_events(logs: &[PathBuf]) -> Vec<Value> {
    soc_events_with("", logs)
}

/// The same, with more of the configuration.
pub fn soc_events_with(more: &str, logs: &[PathBuf]) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    stream(&configuration(folder.path(), more), logs, "SOC_EVENTS")
}

/// Without a journal, a boot and files of its own.
fn configuration(folder: &Path, more: &str) -> PathBuf {
    let path = folder.join("dsmil.toml");
    let store = folder.join("hotpath.db");
    let text = format!(
        "[daemon]\nstate_dir = {:?}\n[log]\ntarget = \"stderr\"\n[store]\npath = {store:?}\n[intake.boot]\nenabled = false\n{more}",
        folder.join("state")
    );
    fs::write(&path, text).unwrap();
    path
}

fn stream(config: &Path, inputs: &[PathBuf], stream: &str) -> Vec<Value> {
    let done = Command::new(daemon())
        .args(["replay", "-c"])
        .arg(config)
        .args(["--stream", stream])
        .args(inputs)
        .env("TZ", "UTC")
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
