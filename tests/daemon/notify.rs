//! People are told of every incident, whatever dies and however the other side behaves; and a notifier that does not work is shown.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::break_in::break_in;
use crate::harness::{Daemon, Site, dsmild, wait_for};
use crate::notify_server::{Behaviour, MailServer, Security, Taken, Webhook};
use crate::random::Random;

const INPUT: &str = "[[intake.file]]\npath = \"{dir}/in.log\"\n";

/// An incident that grows. Each attacker has a machine and an account of his own.
fn attack(site: &Site, number: u64) {
    let (host, user, from) =
        (format!("host{number}"), format!("user{number}"), format!("203.0.{}.{}", number / 200, number % 200 + 1));
    let account = "useradd[8]: new user: name=support, UID=0, GID=0, home=/root, shell=/bin/bash, from=none";
    break_in(site, &host, (&user, &from), (0, &format!(".{number:06}")), &[account]);
}

fn webhook(port: u16, more: &str) -> String {
    format!(
        "{INPUT}[[notify]]\nkind = \"webhook\"\nname = \"hook\"\nurl = \"http://127.0.0.1:{port}/in\"\nrate = 100000\nevery = \"1s\"\n{more}\n"
    )
}

fn outlet(daemon: &Daemon, name: &str) -> Value {
    let status = daemon.status();
    let found = status["outlets"].as_array().unwrap().iter().find(|outlet| outlet["name"] == name);
    found.cloned().unwrap_or_default()
}

fn incidents(daemon: &Daemon) -> Vec<Value> {
    let (_, text) = daemon.get("/api/v1/incidents").unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    value["incidents"].as_array().unwrap().clone()
}

/// Those that somebody is to be told of.
fn severe(daemon: &Daemon) -> BTreeMap<String, String> {
    let of = |value: &Value, name: &str| value[name].as_str().unwrap().to_owned();
    let all = incidents(daemon);
    let severe = all.iter().filter(|it| it["severity"] == "HIGH" || it["severity"] == "CRITICAL");
    severe.map(|it| (of(it, "id"), of(it, "severity"))).collect()
}

/// What was told last of each case.
fn last_told(taken: &[Taken]) -> BTreeMap<String, Value> {
    taken.iter().map(|it| (it.body["id"].as_str().unwrap().to_owned(), it.body.clone())).collect()
}

fn keys(taken: &[Taken]) -> BTreeSet<&str> {
    taken.iter().map(|taken| taken.key.as_str()).collect()
}

fn is_all_told(daemon: &Daemon, taken: &[Taken]) -> bool {
    let last = last_told(taken);
    severe(daemon).iter().all(|(id, severity)| last.get(id).is_some_and(|told| told["severity"] == severity.as_str()))
}

#[test]
fn an_incident_is_told_with_what_a_person_needs_and_again_when_it_is_closed() {
    let hook = Webhook::started();
    let site = Site::new(&webhook(hook.port, "link = \"https://soc.example\"\nheaders = { \"X-Title\" = \"soc\" }"));
    attack(&site, 1);
    let daemon = site.start_ready();
    // What is proposed comes after the incident.
    let has_proposals = |told: &Value| told["proposals"].as_array().is_some_and(|proposals| !proposals.is_empty());
    wait_for("the incident to be told", || {
        daemon.has_no_backlog()
            && !severe(&daemon).is_empty()
            && is_all_told(&daemon, &hook.taken())
            && last_told(&hook.taken()).values().all(has_proposals)
    });
    let first = hook.taken()[0].clone();
    assert_eq!(first.body["kind"], "new");
    assert!(first.head.starts_with("POST /in HTTP/1.1") && first.head.contains("x-title: soc"), "{}", first.head);
    assert!(first.head.contains("content-type: application/json"), "{}", first.head);
    let id = first.body["id"].as_str().unwrap();
    assert_eq!(first.key, format!("{id}/{}", first.body["event_id"].as_str().unwrap()));
    assert!(first.body["who"].as_str().unwrap().contains("203.0.0.2"), "{}", first.body);
    assert_eq!(first.body["link"], format!("https://soc.example/#incident={id}"));
    for name in ["since", "last", "phase", "summary", "text"] {
        assert!(first.body[name].as_str().is_some_and(|text| !text.is_empty()), "{name} of {}", first.body);
    }
    let closed = dsmild()
        .args(["incidents", "close", id, "--as", "false", "--note", "a drill", "-c"])
        .arg(site.path("dsmil.toml"))
        .output()
        .unwrap();
    assert!(closed.status.success(), "{}", String::from_utf8_lossy(&closed.stderr));
    wait_for("that it is closed to be told", || last_told(&hook.taken())[id]["kind"] == "closed");
    let told = last_told(&hook.taken());
    assert!(told[id]["ended"].as_str().unwrap().contains("closed as false_positive by"), "{}", told[id]);
    wait_for("it to be up with nothing left to tell", || {
        let shown = outlet(&daemon, "notify-hook");
        shown["up"] == true && shown["lag_events"] == 0
    });
    assert_eq!(keys(&hook.taken()).len(), hook.taken().len(), "nothing is told twice");
    let (_, metrics) = daemon.get("/metrics").unwrap();
    assert!(metrics.contains("dsmil_outlet_up{outlet=\"notify-hook\"} 1"), "{metrics}");
    assert!(metrics.contains(&format!(
        "dsmil_notifications_total{{notifier=\"notify-hook\",result=\"told\"}} {}",
        hook.taken().len()
    )));
    assert_eq!(daemon.terminate(), Some(0));
}

