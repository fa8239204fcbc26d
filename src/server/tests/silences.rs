use super::*;
use crate::observe::audit;

const READ: &str = "Authorization: Bearer read-token-of-a-test\r\n";
const RESPOND: &str = "Authorization: Bearer respond-token-of-a-test\r\n";
const PATH: &str = "/api/v1/silences";
const WANTED: &str = "{\"rule\":\"port_scan\",\"entity\":{\"kind\":\"src_ip\",\"value\":\"192.0.2.5\"},\"for\":\"8h\",\"comment\":\"<ours>\"}";

async fn daemon() -> Daemon {
    Daemon::with_tokens("read read-token-of-a-test\nrespond respond-token-of-a-test alice\n").await
}

async fn listed(daemon: &Daemon, query: &str) -> Vec<Value> {
    let answer = daemon.send("GET", &format!("{PATH}{query}"), READ, "").await;
    answer.json()["silences"].as_array().unwrap().clone()
}

fn lines(daemon: &Daemon) -> u64 {
    audit::verify(&daemon.folder.path().join("audit.log"), None).unwrap().lines
}

#[tokio::test]
async fn a_silence_is_made_listed_with_what_it_covered_and_ended_and_each_change_is_on_record() {
    let daemon = daemon().await;
    let answer = daemon.send("POST", PATH, RESPOND, WANTED).await;
    assert_eq!(answer.status, 201);
    let made = answer.json();
    assert_eq!((&made["state"], &made["hits"], &made["comment"]), (&"active".into(), &0.into(), &"<ours>".into()));
    assert_eq!(made["who"], "alice from 127.0.0.1");
    let id = made["id"].as_str().unwrap();
    let covered = Soc { silence_id: Some(id.into()), ..Soc::default() };
    let hit = daemon.gateway.commit(Stream::SocEvents, Body::Soc(Box::new(covered)));
    let active = listed(&daemon, "?state=active").await;
    assert_eq!((active.len(), &active[0]["hits"], &active[0]["last_hit"]), (1, &1.into(), &hit.to_string().into()));
    let ended = daemon.send("DELETE", &format!("{PATH}/{id}"), RESPOND, "{\"note\":\"done\"}").await.json();
    assert_eq!((&ended["state"], &ended["ended_note"]), (&"ended".into(), &"done".into()));
    assert!(listed(&daemon, "?state=active").await.is_empty());
    let again = daemon.send("DELETE", &format!("{PATH}/{id}"), RESPOND, "").await.problem(409);
    assert!(again.contains("ended already"), "{again}");
    let said = daemon.send("GET", "/api/v1/streams/SOC_EVENTS", READ, "").await.json();
    let flags: Vec<_> = said["events"].as_array().unwrap().iter().map(|event| event["flags"][0].clone()).collect();
    assert_eq!(flags, [Value::from("SILENCE_ADDED"), Value::Null, "SILENCE_ENDED".into()]);
    assert_eq!(lines(&daemon), 2);
}

#[tokio::test]
async fn what_cannot_be_silenced_is_refused_with_the_reason_and_nothing_is_on_record() {
    let daemon = daemon().await;
    daemon.send("POST", PATH, READ, WANTED).await.problem(403);
    daemon.send("POST", PATH, "", WANTED).await.problem(401);
    daemon.send("DELETE", &format!("{PATH}/1-0"), READ, "").await.problem(403);
    daemon.send("DELETE", &format!("{PATH}/1-0"), RESPOND, "").await.problem(404);
    daemon.send("GET", &format!("{PATH}?state=new"), READ, "").await.problem(400);
    for (body, said) in [
        ("", "the body is missing"),
        ("{}", "no end"),
        ("{\"for\":\"8h\"}", "rule, entity, network or where"),
        ("{\"rule\":\"x\"}", "no end"),
        ("{\"rule\":\"x\",\"for\":\"8h\",\"severity\":\"HIGH\"}", "unknown field"),
        ("{\"network\":\"::/0\",\"for\":\"8h\"}", "every address"),
        ("{\"entity\":{\"kind\":\"planet\",\"value\":\"x\"},\"for\":\"8h\"}", "unknown variant"),
    ] {
        let detail = daemon.send("POST", PATH, RESPOND, body).await.problem(400);
        assert!(detail.contains(said), "{body}: {detail}");
    }
    assert_eq!(lines(&daemon), 0);
}

#[tokio::test]
async fn what_is_on_record_and_not_on_the_log_is_said_again() {
    let daemon = daemon().await;
    let add = async || daemon.send("POST", PATH, RESPOND, WANTED).await.json()["id"].as_str().unwrap().to_owned();
    let (kept, ended) = (add().await, add().await);
    daemon.send("DELETE", &format!("{PATH}/{ended}"), RESPOND, "").await.json();
    let Daemon { gateway, server, folder } = daemon;
    server.stop().await;
    let flags = || -> Vec<String> {
        let events = gateway.events.lock().unwrap();
        let soc = |event: &Event| if let Body::Soc(soc) = &event.body { soc.summary.clone() } else { String::new() };
        events.iter().map(soc).collect()
    };
    // Another server over the same audit log, whose log has lost everything but that the second was added.
    let second = gateway.events.lock().unwrap()[1].clone();
    *gateway.events.lock().unwrap() = vec![second];
    let http = config::Http { listen: "127.0.0.1:0".parse().unwrap(), ..config::Http::default() };
    let parts = Parts {
        gateway: gateway.clone(),
        read_entry,
        ingest_enabled: true,
        respond: Arc::new(crate::config::Respond::default),
        guard: std::sync::Arc::new(|| Ok(crate::respond::guard::Guard::default())),
        silences: Arc::new(Vec::new),
        socket: folder.path().join("other.sock"),
        rules: std::sync::Arc::new(|| None),
        audit_file: folder.path().join("audit.log"),
    };
    let server = start(&http, parts).await.unwrap();
    server.restore_silences();
    let mut committed = gateway.committed();
    tokio::time::timeout(PATIENCE, async {
        while flags().len() < 3 {
            committed.changed().await.unwrap();
        }
    })
    .await
    .unwrap();
    let said = flags();
    assert!(said[1].starts_with(&format!("silence {kept} by alice")), "{said:?}");
    assert!(said[2].starts_with(&format!("silence {ended} ended by alice")), "{said:?}");
}
