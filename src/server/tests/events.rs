use super::*;
use crate::event::{Entity, Severity};
use crate::limits;

fn soc_of(user: &str, severity: Severity) -> Body {
    let entity = Entity { user: Some(user.into()), ..Entity::default() };
    Body::Soc(Box::new(Soc { src_device: 52, severity, entity, ..Soc::default() }))
}

/// Half of them root's, each with a line beside it.
fn commit_many(daemon: &Daemon, count: usize) -> Vec<String> {
    let user = |number: usize| if number.is_multiple_of(2) { "root" } else { "alice" };
    let commit = |number| daemon.gateway.commit(Stream::SocEvents, soc_of(user(number), Severity::Low)).to_string();
    let ids = (0..count).map(|number| {
        daemon.gateway.commit_line(Stream::L3In, "of another stream");
        commit(number)
    });
    ids.collect()
}

fn ids_of(page: &Value) -> Vec<String> {
    page["events"].as_array().unwrap().iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

/// The ids of all pages, and how many pages there were.
async fn all_pages(daemon: &Daemon, query: &str) -> (Vec<String>, usize) {
    let (mut ids, mut after, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = daemon.get(&format!("/api/v1/events?{query}{after}")).await.json();
        ids.extend(ids_of(&page));
        pages += 1;
        let Some(next) = page["next"].as_str() else { return (ids, pages) };
        after = format!("&after={next}");
    }
}

#[tokio::test]
async fn soc_events_come_newest_first_in_pages_without_gap_or_repetition() {
    let daemon = Daemon::start().await;
    let mut expected = commit_many(&daemon, 300);
    assert_eq!(all_pages(&daemon, "order=oldest&count=70").await.0, expected);
    let newest = daemon.get("/api/v1/events?count=3").await.json();
    let beyond_the_page = daemon.gateway.commit(Stream::SocEvents, soc("1-1")).to_string();
    let rest = all_pages(&daemon, &format!("count=1000&after={}", newest["next"].as_str().unwrap())).await.0;
    expected.reverse();
    assert_eq!([ids_of(&newest), rest].concat(), expected, "what is committed meanwhile moves no page");
    assert_eq!(ids_of(&daemon.get("/api/v1/events").await.json())[0], beyond_the_page);
}

#[tokio::test]
async fn a_filter_and_its_opposite_have_every_event_once() {
    let daemon = Daemon::start().await;
    let expected = commit_many(&daemon, 300);
    let (root, _) = all_pages(&daemon, "order=oldest&count=1000&where=user%20%3D%20root").await;
    let (others, _) = all_pages(&daemon, "order=oldest&count=7&where=not+user+%3D+root").await;
    assert_eq!((root.len(), others.len()), (150, 150));
    let mut both = [root, others].concat();
    both.sort_by_key(|id| id.parse::<EventId>().unwrap());
    assert_eq!(both, expected);
}

#[tokio::test]
async fn a_filter_that_finds_nothing_ends_its_page_after_a_bounded_search_and_the_next_goes_on() {
    let daemon = Daemon::start().await;
    let found = daemon.gateway.commit(Stream::SocEvents, soc_of("mallory", Severity::Critical)).to_string();
    for _ in 0..limits::EVENTS_SEARCHED_MAX + 1000 {
        daemon.gateway.commit(Stream::SocEvents, soc_of("root", Severity::Low));
    }
    let first = daemon.get("/api/v1/events?where=severity+%3E+HIGH").await.json();
    let searched = first["searched"].as_u64().unwrap() as usize;
    assert!(searched < limits::EVENTS_SEARCHED_MAX + 1000 && first["next"].is_string(), "{first}");
    let (ids, pages) = all_pages(&daemon, "where=severity+%3E+HIGH").await;
    assert!(pages > 1);
    assert_eq!(ids, [found]);
}

#[tokio::test]
async fn what_is_too_old_to_pass_is_not_looked_through() {
    let daemon = Daemon::start().await;
    commit_many(&daemon, 50);
    for query in ["since=1h", "where=since+1h", "where=user+%3D+root+since+2h", "since=1h&order=oldest"] {
        let page = daemon.get(&format!("/api/v1/events?{query}")).await.json();
        assert_eq!(
            (page["searched"].as_u64(), page["next"].as_str(), ids_of(&page).len()),
            (Some(0), None, 0),
            "{query}"
        );
    }
    let page = daemon.get("/api/v1/events?until=1970-01-02&since=1970-01-01").await.json();
    assert_eq!(ids_of(&page).len(), 50);
}

#[tokio::test]
async fn a_page_of_long_events_ends_early_and_the_next_goes_on() {
    let daemon = Daemon::start().await;
    let ids: Vec<String> = (0..10)
        .map(|_| {
            let summary = "\u{1}".repeat(limits::HTTP_BODY_BYTES_MAX / 24);
            let body = Body::Soc(Box::new(Soc { summary, ..Soc::default() }));
            daemon.gateway.commit(Stream::SocEvents, body).to_string()
        })
        .collect();
    let (found, pages) = all_pages(&daemon, "order=oldest").await;
    assert!(pages > 1);
    assert_eq!(found, ids);
}

#[tokio::test]
async fn a_wrong_question_about_events_is_told_what_would_be_right_and_where() {
    let daemon = Daemon::start().await;
    for (query, right) in [
        ("where=sevrity+%3D+HIGH", "column 1: `sevrity` is not a field; did you mean `severity`?"),
        ("where=user+%3C+root", "column 6"),
        ("since=soon", "since: expected a duration or a time, like 2h"),
        ("until=soon", "until: expected"),
        ("order=random", "newest or oldest"),
        ("after=x", "like 1763856000123-4"),
        ("count=0", "1 to 1000"),
        ("limit=3", "where, since, until, order, after, count"),
    ] {
        let answer = daemon.get(&format!("/api/v1/events?{query}")).await;
        let detail = answer.problem(400);
        assert!(detail.contains(right), "{query}: {detail}");
        assert_eq!(answer.json()["column"].as_u64().is_some(), query.starts_with("where"), "{query}");
    }
    let live = daemon.get("/api/v1/streams/L3_IN/live?where=user+%3C+root").await;
    live.problem(400);
    assert_eq!(live.json()["column"], 6);
    daemon.get("/api/v1/streams/L3_IN/live?after=1-1&last=3").await.problem(400);
}

#[tokio::test]
async fn one_event_is_asked_for_by_its_id() {
    let daemon = Daemon::start().await;
    let id = daemon.gateway.commit(Stream::SocEvents, soc_of("root", Severity::High));
    let event = daemon.get(&format!("/api/v1/events/{id}")).await.json();
    assert_eq!((event["id"].as_str(), event["severity"].as_str()), (Some(&*id.to_string()), Some("HIGH")));
    assert!(daemon.get("/api/v1/events/1-1").await.problem(404).contains("1-1"));
    daemon.get("/api/v1/events/x").await.problem(400);
}

#[tokio::test]
async fn events_need_the_role_read() {
    let daemon = Daemon::with_tokens("ingest ingest-token-of-a-test\nread read-token-of-a-test\n").await;
    for path in ["/api/v1/events", "/api/v1/events/1-1"] {
        daemon.get(path).await.problem(401);
        daemon.send("GET", path, "Authorization: Bearer ingest-token-of-a-test\r\n", "").await.problem(403);
    }
    let answer = daemon.send("GET", "/api/v1/events", "Authorization: Bearer read-token-of-a-test\r\n", "").await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn events_and_incidents_are_findings_of_ocsf_where_that_is_asked_for() {
    let daemon = Daemon::start().await;
    let id = daemon.gateway.commit(Stream::SocEvents, soc("1-0"));
    let alarm = crate::event::Alarm { id: "9-0".into(), count: 2, ..crate::event::Alarm::default() };
    let reported = Soc {
        src_layer: "8".into(),
        src_device: 52,
        incident_id: Some("9-0".into()),
        alarm: Some(alarm),
        ..Soc::default()
    };
    daemon.gateway.commit(Stream::SocEvents, Body::Soc(Box::new(reported)));
    let page = daemon.get("/api/v1/events?format=ocsf").await.json();
    assert_eq!(page["events"].as_array().unwrap().len(), 2);
    for path in ["/api/v1/incidents?format=ocsf", "/api/v1/events?format=ocsf&count=1"] {
        let answer = daemon.get(path).await.json();
        let findings = answer.get("incidents").or(answer.get("events")).unwrap();
        assert_eq!((findings[0]["class_uid"].as_u64(), findings.as_array().unwrap().len()), (Some(2004), 1), "{path}");
    }
    for path in [format!("/api/v1/events/{id}?format=ocsf"), "/api/v1/incidents/9-0?format=ocsf".to_owned()] {
        assert_eq!(daemon.get(&path).await.json()["category_uid"], 2, "{path}");
    }
    assert_eq!(daemon.get("/api/v1/incidents/9-0").await.json()["id"], "9-0");
    assert!(daemon.get("/api/v1/events?format=cef").await.problem(400).contains("json or ocsf"));
}

#[tokio::test]
async fn events_are_counted_over_time_and_fields_are_listed() {
    let daemon = Daemon::start().await;
    for severity in [crate::event::Severity::Info, crate::event::Severity::High, crate::event::Severity::High] {
        let body = Body::Soc(Box::new(Soc { severity, ..Soc::default() }));
        daemon.gateway.commit(Stream::SocEvents, body);
    }
    let counted = daemon.get("/api/v1/events/counts").await.json();
    assert_eq!(counted["buckets"], serde_json::json!([{ "ts": 1, "counts": { "HIGH": 2, "INFO": 1 } }]));
    assert_eq!((&counted["counted"], &counted["complete"]), (&3.into(), &true.into()));
    let high = daemon.get("/api/v1/events/counts?where=severity+%3E=+HIGH").await.json();
    assert_eq!(high["counted"], 2);
    assert!(daemon.get("/api/v1/events/counts?where=severity+%3E=+X").await.problem(400).contains("where"));
    let fields = daemon.get("/api/v1/events/fields").await.json();
    let severity = &fields["fields"][0];
    assert_eq!((&severity["name"], &severity["values"][0]), (&"severity".into(), &"INFO".into()));
}