#[test]
fn every_incident_is_told_over_kills_and_a_repetition_has_its_key() {
    let hook = Webhook::started();
    let site = Site::new(&webhook(hook.port, "timeout = \"2s\""));
    let (mut random, mut number, mut cuts) = (Random::new(), 0, 0);
    let lives = 8;
    for life in 0..lives {
        let daemon = if life == 0 { site.start_ready() } else { site.start() };
        for _ in 0..4 {
            match random.below(8) {
                0 => hook.now(Behaviour::Say("500 Internal Server Error", b"no".to_vec())),
                1 => hook.now(Behaviour::Say("429 Too Many Requests\r\nRetry-After: 1", Vec::new())),
                2 => hook.now(Behaviour::Hang),
                3 => hook.now(Behaviour::TakeAndCut),
                _ => hook.now(Behaviour::Take),
            }
            for _ in 0..random.below(5) {
                number += 1;
                attack(&site, number);
            }
            let before = hook.taken().len();
            random.pause(1500); // the moment of death is random
            // Each of these is told again, with its key.
            cuts += hook.taken().len() - before;
        }
        daemon.kill();
    }
    hook.now(Behaviour::Take);
    let daemon = site.start_ready();
    wait_for("everything to be judged", || daemon.has_no_backlog() && severe(&daemon).len() as u64 >= number / 2);
    wait_for("everything to be told", || {
        daemon.has_no_backlog()
            && is_all_told(&daemon, &hook.taken())
            && outlet(&daemon, "notify-hook")["lag_events"] == 0
    });
    let taken = hook.taken();
    let mut by_key: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for it in &taken {
        by_key.entry(&it.key).or_default().push(&it.body);
    }
    let repeated = taken.len() - by_key.len();
    eprintln!(
        "{number} attacks, {} incidents, {} messages, {repeated} of them repetitions",
        severe(&daemon).len(),
        taken.len()
    );
    for (key, bodies) in &by_key {
        assert!(bodies.windows(2).all(|pair| pair[0]["text"] == pair[1]["text"]), "{key}: {bodies:#?}");
    }
    assert!(repeated <= lives + cuts, "{repeated} repetitions");
    let told: BTreeSet<String> = last_told(&taken).into_keys().collect();
    let expected: BTreeSet<String> = severe(&daemon).into_keys().collect();
    assert!(told.is_superset(&expected), "{:?}", expected.difference(&told));
    assert_eq!(daemon.terminate(), Some(0));
}

