//! Who is blocked, as firewalls of other machines are told: a file, a feed, and a bouncer of CrowdSec that drops packets by it.

use std::process::{Child, Stdio};

use serde_json::Value;

use crate::cable::{
    ATTACKER, Cable, OTHER, attack, attack_again, audit, command, configured, proposals, response, wait_for_proposal,
};
use crate::harness::{Site, wait_for};

const BOUNCER: &str = "/usr/bin/crowdsec-firewall-bouncer";
const TOKEN: &str = "read-token-of-a-test";

fn list(site: &Site) -> Option<String> {
    std::fs::read_to_string(site.path("bans.txt")).ok()
}

/// Without a helper, and with the ban list alone.
fn listed(site: &Site, respond: &str) {
    attack(site);
    configured(site, &format!("mode = \"approve\"\nnftables = false\nban_list = \"{{dir}}/bans.txt\"\n{respond}"));
}

#[test]
fn the_ban_list_has_what_is_in_force_also_after_a_kill_and_without_what_was_taken_back() {
    let site = Site::new("");
    listed(&site, "");
    let daemon = site.start_ready();
    let id = wait_for_proposal(&site);
    wait_for("a list without anybody", || list(&site).as_deref() == Some(""));
    let (_, shown, _) = command(&site, &["proposals", "show", &id]);
    assert!(shown.contains("is on the ban list for 1h") && shown.contains("carried out by: ban_list"), "{shown}");
    let (code, _, error) = command(&site, &["proposals", "approve", &id]);
    assert_eq!(code, Some(0), "{error}");
    let blocked = format!("{ATTACKER}\n");
    wait_for("the list", || list(&site).as_ref() == Some(&blocked));
    assert_eq!(daemon.get("/api/v1/bans?format=plain").unwrap(), (200, blocked.clone()));
    let (_, table, _) = command(&site, &["bans", "list"]);
    assert!(table.contains(ATTACKER) && table.contains(&id), "{table}");
    assert_eq!(command(&site, &["bans", "list", "--plain"]).1, blocked);
    let (_, status, _) = command(&site, &["status"]);
    assert!(!status.contains("respond is DOWN"), "{status}");

    daemon.kill();
    assert_eq!(list(&site).as_ref(), Some(&blocked), "whoever reads it goes on");
    std::fs::write(site.path("bans.txt"), "192.0.2.1\n").unwrap();
    let daemon = site.start_ready();
    wait_for("the list to be right again", || list(&site).as_ref() == Some(&blocked));
    assert_eq!(command(&site, &["proposals", "undo", &id]).0, Some(0));
    wait_for("a list without him", || list(&site).as_deref() == Some(""));
    wait_for("it to be taken back", || response(&site, &id)["state"] == "undone");
    let stream = daemon.get("/v1/decisions/stream").unwrap().1;
    assert!(stream.contains("\"new\":[]") && stream.contains(&format!("\"value\":\"{ATTACKER}\"")), "{stream}");
    assert_eq!(
        audit(&site),
        "proposal.approve.execute\nresponse.requested\nresponse.executed\nproposal.undo\nresponse.undone\n"
    );
}

#[test]
fn a_ban_leaves_the_list_when_its_time_is_over_though_the_daemon_was_dead_then() {
    let site = Site::new("");
    listed(&site, "ttl_max = \"2s\"");
    let daemon = site.start_ready();
    let id = wait_for_proposal(&site);
    assert_eq!(command(&site, &["proposals", "approve", &id]).0, Some(0));
    wait_for("its end", || response(&site, &id)["state"] == "ended");
    wait_for("a list without anybody", || list(&site).as_deref() == Some(""));
    assert!(audit(&site).contains("response.executed\nresponse.ended\n"), "{}", audit(&site));
    daemon.kill();
    // As if it had been killed before it could write that.
    std::fs::write(site.path("bans.txt"), format!("{ATTACKER}\n")).unwrap();
    let _daemon = site.start_ready();
    wait_for("a list without anybody", || list(&site).as_deref() == Some(""));
}

