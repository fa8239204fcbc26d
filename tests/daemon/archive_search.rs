//! A search goes on from the hot store into Postgres, and nobody notices where.

use std::fmt::Write as _;
use std::io::Write as _;

use rustix::process::Signal;
use serde_json::Value;

use crate::archive::{archive_status, configuration, wait_until_archived};
use crate::harness::{Daemon, Site, dsmild, wait_for};
use crate::postgres::Postgres;

/// Requests that are attacks, each from another address.
pub fn attack(site: &Site, numbers: std::ops::Range<u32>) {
    let mut lines = String::new();
    for number in numbers {
        let address = format!("198.51.{}.{}", number / 200 + 1, number % 200 + 1);
        let asks = format!("GET /a.php?id={number}%20UNION%20SELECT%20password%20FROM%20users-- HTTP/1.1");
        let _ = writeln!(
            lines,
            "{address} - - [20/Nov/2026:10:00:{:02} +0000] \"{asks}\" 200 512 \"-\" \"curl/8\"",
            number % 60
        );
    }
    let mut file = std::fs::File::options().append(true).create(true).open(site.path("in.log")).unwrap();
    file.write_all(lines.as_bytes()).unwrap();
}

/// A daemon that keeps for a second what Postgres has, and the SOC events of before it did.
fn with_old_events(postgres: &Postgres, count: u32) -> (Site, Daemon, Vec<Value>) {
    let site = Site::new(&configuration(&postgres.url(), ""));
    attack(&site, 0..count);
    let daemon = site.start_ready();
    wait_for("the attacks to be seen", || daemon.stream("L3_IN").len() == count as usize);
    wait_until_archived(&daemon);
    let known = daemon.stream("SOC_EVENTS");
    assert!(known.len() > 30, "{}", known.len());
    assert_eq!(daemon.terminate(), Some(0));
    let text = std::fs::read_to_string(site.path("dsmil.toml")).unwrap();
    std::fs::write(site.path("dsmil.toml"), text.replace("max_size", "retention = \"1s\"\nmax_size")).unwrap();
    let daemon = site.start_ready();
    let last = id_of(known.last().unwrap());
    // Retention leaves the newest event: something has to come after those.
    wait_for("retention to take them", || {
        attack(&site, count..count + 1);
        let page: Value = get(&daemon, "/api/v1/streams/SOC_EVENTS?count=1");
        page["events"].get(0).is_none_or(|event| id_of(event) > last)
    });
    (site, daemon, known)
}

fn id_of(event: &Value) -> (u64, u64) {
    let (ms, n) = event["id"].as_str().unwrap().split_once('-').unwrap();
    (ms.parse().unwrap(), n.parse().unwrap())
}