#[test]
fn a_notifier_that_does_not_work_is_shown_so_and_what_is_refused_for_good_is_a_dead_letter() {
    let hook = Webhook::started();
    let site = Site::new(&webhook(hook.port, "timeout = \"1s\""));
    let daemon = site.start_ready();
    wait_for("it to be up", || outlet(&daemon, "notify-hook")["up"] == true);
    let is_down = |word: &str| {
        wait_for(word, || {
            let shown = outlet(&daemon, "notify-hook");
            shown["up"] == false && shown["last_error"].as_str().is_some_and(|error| error.contains(word))
        });
    };
    hook.now(Behaviour::Say("500 Internal Server Error", vec![b'x'; 10_000_000]));
    attack(&site, 1);
    is_down("500");
    wait_for("what waits to be shown", || outlet(&daemon, "notify-hook")["lag_events"].as_u64().unwrap() > 0);
    hook.now(Behaviour::Say("302 Found\r\nLocation: http://127.0.0.1:1/", Vec::new()));
    is_down("redirects");
    wait_for("the metric", || daemon.get("/metrics").unwrap().1.contains("dsmil_outlet_up{outlet=\"notify-hook\"} 0"));
    let (_, summary) = daemon.get("/api/v1/status").unwrap();
    assert!(summary.contains("notify-hook"), "{summary}");
    hook.now(Behaviour::Say("400 Bad Request", b"no such channel".to_vec()));
    is_down("no such channel");
    let letters = || {
        crate::kill::read(&site, "SELECT reason FROM dead_letters WHERE stream = 'notify-hook'", |row| {
            sqlx::Row::get::<String, _>(&row, "reason")
        })
    };
    wait_for("the dead letter", || letters().iter().any(|reason| reason.contains("no such channel")));
    hook.now(Behaviour::Take);
    attack(&site, 2);
    wait_for("the next one to be told", || !hook.taken().is_empty());
    wait_for("it to be up again", || outlet(&daemon, "notify-hook")["up"] == true);
    assert_eq!(daemon.terminate(), Some(0));
}

#[test]
fn notifiers_come_and_go_with_a_reload_and_lose_nothing() {
    let (one, two) = (Webhook::started(), Webhook::started());
    let site = Site::new(&webhook(one.port, ""));
    let daemon = site.start_ready();
    attack(&site, 1);
    wait_for("the first one", || {
        daemon.has_no_backlog() && !severe(&daemon).is_empty() && is_all_told(&daemon, &one.taken())
    });
    let more = format!("[[notify]]\nkind = \"webhook\"\nurl = \"http://127.0.0.1:{}/\"\nrate = 100000\n", two.port);
    site.configure(&webhook(one.port, &more));
    daemon.reload();
    wait_for("the new one to be up", || outlet(&daemon, "notify-webhook2")["up"] == true);
    attack(&site, 2);
    wait_for("both to tell", || {
        daemon.has_no_backlog()
            && severe(&daemon).len() > 1
            && is_all_told(&daemon, &one.taken())
            && !two.taken().is_empty()
    });
    let taken = one.taken();
    assert_eq!(keys(&taken).len(), taken.len(), "a reload repeats nothing");
    site.configure(INPUT);
    daemon.reload();
    wait_for("both to be gone", || {
        outlet(&daemon, "notify-hook").is_null() && outlet(&daemon, "notify-webhook2").is_null()
    });
    assert_eq!(daemon.terminate(), Some(0));
}

fn mail_configuration(server: &MailServer, tls: &str, more: &str) -> String {
    format!(
        "{INPUT}[[notify]]\nkind = \"email\"\nserver = \"localhost:{}\"\ntls = \"{tls}\"\nrate = 1000\nevery = \"1s\"\n\
         from = \"dsmild <soc@example.org>\"\nto = [\"nobody@example.org\", \"Alice <alice@example.org>\"]\n{more}\n",
        server.port
    )
}

fn header<'a>(mail: &'a str, name: &str) -> &'a str {
    mail.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("no {name} in {mail}")).trim()
}

#[test]
fn mails_go_over_tls_hang_together_and_one_recipient_who_is_refused_keeps_nothing_from_the_others() {
    for (security, tls) in [(Security::StartTls, "starttls"), (Security::Tls, "tls"), (Security::None, "none")] {
        let site = Site::new("");
        let Some(server) = MailServer::started(security, site.dir.path()) else { return };
        std::fs::write(site.path("password"), "sesame\n").unwrap();
        let login = "username = \"soc\"\npassword_file = \"{dir}/password\"";
        let trust = if tls == "none" { "" } else { "tls_ca_file = \"{dir}/ca.pem\"" };
        site.configure(&mail_configuration(&server, tls, &format!("{login}\n{trust}")));
        *server.busy.lock().unwrap() = 1;
        attack(&site, 1);
        let daemon = site.start_ready();
        wait_for("the incident to be told", || {
            daemon.has_no_backlog() && !severe(&daemon).is_empty() && !server.mails().is_empty()
        });
        let (id, _) = severe(&daemon).into_iter().next().unwrap();
        let closed =
            dsmild().args(["incidents", "close", &id, "--as", "true", "-c"]).arg(site.path("dsmil.toml")).output();
        assert!(closed.unwrap().status.success());
        wait_for("that it is closed to be told", || {
            server.mails().iter().any(|mail| header(&mail.text, "Subject:").contains("closed"))
        });
        let mails: Vec<_> = server.mails().into_iter().filter(|mail| mail.text.contains(&id)).collect();
        assert!(mails.len() >= 2);
        let ids: BTreeSet<&str> = mails.iter().map(|mail| header(&mail.text, "Message-ID:")).collect();
        assert_eq!(ids.len(), mails.len());
        for mail in &mails {
            assert_eq!(
                (mail.to.as_slice(), mail.is_secret),
                (["alice@example.org".to_owned()].as_slice(), tls != "none")
            );
            assert_eq!(mail.user, "soc");
            assert_eq!(header(&mail.text, "References:"), format!("<dsmil.{id}@example.org>"));
            assert!(header(&mail.text, "Message-ID:").starts_with(&format!("<dsmil.{id}.")));
            assert!(header(&mail.text, "Subject:").contains("203.0.0.2"), "{}", mail.text);
            assert!(header(&mail.text, "Content-Type:").contains("text/plain"));
        }
        wait_for("who was refused to be shown", || {
            let shown = outlet(&daemon, "notify-email1");
            let said = shown["last_error"].as_str().unwrap_or_default();
            shown["up"] == false && said.contains("nobody@example.org")
        });
        assert_eq!(daemon.terminate(), Some(0));
    }
}

