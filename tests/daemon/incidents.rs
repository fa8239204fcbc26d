//! Incidents of the running daemon, over a kill, as the command line shows and changes them.

use serde_json::Value;

use crate::harness::{Site, dsmild, wait_for};

const LOG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/demo/auth.log");

#[test]
fn an_incident_that_somebody_looks_after_is_the_same_after_a_kill_and_closed_by_the_command_line() {
    let site = Site::new(&format!("[[intake.file]]\npath = \"{LOG}\"\n"));
    let command = |name: &str, arguments: &[&str]| {
        let output = dsmild().arg(name).args(arguments).arg("-c").arg(site.path("dsmil.toml")).output().unwrap();
        let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        (output.status.code(), out, err)
    };
    let ask = |arguments: &[&str]| command("incidents", arguments);
    // After a start the log may still be read: then the list is not complete.
    let critical = || {
        let mut list = Value::Null;
        wait_for("the list of incidents to be complete", || {
            let (_, text, _) = ask(&["list", "--json"]);
            list = serde_json::from_str(&text).unwrap_or_default();
            list["complete"] == true
        });
        list["incidents"].as_array()?.iter().find(|one| one["severity"] == "CRITICAL").cloned()
    };
    let daemon = site.start_ready();
    daemon.until_handled(std::fs::read_to_string(LOG).unwrap().lines().count());
    wait_for("the intrusion to be an incident that proposes something", || {
        critical().is_some_and(|incident| !incident["proposals"].as_array().unwrap().is_empty())
    });
    let id = critical().unwrap()["id"].as_str().unwrap().to_owned();
    let (code, text, _) = ask(&["acknowledge", &id, "--note", "mine"]);
    assert_eq!(code, Some(0));
    assert!(text.contains("acknowledged") && text.contains(": mine"), "{text}");
    let before = critical().unwrap();
    daemon.kill();

    let daemon = site.start_ready();
    assert_eq!(critical().unwrap(), before);
    let (code, _, error) = ask(&["acknowledge", &id]);
    assert_eq!(code, Some(1));
    assert!(error.contains("already by") && error.contains("409"), "{error}");
    assert_eq!(ask(&["close", &id, "--as", "benign", "--note", "an exercise"]).0, Some(0));
    let (_, shown, _) = ask(&["show", &id]);
    assert!(shown.contains("closed, benign_true_positive") && shown.contains("an exercise"), "{shown}");
    let (_, open, _) = ask(&["list", "--state", "open"]);
    assert!(!open.contains(&id), "{open}");
    assert_eq!(ask(&["show", "1-1"]).0, Some(1));

    let proposal = before["proposals"].as_array().unwrap().last().unwrap().as_str().unwrap();
    let (_, shown, _) = command("proposals", &["show", proposal]);
    assert!(shown.contains("because ") && shown.contains(&format!("incident: {id}")), "{shown}");
    let (code, approved, error) = command("proposals", &["approve", proposal, "--note", "now"]);
    assert_eq!((code, approved.contains("approved by")), (Some(0), true), "{approved}{error}");
    let (_, pending, _) = command("proposals", &["list", "--state", "pending"]);
    assert!(!pending.contains(proposal), "{pending}");
    assert!(command("proposals", &["reject", proposal]).2.contains("a decision is final"));
    assert_eq!(daemon.terminate(), Some(0));
    assert_eq!(ask(&["list"]).0, Some(69));
    let verified = dsmild().arg("verify").arg("-c").arg(site.path("dsmil.toml")).output().unwrap();
    assert_eq!(verified.status.code(), Some(0), "{}", String::from_utf8_lossy(&verified.stdout));
}
