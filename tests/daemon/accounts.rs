//! Approved locks of accounts, carried out by usermod on the accounts of a folder of the test's own.

use std::path::Path;

use serde_json::Value;

use crate::cable::{Helper, attack, audit, command, configured, response, wait_for_proposed};
use crate::harness::{Site, dsmild, wait_for};

/// Into whose account the attacker of the demo gets.
const VICTIM: &str = "deploy";
const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\nsshd:x:105:65534::/run/sshd:/usr/sbin/nologin\n\
                      deploy:x:1000:1000:Deploy,,,:/home/deploy:/bin/bash\nbob:x:1001:1001::/home/bob:/bin/bash\n\
                      carol:x:1002:1002::/home/carol:/bin/bash\ndave:x:1003:1003::/home/dave:/bin/bash\n";
const SHADOW: &str = "root:*:19000:0:99999:7:::\nsshd:!:19000::::::\n\
                      deploy:$y$j9T$salt$hash:19000:0:99999:7::90000:\nbob:!$y$x:19001:0:99999:7:::\n\
                      carol:*:19002:0:99999:7:::\ndave::19003:0:99999:7:::\n";

/// The accounts; `None` where this cannot be tried.
fn accounts(site: &Site) -> Option<()> {
    if !Path::new("/usr/sbin/usermod").exists() || !rustix::process::getuid().is_root() {
        eprintln!("skipped: this test needs /usr/sbin/usermod and root");
        return None;
    }
    std::fs::create_dir_all(site.path("root/etc")).unwrap();
    std::fs::create_dir(site.path("locks")).unwrap();
    std::fs::write(site.path("root/etc/passwd"), PASSWD).unwrap();
    std::fs::write(site.path("root/etc/shadow"), SHADOW).unwrap();
    std::fs::write(site.path("root/etc/group"), "root:x:0:\ndeploy:x:1000:\n").unwrap();
    Some(())
}

fn shadow(site: &Site) -> String {
    std::fs::read_to_string(site.path("root/etc/shadow")).unwrap()
}

fn is_locked(site: &Site) -> bool {
    shadow(site).contains("deploy:!$y$j9T$salt$hash:19000:0:99999:7::1:\n")
}

fn state_of(site: &Site, id: &str) -> String {
    response(site, id)["state"].as_str().unwrap_or_default().to_owned()
}

fn helper(site: &Site, idle_s: &str) -> Helper {
    let mut command = dsmild();
    command.args(["respond-accounts-helper", "--user", "root", "--idle-s", idle_s, "-c"]).arg(site.path("dsmil.toml"));
    command.arg("--state").arg(site.path("locks")).arg("--root").arg(site.path("root"));
    Helper::spawn(site, "accounts.sock", command)
}

fn acting(site: &Site, respond: &str) {
    attack(site);
    configured(
        site,
        &format!(
            "mode = \"approve\"\nnftables = false\n{respond}\n[respond.accounts]\nenabled = true\n\
             socket = \"{{dir}}/accounts.sock\"\nhosts = [\"atlas\"]"
        ),
    );
}

#[test]
fn an_account_is_locked_when_that_is_approved_and_restored_to_the_byte_when_it_is_taken_back() {
    let site = Site::new("");
    let Some(()) = accounts(&site) else { return };
    acting(&site, "");
    let _helper = helper(&site, "1000");
    let _daemon = site.start_ready();
    let id = wait_for_proposed(&site, "lock_user", VICTIM);
    let (_, shown, _) = command(&site, &["proposals", "show", &id]);
    assert!(shown.contains("no password or key lets anybody in as deploy"), "{shown}");
    assert!(shown.contains("carried out by: accounts"), "{shown}");
    assert_eq!(command(&site, &["proposals", "approve", &id]).0, Some(0));
    wait_for("it to be carried out", || response(&site, &id)["state"] == "executed");
    assert!(is_locked(&site), "{}", shadow(&site));
    assert_eq!(command(&site, &["bans", "list", "--plain"]).1, "", "nobody is blocked for it");
    assert_eq!(command(&site, &["proposals", "undo", &id]).0, Some(0));
    wait_for("it to be taken back", || response(&site, &id)["state"] == "undone");
    assert_eq!(shadow(&site), SHADOW);
    assert_eq!(std::fs::read_to_string(site.path("root/etc/passwd")).unwrap(), PASSWD);
    assert_eq!(
        audit(&site),
        "proposal.approve.execute\nresponse.requested\nresponse.executed\nproposal.undo\nresponse.undone\n"
    );
}

