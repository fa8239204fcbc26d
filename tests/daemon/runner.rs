//! Approved playbooks, handed to a runner that the test plays.

use std::io::Write;
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

use serde_json::Value;

use crate::cable::{attack, audit, command, configured, response, wait_for_proposed};
use crate::harness::{Site, request, wait_for};

const TOKEN: &str = "token-of-the-runner";
const EXECUTION: &str = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";

/// Answers with these in turn, and with the last one from then on; tells what it was sent.
fn runner(answers: &'static [(u16, &'static str)]) -> (u16, Receiver<(String, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, (tell, told)) = (listener.local_addr().unwrap().port(), channel());
    std::thread::spawn(move || {
        let mut number = 0;
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            while let Some((head, body)) = request(&mut stream) {
                let (status, body_of_answer) = answers[number.min(answers.len() - 1)];
                number += 1;
                let length = body_of_answer.len();
                let text = format!("HTTP/1.1 {status} x\r\nContent-Length: {length}\r\n\r\n{body_of_answer}");
                if tell.send((head, serde_json::from_slice(&body).unwrap())).is_err()
                    || stream.write_all(text.as_bytes()).is_err()
                {
                    break;
                }
            }
        }
    });
    (port, told)
}

fn handing(site: &Site, port: u16) {
    attack(site);
    std::fs::write(site.path("token"), format!("{TOKEN}\n")).unwrap();
    let url = format!("http://127.0.0.1:{port}/trigger/playbook");
    configured(
        site,
        &format!(
            "mode = \"approve\"\nnftables = false\n[respond.runner]\nurl = \"{url}\"\ntoken_file = \"{{dir}}/token\""
        ),
    );
}

#[test]
fn an_approved_playbook_is_handed_over_until_it_is_taken_and_its_execution_is_on_record_once() {
    let answer = r#"{"execution_id":"6ba7b810-9dad-11d1-80b4-00c04fd430c8","payload":"playbook--1"}"#;
    let answers: &[(u16, &str)] = Box::leak(Box::new([(503, "not now"), (200, answer)]));
    let (port, told) = runner(answers);
    let site = Site::new("");
    handing(&site, port);
    let daemon = site.start_ready();
    let id = wait_for_proposed(&site, "isolate_host", "atlas");
    let (_, shown, _) = command(&site, &["proposals", "show", &id]);
    assert!(shown.contains("is handed the playbook (isolate host atlas)"), "{shown}");
    assert_eq!(command(&site, &["proposals", "approve", &id]).0, Some(0));
    wait_for("the runner to take it", || response(&site, &id)["state"] == "executed");
    let taken = response(&site, &id);
    assert!(taken["said"].as_str().unwrap().contains(EXECUTION) && taken["in_force"] == false, "{taken}");

    let sent: Vec<_> = told.try_iter().collect();
    assert_eq!(sent.len(), 2);
    for (head, playbook) in &sent {
        assert!(head.starts_with("POST /trigger/playbook HTTP/1.1\r\n"), "{head}");
        let head = head.to_lowercase();
        assert!(head.contains(&format!("authorization: bearer {TOKEN}\r\n")), "{head}");
        assert!(head.contains(&format!("idempotency-key: dsmild-proposal-{id}\r\n")), "{head}");
        assert_eq!((&playbook["type"], &playbook["spec_version"]), (&"playbook".into(), &"cacao-2.0".into()));
    }
    let (code, _, error) = command(&site, &["proposals", "undo", &id]);
    assert!(code == Some(1) && error.contains("409"), "{error}");
    daemon.kill();
    let _daemon = site.start_ready();
    wait_for("what is on record to be read", || response(&site, &id)["state"] == "executed");
    let block = wait_for_proposed(&site, "block_address", crate::cable::ATTACKER);
    assert_eq!(command(&site, &["proposals", "approve", &block]).0, Some(0));
    wait_for("what comes after it to be carried out", || response(&site, &block)["state"] == "executed");
    assert_eq!(told.try_iter().count(), 0, "it is not handed over again");
    let audit = audit(&site);
    assert!(
        audit.starts_with("proposal.approve.execute\nresponse.requested\nresponse.failed\nresponse.executed\n"),
        "{audit}"
    );
    assert!(!site.log().contains(TOKEN));
}

#[test]
fn a_playbook_that_a_runner_does_not_take_has_failed_with_its_reason_and_is_not_sent_again() {
    let (port, told) = runner(&[(400, "unknown command type, token-of-the-runner")]);
    let site = Site::new("");
    handing(&site, port);
    let _daemon = site.start_ready();
    let id = wait_for_proposed(&site, "isolate_host", "atlas");
    assert_eq!(command(&site, &["proposals", "approve", &id]).0, Some(0));
    wait_for("it to have failed", || response(&site, &id)["state"] == "failed");
    let failed = response(&site, &id);
    let said = failed["said"].as_str().unwrap();
    assert!(said.contains("400: unknown command type") && !said.contains(TOKEN), "{said}");
    assert_eq!(failed["retried"], false);
    let other = wait_for_proposed(&site, "snapshot_evidence", "atlas");
    assert_eq!(command(&site, &["proposals", "approve", &other]).0, Some(0));
    wait_for("the other to have failed", || response(&site, &other)["state"] == "failed");
    assert_eq!(told.try_iter().count(), 2, "one request each");
}
