//! Approved proposals on a machine of the test's own. What is dropped is dropped by the kernel.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::Value;

use crate::cable::{
    ASKS, ATTACKER, Cable, OTHER, SERVER, attack, attack_again, audit, command, configured, response, wait_for_another,
    wait_for_proposal,
};
use crate::harness::{Site, wait_for};

#[test]
fn what_is_approved_is_dropped_by_the_kernel_taken_back_at_once_and_over_in_time_though_the_daemon_is_dead() {
    let Some(cable) = Cable::new("acts") else { return };
    let site = Site::new("");
    attack(&site);
    configured(&site, "mode = \"approve\"\nttl_max = \"1h\"");
    let helper = cable.helper(&site);
    let daemon = cable.start(&site);
    let id = wait_for_proposal(&site);
    assert!(cable.passes(ATTACKER), "nothing acts before it is approved");
    let (_, shown, _) = command(&site, &["proposals", "show", &id]);
    assert!(shown.contains("if approved: the kernel blocks 203.0.113.7 for 1h"), "{shown}");

    let (code, said, error) = command(&site, &["proposals", "approve", &id]);
    assert_eq!(code, Some(0), "{error}");
    wait_for("it to be carried out", || response(&site, &id)["state"] == "executed");
    assert!(!cable.passes(ATTACKER), "{said}");
    assert!(cable.passes(OTHER), "the innocent are not blocked along");
    assert_eq!(command(&site, &["proposals", "undo", &id]).0, Some(0));
    wait_for("it to be taken back", || response(&site, &id)["state"] == "undone");
    assert!(cable.passes(ATTACKER));
    assert_eq!(
        audit(&site),
        "proposal.approve.execute\nresponse.requested\nresponse.executed\nproposal.undo\nresponse.undone\n"
    );
    let (code, _, error) = command(&site, &["proposals", "undo", &id]);
    assert!(code == Some(1) && error.contains("409"), "{error}");
    daemon.kill();
    drop(helper);

    // A second machine with the same attack: its daemon and its helper die, and the kernel goes on.
    let second = Site::new("");
    attack(&second);
    configured(&second, "mode = \"approve\"\nttl_max = \"20s\"");
    let helper = cable.helper(&second);
    let daemon = cable.start(&second);
    let id = wait_for_proposal(&second);
    assert_eq!(command(&second, &["proposals", "approve", &id]).0, Some(0));
    let is_done = |shown: &Value| shown["state"] == "executed" || shown["state"] == "ended";
    wait_for("it to be carried out", || is_done(&response(&second, &id)));
    let ends = response(&second, &id)["ends"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    daemon.kill();
    drop(helper);
    assert!(cable.passes(OTHER));
    // On a busy machine its time may be over before anybody looks.
    assert!(!cable.passes(ATTACKER) || jiff::Timestamp::now() > ends, "blocked until {ends}");
    wait_for("the kernel to let it through", || cable.passes(ATTACKER));

    let _daemon = cable.start(&second);
    wait_for("its end to be on record", || response(&second, &id)["state"] == "ended");
    let verified = command(&second, &["verify"]);
    assert_eq!(verified.0, Some(0), "{}{}", verified.1, verified.2);
    assert!(command(&second, &["proposals", "undo", &id]).2.contains("nothing to take back"));
}

#[test]
fn what_was_approved_while_the_helper_was_not_there_is_said_and_carried_out_once_after_a_kill() {
    let Some(cable) = Cable::new("late") else { return };
    let site = Site::new("");
    attack(&site);
    configured(&site, "mode = \"approve\"");
    let daemon = cable.start(&site);
    let id = wait_for_proposal(&site);
    let (code, said, _) = command(&site, &["proposals", "approve", &id]);
    assert_eq!(code, Some(0), "{said}");
    // The answer to the approval waits for that as well, and not for ever.
    wait_for("it to have failed", || response(&site, &id)["state"] == "failed");
    let (_, shown, _) = command(&site, &["proposals", "show", &id]);
    let is_said = ["dsmil-respond.socket", "tried again"].iter().all(|words| shown.contains(words));
    assert!(is_said, "{shown}");
    wait_for("status to say so", || {
        let (_, status, _) = command(&site, &["status"]);
        status.contains("respond is DOWN") && status.contains("respond mode approve")
    });
    daemon.kill();

    let _helper = cable.helper(&site);
    let _daemon = cable.start(&site);
    wait_for("it to be carried out", || response(&site, &id)["state"] == "executed");
    assert!(!cable.passes(ATTACKER) && cable.passes(OTHER));
    let audit = audit(&site);
    assert_eq!(audit.matches("response.requested\n").count(), 1, "{audit}");
    assert_eq!(audit.matches("response.executed\n").count(), 1, "{audit}");
    wait_for("status to be without it", || !command(&site, &["status"]).1.contains("respond is DOWN"));
}

#[test]
fn the_helper_refuses_by_itself_what_must_not_be_blocked_and_more_than_the_budget() {
    let Some(cable) = Cable::new("refuses") else { return };
    let site = Site::new("");
    configured(&site, "mode = \"approve\"\nbudget = 3\nprotected = [\"198.51.100.0/24\"]\nprefix_v4 = 24");
    let helper = cable.helper(&site);
    for (target, said) in [
        ("127.0.0.1", "loopback"),
        (SERVER, "this machine"),
        ("203.0.113.0/24", "this machine"),
        ("203.0.113.254", "gateway"),
        ("198.51.100.9", "protected"),
        ("192.0.2.9", "locked out"),
        ("10.0.0.0/8", "prefix_v4"),
        ("::1", "loopback"),
    ] {
        let answer = helper.block(1, target);
        assert!(
            answer["outcome"] == "refused" && answer["said"].as_str().unwrap().contains(said),
            "{target}: {answer}"
        );
    }
    for wrong in ["", "{", r#"{"verb":"flush"}"#, r#"{"verb":"unblock","target":"@blocked4"}"#] {
        assert_eq!(helper.ask(wrong)["outcome"], "refused", "{wrong}");
    }
    assert_eq!(helper.ask(&"x".repeat(5000))["outcome"], "refused");
    for number in 1..=3 {
        assert_eq!(helper.block(number, &format!("192.0.2.10{number}"))["outcome"], "done");
    }
    assert_eq!(helper.block(1, "192.0.2.101")["outcome"], "done", "the same again is no more");
    let spent = helper.block(4, "192.0.2.104");
    assert!(spent["outcome"] == "spent" && spent["said"].as_str().unwrap().contains("respond.budget"), "{spent}");
    drop(helper);
    let helper = cable.helper(&site);
    assert_eq!(helper.block(4, "192.0.2.104")["outcome"], "spent", "also when it starts again");
    let listed = helper.ask(r#"{"verb":"list"}"#)["blocked"].to_string();
    assert!(listed.contains("192.0.2.103") && !listed.contains("192.0.2.104"), "{listed}");

    // Nobody else is answered.
    std::fs::set_permissions(site.dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let socket = helper.socket.display().to_string();
    let ask = ["--reuid=65534", "--clear-groups", "/usr/bin/perl", "-MIO::Socket::UNIX", "-e", ASKS, &socket];
    match Command::new("setpriv").args(ask).status() {
        Ok(status) => assert_eq!(status.code(), Some(7)),
        Err(error) => eprintln!("skipped: setpriv: {error}"),
    }
    // Who may write the configuration may say what is protected.
    std::fs::set_permissions(site.path("dsmil.toml"), std::fs::Permissions::from_mode(0o666)).unwrap();
    assert_eq!(helper.block(1, "192.0.2.101")["outcome"], "failed");
}

#[test]
fn an_approval_that_only_simulates_changes_nothing_one_that_only_records_says_so_and_none_is_possible_too_late() {
    let Some(cable) = Cable::new("only") else { return };
    let site = Site::new("");
    attack(&site);
    configured(&site, "mode = \"simulate\"");
    let _helper = cable.helper(&site);
    let daemon = cable.start(&site);
    let id = wait_for_proposal(&site);
    assert_eq!(command(&site, &["proposals", "approve", &id]).0, Some(0));
    wait_for("the dry run", || response(&site, &id)["state"] == "simulated");
    let (_, shown, _) = command(&site, &["proposals", "show", &id]);
    assert!(shown.contains("the kernel would block"), "{shown}");
    assert!(cable.passes(ATTACKER));
    daemon.kill();

    let second = Site::new("");
    attack(&second);
    configured(&second, "");
    let daemon = cable.start(&second);
    let id = wait_for_proposal(&second);
    let (_, said, _) = command(&second, &["proposals", "approve", &id]);
    assert!(said.contains("nothing acts"), "{said}");
    assert!(command(&second, &["proposals", "list"]).1.contains("respond.mode is propose"));
    daemon.kill();

    let third = Site::new("");
    attack(&third);
    configured(&third, "mode = \"approve\"\n[device.58]\nvalid_for = \"1ms\"");
    let _daemon = cable.start(&third);
    let id = wait_for_proposal(&third);
    let (code, _, error) = command(&third, &["proposals", "approve", &id]);
    assert!(code == Some(1) && error.contains("has expired at 20"), "{error}");
}

#[test]
fn of_two_proposals_against_one_address_the_one_that_is_not_taken_back_holds() {
    let Some(cable) = Cable::new("twice") else { return };
    let site = Site::new("");
    attack(&site);
    configured(&site, "mode = \"approve\"\nttl_max = \"1h\"");
    let helper = cable.helper(&site);
    let _daemon = cable.start(&site);
    let carried_out = |id: &str| {
        assert_eq!(command(&site, &["proposals", "approve", id]).0, Some(0));
        wait_for("it to be carried out", || response(&site, id)["state"] == "executed");
    };
    let taken_back = |id: &str| -> String {
        assert_eq!(command(&site, &["proposals", "undo", id]).0, Some(0));
        wait_for("it to be taken back", || response(&site, id)["state"] == "undone");
        response(&site, id)["said"].as_str().unwrap().to_owned()
    };
    let first = wait_for_proposal(&site);
    carried_out(&first);
    attack_again(&site);
    let second = wait_for_another(&site, "block_address", ATTACKER, &[&first]);
    carried_out(&second);
    let said = taken_back(&first);
    assert!(said.contains("s more because of proposal") && said.contains(&second), "{said}");
    assert!(!cable.passes(ATTACKER), "the other is in force still");
    taken_back(&second);
    assert!(cable.passes(ATTACKER));

    // The helper by itself: the later end counts, and nothing that is taken back makes a block longer.
    let left = |target: &str| {
        let listed = helper.ask(r#"{"verb":"list"}"#)["blocked"].clone();
        let found = listed.as_array().into_iter().flatten().find(|one| one["target"] == target);
        found.and_then(|one| one["remaining_s"].as_u64()).unwrap_or(0)
    };
    let unblock = |keep_s: u64| {
        let answer = helper.ask(&format!(r#"{{"verb":"unblock","target":"192.0.2.50","keep_s":{keep_s}}}"#));
        assert_eq!(answer["outcome"], "done", "{answer}");
        left("192.0.2.50")
    };
    assert_eq!(unblock(60), 0, "who is not blocked is not blocked by that");
    assert_eq!(helper.block(1, "192.0.2.50")["outcome"], "done");
    let short = r#"{"verb":"block","id":"2-0","target":"192.0.2.50","ttl_s":5,"approver":"automatic"}"#;
    assert_eq!(helper.ask(short)["outcome"], "done");
    let before = left("192.0.2.50");
    assert!(before > 60, "{before}");
    assert!(unblock(100_000) <= before);
    let kept = unblock(600);
    assert!(kept > 0 && kept <= 600, "{kept}");
    assert_eq!(unblock(0), 0);
}

#[test]
fn what_the_configuration_names_is_carried_out_without_anybody() {
    let Some(cable) = Cable::new("auto") else { return };
    let site = Site::new("");
    attack(&site);
    configured(&site, "mode = \"automatic\"\nautomatic = { severity = \"HIGH\" }");
    let _helper = cable.helper(&site);
    let _daemon = cable.start(&site);
    let id = wait_for_proposal(&site);
    wait_for("it to be carried out", || response(&site, &id)["state"] == "executed");
    assert!(!cable.passes(ATTACKER) && cable.passes(OTHER));
    let (_, shown, _) = command(&site, &["proposals", "show", &id]);
    assert!(shown.contains("approved by dsmild itself"), "{shown}");
}