fn get(daemon: &Daemon, path: &str) -> Value {
    let (code, body) = daemon.get(path).unwrap();
    assert_eq!(code, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

/// The events of all pages up to the last that is known, and whether the archive was searched for them.
fn pages(daemon: &Daemon, query: &str, last: (u64, u64), mut between: impl FnMut()) -> (Vec<Value>, Value) {
    let (mut events, mut after, mut archive) = (Vec::new(), String::new(), Value::Null);
    loop {
        let page = get(daemon, &format!("/api/v1/events?{query}{after}"));
        events.extend(page["events"].as_array().unwrap().iter().filter(|event| id_of(event) <= last).cloned());
        if let Some(said) = page.get("archive") {
            archive = said.clone();
        }
        let Some(next) = page["next"].as_str() else { return (events, archive) };
        after = format!("&after={next}");
        between();
    }
}

#[test]
fn pages_joined_are_all_events_in_order_though_most_are_in_postgres_alone_and_retention_goes_on() {
    let Some(postgres) = Postgres::started() else { return };
    let (site, daemon, known) = with_old_events(&postgres, 400);
    let (last, mut number) = (id_of(known.last().unwrap()), 1000);
    let mut attack_more = || {
        attack(&site, number..number + 3);
        number += 3;
    };
    let is_severe = |event: &Value| event["severity"] == "HIGH" || event["severity"] == "CRITICAL";
    let is_of_network = |event: &Value| {
        let address = event["entity"]["src_ip"].as_str();
        address.is_some_and(|address| address.starts_with("198.51.1."))
    };
    type Passes<'a> = &'a dyn Fn(&Value) -> bool;
    let filters: [(&str, Passes); 5] = [
        ("", &|_| true),
        ("severity%20%3E%3D%20HIGH", &is_severe),
        ("not%20severity%20%3E%3D%20HIGH", &|event| !is_severe(event)),
        ("src_ip%20in%20198.51.1.0/24%20since%2030d", &is_of_network),
        ("user%20%3D%20nobody", &|_| false),
    ];
    for (filter, passes) in filters {
        let expected: Vec<Value> = known.iter().filter(|event| passes(event)).cloned().collect();
        for (order, count) in [("oldest", 7), ("newest", 50), ("newest", 1000)] {
            let (mut found, archive) =
                pages(&daemon, &format!("order={order}&count={count}&where={filter}"), last, &mut attack_more);
            if order == "newest" {
                found.reverse();
            }
            assert_eq!(found.len(), expected.len(), "{filter} {order} {count}");
            assert_eq!(found, expected, "{filter} {order} {count}");
            assert_eq!(archive["searched"], true, "{filter} {order} {count}");
        }
    }
    let partitions = postgres.count("pg_inherits WHERE inhparent = 'model_outputs_fast'::regclass");
    let indexes =
        "pg_indexes WHERE tablename LIKE 'model_outputs_fast_%' AND indexdef LIKE '%(instance, id) WHERE (layer = 8)'";
    assert!(partitions > 1);
    assert_eq!(postgres.count(indexes), partitions, "each day has the index that a search goes by");
    // One by its id, with what it follows from, and on the command line.
    let id = known[3]["id"].as_str().unwrap();
    assert_eq!(get(&daemon, &format!("/api/v1/events/{id}")), known[3]);
    assert_eq!(get(&daemon, &format!("/api/v1/events/{id}/explain"))["id"], *id);
    let url = format!("http://127.0.0.1:{}", site.port);
    let asked = dsmild().args(["events", "--json", "--oldest", "-n", "20", "--url", &url]).output().unwrap();
    let lines = String::from_utf8(asked.stdout).unwrap();
    let shown: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(shown, known[..20]);
    assert_eq!(daemon.terminate(), Some(0));
}

#[test]
fn a_search_does_not_wait_for_a_postgres_that_is_down_or_hangs_and_says_what_is_missing() {
    let Some(mut postgres) = Postgres::started() else { return };
    let (site, daemon, known) = with_old_events(&postgres, 400);
    let last = id_of(known.last().unwrap());
    let first = get(&daemon, "/api/v1/events?count=10&order=oldest");
    assert_eq!(first["archive"]["searched"], true);
    postgres.stop();
    let path = format!("/api/v1/events?count=10&order=oldest&after={}", first["next"].as_str().unwrap());
    let rest = get(&daemon, &path);
    assert_eq!(rest["archive"]["searched"], false, "{rest}");
    assert!(rest["archive"]["why"].as_str().unwrap().contains("start Postgres there"), "{rest}");
    assert!(rest["events"].as_array().unwrap().iter().all(|event| id_of(event) > last), "what the hot store has");
    let url = format!("http://127.0.0.1:{}", site.port);
    let asked = dsmild().args(["events", "-n", "100000", "--url", &url]).output().unwrap();
    let said = String::from_utf8_lossy(&asked.stderr).into_owned();
    assert!(asked.status.success() && said.contains("older than the hot store are missing"), "{said}");
    let id = known[0]["id"].as_str().unwrap();
    let (code, body) = daemon.get(&format!("/api/v1/events/{id}")).unwrap();
    assert!(code == 503 && body.contains("the archive could not be asked"), "{code} {body}");
    postgres.start();
    wait_for("the search to go on", || get(&daemon, &path)["archive"]["searched"] == true);
    let again = get(&daemon, &path);
    assert_eq!(again["events"].as_array().unwrap(), &known[10..20]);

    // The session of the searches hangs, and nothing else does.
    let sessions = "SELECT pid FROM pg_stat_activity WHERE application_name = 'dsmild search'";
    let pids = postgres.rows(sessions, |row| sqlx::Row::get::<i32, _>(&row, 0));
    assert_eq!(pids.len(), 1);
    let session = rustix::process::Pid::from_raw(pids[0]).unwrap();
    rustix::process::kill_process(session, Signal::STOP).unwrap();
    attack(&site, 500..520);
    let hung = get(&daemon, &path);
    assert!(hung["archive"]["searched"].is_boolean(), "{hung}");
    wait_until_archived(&daemon);
    assert_eq!(archive_status(&daemon)["up"], true);
    rustix::process::kill_process(session, Signal::CONT).unwrap();
    wait_for("the search to go on again", || get(&daemon, &path)["archive"]["searched"] == true);
    // A lock that the search must not wait for.
    let lock = postgres.lock("model_outputs_fast");
    let locked = get(&daemon, &path);
    assert!(locked["archive"]["why"].as_str().unwrap().contains("lock timeout"), "{locked}");
    drop(lock);
    assert_eq!(daemon.terminate(), Some(0));
}
