use bytes::Bytes;
use serde_json::json;

use super::*;
use crate::event::{Decision, Evidence, Format, Raw};
use crate::limits;
use crate::parse::built_in;
use crate::server::gateway::Status;

#[tokio::test]
async fn health_needs_nothing_and_readiness_says_what_is_missing() {
    let daemon = Daemon::start().await;
    assert_eq!(daemon.get("/healthz").await.status, 200);
    assert_eq!(daemon.get("/readyz").await.json()["ready"], true);
    daemon.gateway.reasons.lock().unwrap().push("actor l3 is failed".into());
    let answer = daemon.get("/readyz").await;
    answer.problem(503);
    assert_eq!(answer.json()["reasons"][0], "actor l3 is failed");
    assert_eq!(daemon.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn metrics_are_served_as_prometheus_text() {
    let daemon = Daemon::start().await;
    let answer = daemon.get("/metrics").await;
    assert!(answer.head.contains("content-type: text/plain; version=0.0.4"));
    assert!(answer.body.contains("dsmil_build_info{version="));
}

#[tokio::test]
async fn status_is_the_gateways() {
    let daemon = Daemon::start().await;
    let status: Status = serde_json::from_value(daemon.get("/api/v1/status").await.json()).unwrap();
    assert_eq!(status, daemon.gateway.status());
}

#[tokio::test]
async fn pages_of_a_stream_follow_each_other_without_gap_or_repetition() {
    let daemon = Daemon::start().await;
    let expected: Vec<String> = (0..250)
        .map(|number| {
            daemon.gateway.commit_line(Stream::L4In, "of another stream");
            daemon.gateway.commit_line(Stream::L3In, &number.to_string()).to_string()
        })
        .collect();
    let (mut seen, mut next) = (Vec::new(), "0-0".to_owned());
    loop {
        let page = daemon.get(&format!("/api/v1/streams/L3_IN?after={next}&count=99")).await.json();
        assert_eq!(page["stream"], "L3_IN");
        let events = page["events"].as_array().unwrap();
        if events.is_empty() {
            assert_eq!(page["next"], next.as_str(), "an empty page does not move");
            break;
        }
        assert!(events.len() <= 99);
        seen.extend(events.iter().map(|event| event["id"].as_str().unwrap().to_owned()));
        next = page["next"].as_str().unwrap().to_owned();
    }
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_page_has_as_many_events_as_were_asked_for_where_there_are_as_many() {
    let daemon = Daemon::start().await;
    let ids: Vec<String> =
        (0..1000).map(|number| daemon.gateway.commit_line(Stream::L3In, &number.to_string()).to_string()).collect();
    for count in [1, 2, 500, 999] {
        let page = daemon.get(&format!("/api/v1/streams/L3_IN?count={count}")).await.json();
        let found: Vec<&str> =
            page["events"].as_array().unwrap().iter().map(|event| event["id"].as_str().unwrap()).collect();
        assert_eq!(found, ids[..count]);
        assert_eq!(page["next"], ids[count - 1].as_str());
    }
}

#[tokio::test]
async fn a_page_of_the_longest_lines_ends_early_and_says_where() {
    let daemon = Daemon::start().await;
    let long = "\u{1}".repeat(crate::limits::LINE_BYTES_MAX);
    for _ in 0..100 {
        daemon.gateway.commit_line(Stream::L3In, &long);
    }
    let page = daemon.get("/api/v1/streams/L3_IN?count=100").await.json();
    let events = page["events"].as_array().unwrap();
    assert!(events.len() < 100);
    assert_eq!(page["next"], events.last().unwrap()["id"]);
}

#[tokio::test]
async fn a_wrong_question_is_told_what_would_be_right() {
    let daemon = Daemon::start().await;
    for (path, right) in [
        ("/api/v1/streams/NOPE", "L3_IN, L3_OUT"),
        ("/api/v1/streams/l3_in", "L3_IN, L3_OUT"),
        ("/api/v1/streams/L3_IN?after=yesterday", "like 1763856000123-4"),
        ("/api/v1/streams/L3_IN?count=0", "1 to 1000"),
        ("/api/v1/streams/L3_IN?count=1001", "1 to 1000"),
        ("/api/v1/streams/L3_IN?count=x", "1 to 1000"),
        ("/api/v1/streams/L3_IN?limit=3", "after, count"),
        ("/api/v1/streams/L3_IN?count=1&count=2", "twice"),
        ("/api/v1/streams/L3_IN/live?after=x", "like 1763856000123-4"),
        ("/api/v1/streams/%FF", "UTF-8"),
        ("/api/v1/events/x/explain", "like 1763856000123-4"),
        ("/api/v1/proposals?state=open", "pending, approved, rejected, expired or superseded"),
    ] {
        let detail = daemon.get(path).await.problem(400);
        assert!(detail.contains(right), "{path}: {detail}");
    }
}

#[tokio::test]
async fn unknown_paths_and_wrong_methods_are_problems_too() {
    let daemon = Daemon::start().await;
    daemon.get("/nothing").await.problem(404);
    let answer = daemon.post("/metrics", "").await;
    answer.problem(405);
    assert!(answer.head.contains("allow: get,head"), "{}", answer.head);
    assert_eq!(daemon.send("DELETE", "/api/v1/streams/L3_IN", "", "").await.status, 405);
}

#[tokio::test]
async fn an_event_is_explained_back_to_its_line() {
    let daemon = Daemon::start().await;
    let raw = daemon.gateway.commit_line(Stream::L3In, "<script>alert(1)</script>");
    let judged = daemon.gateway.commit(Stream::L3Out, decision(raw));
    let fused = daemon.gateway.commit(Stream::SocEvents, soc(&judged.to_string()));
    let answer = daemon.get(&format!("/api/v1/events/{fused}/explain")).await.json();
    assert_eq!(answer["complete"], true);
    let streams: Vec<_> = answer["steps"].as_array().unwrap().iter().map(|step| step["stream"].clone()).collect();
    assert_eq!(streams, ["SOC_EVENTS", "L3_OUT", "L3_IN"]);
    assert_eq!(answer["steps"][2]["payload"], "<script>alert(1)</script>");
}

#[tokio::test]
async fn all_that_an_event_follows_from_is_in_one_tree() {
    let daemon = Daemon::start().await;
    let lines: Vec<EventId> = (0..5).map(|n| daemon.gateway.commit_line(Stream::L3In, &format!("line {n}"))).collect();
    let named =
        Evidence { events: [lines.clone(), vec![EventId::new(1, 1)]].concat(), unnamed: 3, ..Evidence::default() };
    let Body::Decision(judged) = decision(lines[4]) else { panic!("a decision") };
    let judged = Body::Decision(Box::new(Decision { evidence: Some(Box::new(named)), ..*judged }));
    let judged = daemon.gateway.commit(Stream::L4Out, judged);
    let fused = daemon.gateway.commit(Stream::SocEvents, soc(&judged.to_string()));
    let answer = daemon.get(&format!("/api/v1/events/{fused}/explain")).await.json();
    let decision = &answer["tree"]["children"][0];
    assert_eq!((&answer["tree"]["id"], &decision["id"]), (&json!(fused), &json!(judged)));
    let leaves = decision["children"].as_array().unwrap();
    assert_eq!(leaves[0]["missing"], "it is not in the store any more");
    let texts: Vec<_> = leaves[1..].iter().map(|leaf| leaf["line"]["text"].as_str().unwrap()).collect();
    assert_eq!(
        texts,
        ["line 0", "line 1", "line 2", "line 3", "line 4"],
        "the line that it is about stands there once"
    );
    assert_eq!(decision["unnamed"], 3);
    assert_eq!(answer["extent"], json!({ "nodes": 8, "lines": 5, "left_out": 0, "missing": 1 }));
}

#[tokio::test]
async fn a_tree_is_bounded_in_width_and_depth_and_says_what_it_leaves_out() {
    let daemon = Daemon::start().await;
    let line = daemon.gateway.commit_line(Stream::L3In, "x");
    let mut levels = vec![line];
    for _ in 0..2 * limits::EXPLAIN_DEPTH_MAX {
        let named = Evidence { events: levels.clone(), ..Evidence::default() };
        let Body::Soc(event) = soc(&levels.last().unwrap().to_string()) else { panic!("a SOC event") };
        let event = Body::Soc(Box::new(Soc { evidence: Some(Box::new(named)), ..*event }));
        levels.push(daemon.gateway.commit(Stream::SocEvents, event));
    }
    let deepest = |tree: &Value| {
        let (mut level, mut depth) = (vec![tree.clone()], 0);
        while !level.is_empty() {
            level = level.iter().flat_map(|node| node["children"].as_array().cloned().unwrap_or_default()).collect();
            depth += 1;
        }
        depth - 1
    };
    for id in &levels[1..] {
        let answer = daemon.get(&format!("/api/v1/events/{id}/explain")).await.json();
        assert!(answer["extent"]["nodes"].as_u64().unwrap() <= limits::EXPLAIN_NODES_MAX as u64);
        assert!(deepest(&answer["tree"]) <= limits::EXPLAIN_DEPTH_MAX);
    }
    let wide: Vec<EventId> =
        (0..limits::EXPLAIN_NODES_MAX + 10).map(|_| daemon.gateway.commit_line(Stream::L3In, "y")).collect();
    let Body::Soc(event) = soc(&wide[0].to_string()) else { panic!("a SOC event") };
    let named = Evidence { events: wide, ..Evidence::default() };
    let id = daemon
        .gateway
        .commit(Stream::SocEvents, Body::Soc(Box::new(Soc { evidence: Some(Box::new(named)), ..*event })));
    let answer = daemon.get(&format!("/api/v1/events/{id}/explain")).await.json();
    assert_eq!(
        (&answer["extent"]["nodes"], &answer["tree"]["left_out"]),
        (&json!(limits::EXPLAIN_NODES_MAX), &json!(11))
    );
}

#[tokio::test]
async fn a_chain_that_cannot_be_followed_says_why() {
    let daemon = Daemon::start().await;
    for (input_ref, why) in
        [("999-0", "not in the store"), ("999999-0", "later event"), ("job-7", "`job-7`"), ("", "names no cause")]
    {
        let id = daemon.gateway.commit(Stream::SocEvents, soc(input_ref));
        let answer = daemon.get(&format!("/api/v1/events/{id}/explain")).await.json();
        assert_eq!(answer["complete"], false);
        assert!(answer["ends_because"].as_str().unwrap().contains(why), "{answer}");
    }
    assert!(daemon.get("/api/v1/events/1-1/explain").await.problem(404).contains("1-1"));
}

#[tokio::test]
async fn the_sender_of_a_line_cannot_choose_its_id() {
    let daemon = Daemon::start().await;
    let attributes = vec![("id".to_owned(), "1-1".to_owned()), ("stream".to_owned(), "SOC_EVENTS".to_owned())];
    let raw = Raw::new("test".into(), "ops".into(), Format::Text, Bytes::from_static(b"x"), attributes, built_in());
    let id = daemon.gateway.commit(Stream::L3In, Body::Raw(raw));
    let page = daemon.get("/api/v1/streams/L3_IN").await.json();
    assert_eq!(page["events"][0]["id"], id.to_string());
    assert_eq!(page["events"][0]["stream"], "L3_IN");
}

#[tokio::test]
async fn the_console_runs_only_its_own_script_and_takes_nothing_from_elsewhere() {
    let daemon = Daemon::start().await;
    let answer = daemon.get("/").await;
    assert_eq!(answer.status, 200);
    let policy = answer.head.lines().find(|line| line.starts_with("content-security-policy:")).unwrap();
    let nonce = policy.split("script-src 'nonce-").nth(1).unwrap().split('\'').next().unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"));
    assert!(answer.body.contains(&format!("<script nonce=\"{nonce}\">")));
    let again = daemon.get("/").await;
    assert!(!again.head.contains(nonce), "a nonce is used once");
    for forbidden in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "src=", "href=\"http"]
    {
        assert!(!answer.body.contains(forbidden), "{forbidden}");
    }
    let texts = answer.body.lines().filter(|line| line.contains(".textContent = ") || line.contains(".title = "));
    let own = ["wanted.length", ".textContent = \"\";"];
    let unescaped: Vec<&str> =
        texts.filter(|line| !line.contains("shown(") && !own.iter().any(|text| line.contains(text))).collect();
    assert_eq!(unescaped, [""; 0], "what comes from log lines is shown with its deceptive characters escaped");
}