#[test]
fn an_account_is_unlocked_in_time_though_the_daemon_is_dead_and_the_helper_was_killed() {
    let site = Site::new("");
    let Some(()) = accounts(&site) else { return };
    acting(&site, "ttl_max = \"4s\"");
    let first = helper(&site, "1000");
    let daemon = site.start_ready();
    let id = wait_for_proposed(&site, "lock_user", VICTIM);
    assert_eq!(command(&site, &["proposals", "approve", &id]).0, Some(0));
    // On a busy machine it may be over before anybody looks.
    wait_for("it to be carried out", || ["executed", "ended"].contains(&state_of(&site, &id).as_str()));
    daemon.kill();
    drop(first);
    // As its timer starts it, also after the machine's next start: nobody asks it for anything.
    let mut second = helper(&site, "1");
    wait_for("the account to be as it was", || shadow(&site) == SHADOW);
    wait_for("the helper to end, with nothing left to do", || second.has_ended());

    let _third = helper(&site, "1000");
    let _daemon = site.start_ready();
    wait_for("its end to be on record", || response(&site, &id)["state"] == "ended");
    assert_eq!(shadow(&site), SHADOW);
}

#[test]
fn the_helper_for_accounts_refuses_by_itself_whom_nobody_may_lock_and_more_than_the_budget() {
    let site = Site::new("");
    let Some(()) = accounts(&site) else { return };
    acting(&site, "budget = 3\nttl_max = \"1h\"");
    let text = std::fs::read_to_string(site.path("dsmil.toml")).unwrap();
    std::fs::write(site.path("dsmil.toml"), text.clone() + "\n[device.58]\nprotected_users = [\"bob\"]\n").unwrap();
    let first = helper(&site, "1000");
    let lock = |helper: &Helper, number: u64, user: &str, ttl_s: u64, approver: &str| -> Value {
        helper.ask(&format!(
            r#"{{"verb":"lock","id":"{number}-0","user":"{user}","ttl_s":{ttl_s},"approver":{approver}}}"#
        ))
    };
    let automatic = "\"automatic\"";
    for (user, ttl_s, approver, said) in [
        ("root", 60, automatic, "root"),
        ("sshd", 60, automatic, "uid_min"),
        ("bob", 60, automatic, "protected"),
        ("mallory", 60, automatic, "/etc/passwd"),
        ("deploy", 3601, automatic, "ttl_max"),
        ("deploy", 60, r#"{"uid":1000}"#, "lock himself out"),
        ("--root", 60, automatic, "no request"),
        ("deploy;id", 60, automatic, "no request"),
    ] {
        let answer = lock(&first, 1, user, ttl_s, approver);
        assert!(answer["outcome"] == "refused" && answer["said"].as_str().unwrap().contains(said), "{user}: {answer}");
    }
    let block = r#"{"verb":"block","id":"1-0","target":"192.0.2.9","ttl_s":60,"approver":"automatic"}"#;
    assert_eq!(first.ask(block)["outcome"], "refused");
    assert_eq!(shadow(&site), SHADOW);

    // Whatever an account was like, it is so again; the budget holds also when the helper starts again.
    for (number, user) in [(1, "deploy"), (2, "carol"), (3, "dave"), (1, "deploy")] {
        assert_eq!(lock(&first, number, user, 3600, automatic)["outcome"], "done", "{user}");
    }
    assert_eq!(shadow(&site).matches(":7::1:\n").count(), 3, "{}", shadow(&site));
    assert!(first.ask(r#"{"verb":"list"}"#)["said"].as_str().unwrap().starts_with("3 accounts"));
    drop(first);
    let second = helper(&site, "1000");
    assert_eq!(lock(&second, 4, "deploy", 60, automatic)["outcome"], "spent");
    drop(second);
    // Before the program is removed.
    let mut all = dsmild();
    all.args(["respond-accounts-helper", "--unlock-all", "--state"]).arg(site.path("locks"));
    assert!(all.arg("--root").arg(site.path("root")).status().unwrap().success());
    assert_eq!(shadow(&site), SHADOW);

    let third = helper(&site, "1000");
    std::fs::write(site.path("dsmil.toml"), text.replace("enabled = true\nsocket", "enabled = false\nsocket")).unwrap();
    let answer = lock(&third, 1, "deploy", 60, automatic);
    assert!(answer["said"].as_str().unwrap().contains("respond.accounts.enabled"), "{answer}");
}

fn lock(number: u64, ttl_s: u64) -> String {
    format!(r#"{{"verb":"lock","id":"{number}-0","user":"deploy","ttl_s":{ttl_s},"approver":"automatic"}}"#)
}

fn unlock(number: u64) -> String {
    format!(r#"{{"verb":"unlock","id":"{number}-0","user":"deploy"}}"#)
}

#[test]
fn of_two_proposals_against_one_account_the_one_that_is_not_taken_back_holds() {
    let site = Site::new("");
    let Some(()) = accounts(&site) else { return };
    acting(&site, "");
    let helper = helper(&site, "1000");
    for (first, second) in [(1, 2), (4, 3)] {
        assert_eq!(helper.ask(&lock(first, 3600))["outcome"], "done");
        assert_eq!(helper.ask(&lock(second, 60))["outcome"], "done");
        let answer = helper.ask(&unlock(first));
        assert!(
            answer["outcome"] == "done" && answer["said"].as_str().unwrap().contains("another proposal"),
            "{answer}"
        );
        assert!(is_locked(&site), "{}", shadow(&site));
        assert_eq!(helper.ask(&unlock(second))["outcome"], "done");
        assert_eq!(shadow(&site), SHADOW);
    }
}

/// The processes that one has started and that run.
fn children(of: u32) -> Vec<u32> {
    let task = format!("/proc/{of}/task/{of}/children");
    std::fs::read_to_string(task).unwrap_or_default().split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

#[test]
fn what_a_helper_that_was_killed_alone_has_started_is_waited_for_before_anything_is_restored() {
    let site = Site::new("");
    let Some(()) = accounts(&site) else { return };
    acting(&site, "");
    // As somebody who changes accounts at the moment: usermod waits for that.
    let busy = std::fs::File::create(site.path("root/etc/.pwd.lock")).unwrap();
    rustix::fs::fcntl_lock(&busy, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let first = helper(&site, "1000");
    let mut asking = std::os::unix::net::UnixStream::connect(&first.socket).unwrap();
    std::io::Write::write_all(&mut asking, format!("{}\n", lock(1, 3600)).as_bytes()).unwrap();
    let mut usermod = Vec::new();
    wait_for("usermod to run", || {
        usermod = children(first.id());
        !usermod.is_empty()
    });
    drop(first); // killed, and nothing else
    let runs = || usermod.iter().any(|pid| Path::new(&format!("/proc/{pid}/fd/0")).exists());
    let second = helper(&site, "1000");
    let answer = second.ask(&unlock(1));
    // It gives up by itself after a while.
    assert!(answer["outcome"] == "failed" || !runs(), "{answer}");
    drop(busy);
    wait_for("the account to be as it was, with nobody about to change it", || {
        second.ask(&unlock(1))["outcome"] == "done" && !runs()
    });
    assert_eq!(shadow(&site), SHADOW);
}