#[test]
fn nobody_is_put_on_the_list_who_must_not_be_blocked_and_a_list_that_cannot_be_written_is_said() {
    let site = Site::new("");
    listed(&site, &format!("protected = [\"{ATTACKER}/32\"]"));
    // Device 58 does not look at what [respond] protects.
    let _daemon = site.start_ready();
    let id = wait_for_proposal(&site);
    assert_eq!(command(&site, &["proposals", "approve", &id]).0, Some(0));
    wait_for("it to be refused", || response(&site, &id)["state"] == "failed");
    let said = response(&site, &id)["said"].as_str().unwrap().to_owned();
    assert!(said.contains("refused") && said.contains("protected by the configuration"), "{said}");
    assert_eq!(proposals(&site).iter().filter(|one| one["response"]["in_force"] == true).count(), 0);
    assert_eq!(list(&site).as_deref(), Some(""));

    let second = Site::new("");
    attack(&second);
    configured(&second, "mode = \"approve\"\nnftables = false\nban_list = \"{dir}/none/bans.txt\"");
    let daemon = second.start_ready();
    let said = || daemon.status()["outlets"].to_string();
    wait_for("status to say it", || said().contains("none/bans.txt"));
    std::fs::create_dir(second.path("none")).unwrap();
    wait_for("the list", || second.path("none/bans.txt").exists());
    wait_for("status to be without it", || !said().contains("none/bans.txt"));
}

#[test]
fn a_list_that_the_configuration_no_longer_names_is_emptied_and_that_is_said_also_after_a_start() {
    let site = Site::new("");
    listed(&site, "");
    let daemon = site.start_ready();
    let id = wait_for_proposal(&site);
    assert_eq!(command(&site, &["proposals", "approve", &id]).0, Some(0));
    let blocked = format!("{ATTACKER}\n");
    wait_for("the list", || list(&site).as_ref() == Some(&blocked));
    let elsewhere = |name: &str| {
        let text = std::fs::read_to_string(site.path("dsmil.toml")).unwrap();
        let lines = text.lines().map(|line| match line.starts_with("ban_list") {
            true => format!("ban_list = \"{}\"\n", site.path(name).display()),
            false => format!("{line}\n"),
        });
        std::fs::write(site.path("dsmil.toml"), lines.collect::<String>()).unwrap();
    };
    let read = |name: &str| std::fs::read_to_string(site.path(name)).ok();
    elsewhere("moved.txt");
    daemon.reload();
    wait_for("the list at its new place", || read("moved.txt").as_ref() == Some(&blocked));
    wait_for("the one before to be empty", || list(&site).as_deref() == Some(""));
    site.until_said("the file was emptied");
    assert_eq!(daemon.terminate(), Some(0));
    // While it does not run, nobody is let go; then it is noticed.
    let text = std::fs::read_to_string(site.path("dsmil.toml")).unwrap();
    let without: String =
        text.lines().filter(|line| !line.starts_with("ban_list")).map(|line| format!("{line}\n")).collect();
    std::fs::write(site.path("dsmil.toml"), without).unwrap();
    assert_eq!(read("moved.txt").as_ref(), Some(&blocked));
    let _daemon = site.start_ready();
    wait_for("that one to be empty as well", || read("moved.txt").as_deref() == Some(""));
    assert_eq!(site.log().matches("the file was emptied").count(), 2, "{}", site.log());
}