#[test]
fn a_mail_server_that_cannot_be_trusted_or_lets_nobody_in_is_not_up() {
    let site = Site::new("");
    let Some(server) = MailServer::started(Security::Tls, site.dir.path()) else { return };
    site.configure(&mail_configuration(&server, "tls", ""));
    let daemon = site.start_ready();
    let is_down = |word: &str| {
        wait_for(word, || {
            let shown = outlet(&daemon, "notify-email1");
            shown["up"] == false && shown["last_error"].as_str().is_some_and(|error| error.contains(word))
        });
    };
    is_down("tls_ca_file");
    std::fs::write(site.path("password"), "wrong-secret\n").unwrap();
    let login = "username = \"soc\"\npassword_file = \"{dir}/password\"\ntls_ca_file = \"{dir}/ca.pem\"";
    site.configure(&mail_configuration(&server, "tls", login));
    daemon.reload();
    is_down("535");
    assert!(!site.log().contains("wrong-secret"));
    assert_eq!(daemon.terminate(), Some(0));
}

#[test]
fn a_program_is_told_and_one_that_fails_is_given_up_after_some_tries() {
    let site = Site::new("");
    let script = |text: &str| {
        std::fs::write(site.path("page"), format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(site.path("page"), PermissionsExt::from_mode(0o755)).unwrap();
    };
    let dir = site.dir.path().display().to_string();
    script(&format!("cat >> {dir}/told"));
    site.configure(&format!("{INPUT}[[notify]]\nkind = \"command\"\ncommand = [\"{{dir}}/page\"]\nrate = 1000\n"));
    let daemon = site.start_ready();
    attack(&site, 1);
    let told = || std::fs::read_to_string(site.path("told")).unwrap_or_default();
    wait_for("the program to be told", || told().ends_with('\n'));
    let first: Value = serde_json::from_str(told().lines().next().unwrap()).unwrap();
    assert_eq!(first["kind"], "new");
    script("echo broken >&2; exit 1");
    attack(&site, 2);
    wait_for("it to be given up", || {
        let shown = outlet(&daemon, "notify-command1");
        shown["up"] == false && shown["last_error"].as_str().is_some_and(|error| error.contains("broken"))
    });
    assert_eq!(daemon.terminate(), Some(0));
}

#[test]
fn a_test_message_says_exactly_what_the_other_side_answered() {
    let hook = Webhook::started();
    let site = Site::new(&webhook(hook.port, "template = \"slack\""));
    let test = |name: &str| {
        let output = dsmild().args(["notify", "test", name, "-c"]).arg(site.path("dsmil.toml")).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = test("hook");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("200 OK ok"), "{said}");
    assert!(hook.taken()[0].body["text"].as_str().unwrap().contains("test"));
    hook.now(Behaviour::Say("404 Not Found", b"no_service".to_vec()));
    let (code, said) = test("hook");
    assert_eq!(code, Some(1));
    assert!(said.contains("404") && said.contains("no_service"), "{said}");
    let (code, said) = test("hok");
    assert_eq!(code, Some(1));
    assert!(said.contains("there are hook"), "{said}");
    assert!(hook.refused() == 1);
    site.configure(&webhook(hook.port, "template = \"/nowhere.json\""));
    let (code, said) = test("hook");
    assert_eq!(code, Some(78));
    assert!(said.contains("notify[0].template"), "{said}");
}