#[test]
fn what_is_proposed_again_while_it_waits_is_one_that_waits_also_after_a_kill() {
    let site = Site::new("");
    attack(&site);
    attack_again(&site);
    configured(&site, "mode = \"approve\"\nnftables = false\nban_list = \"{dir}/bans.txt\"");
    let daemon = site.start_ready();
    let against = |state: &str| -> Vec<Value> {
        let is_it = |one: &Value| {
            let proposal = &one["event"]["proposal"];
            one["state"] == state && proposal["action"] == "block_address" && proposal["target"] == ATTACKER
        };
        proposals(&site).into_iter().filter(is_it).collect()
    };
    wait_for("it to be proposed again", || !against("superseded").is_empty());
    let check = || {
        let (waiting, before) = (against("pending"), against("superseded"));
        assert_eq!((waiting.len(), before.len()), (1, 1), "{waiting:#?}");
        assert_eq!(before[0]["superseded_by"], waiting[0]["id"]);
        let repeats = &waiting[0]["repeats"];
        assert_eq!((&repeats["count"], &repeats["first"]), (&2.into(), &before[0]["id"]));
        assert_eq!(repeats["causes"][0], before[0]["event"]["proposal"]["cause"]);
        [&before[0], &waiting[0]].map(|one| one["id"].as_str().unwrap().to_owned())
    };
    let ids = check();
    daemon.kill();
    let _daemon = site.start_ready();
    wait_for("the log to be read", || proposals(&site).len() > 1 && !against("superseded").is_empty());
    assert_eq!(check(), ids);
    let [older, newer] = ids;
    for verb in ["approve", "reject"] {
        let (code, _, error) = command(&site, &["proposals", verb, &older]);
        assert!(code == Some(1) && error.contains("409") && error.contains(&newer), "{error}");
    }
    let (_, shown, _) = command(&site, &["proposals", "show", &newer]);
    assert!(shown.contains("proposed: 2 times since 20"), "{shown}");
    assert_eq!(command(&site, &["proposals", "approve", &newer]).0, Some(0));
    wait_for("it to be carried out", || response(&site, &newer)["state"] == "executed");
    assert_eq!(against("superseded").len(), 1, "what somebody decided on is not open again by that");
}

struct Bouncer(Child);

impl Bouncer {
    /// As its package starts it, with our address and a token of ours.
    fn start(cable: &Cable, site: &Site) -> Self {
        let dir = site.dir.path().display();
        let config = format!(
            "mode: nftables\npid_dir: {dir}\nupdate_frequency: 1s\ndaemonize: false\nlog_mode: file\nlog_dir: {dir}\nlog_level: info\n\
             api_url: http://127.0.0.1:{}/\napi_key: {TOKEN}\ndisable_ipv6: false\ndeny_action: DROP\n\
             supported_decisions_types: [ban]\nblacklists_ipv4: crowdsec-blacklists\nblacklists_ipv6: crowdsec6-blacklists\n\
             nftables:\n  ipv4: {{enabled: true, set-only: false, table: crowdsec, chain: crowdsec-chain}}\n  \
             ipv6: {{enabled: true, set-only: false, table: crowdsec6, chain: crowdsec6-chain}}\n\
             prometheus: {{enabled: false, listen_addr: 127.0.0.1, listen_port: 60601}}\n",
            site.port
        );
        std::fs::write(site.path("bouncer.yaml"), config).unwrap();
        let path = site.path("bouncer.yaml").display().to_string();
        let log = std::fs::File::create(site.path("bouncer.out")).unwrap();
        let mut command = cable.inside(BOUNCER, &["-c", &path]);
        Self(command.stdout(log.try_clone().unwrap()).stderr(log).stdin(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn an_unmodified_bouncer_of_crowdsec_drops_what_is_blocked_and_lets_through_what_no_longer_is() {
    if !std::path::Path::new(BOUNCER).exists() {
        eprintln!(
            "skipped: this test needs {BOUNCER} (apt-get install --no-install-recommends crowdsec-firewall-bouncer)"
        );
        return;
    }
    let Some(cable) = Cable::new("bounces") else { return };
    let site = Site::new("");
    listed(&site, "");
    site.name_tokens();
    site.write_tokens(&format!("read {TOKEN}\n"));
    let daemon = cable.start(&site);
    let id = wait_for_proposal(&site);
    let bouncer = Bouncer::start(&cable, &site);
    assert_eq!(command(&site, &["proposals", "approve", &id]).0, Some(0));
    wait_for("the bouncer to drop it", || !cable.passes(ATTACKER));
    assert!(cable.passes(OTHER), "the innocent are not blocked along");
    // A bouncer that starts later is told as well.
    drop(bouncer);
    let _bouncer = Bouncer::start(&cable, &site);
    wait_for("the bouncer to drop it again", || !cable.passes(ATTACKER));
    // What it does not know while we are away, it learns afterwards.
    daemon.kill();
    let _daemon = cable.start(&site);
    assert_eq!(command(&site, &["proposals", "undo", &id]).0, Some(0));
    wait_for("the bouncer to let it through", || cable.passes(ATTACKER));
}
