use super::*;
use crate::event::{Alarm, Severity};
use crate::observe::audit;

fn incident(id: &str, severity: Severity) -> Body {
    Body::Soc(Box::new(Soc {
        src_layer: "8".into(),
        src_device: 52,
        severity,
        summary: format!("incident {id}"),
        incident_id: Some(id.into()),
        alarm: Some(Alarm { id: id.into(), count: 2, ..Alarm::default() }),
        ..Soc::default()
    }))
}

const READ: &str = "Authorization: Bearer read-token-of-a-test\r\n";
const RESPOND: &str = "Authorization: Bearer respond-token-of-a-test\r\n";

async fn daemon() -> Daemon {
    Daemon::with_tokens("read read-token-of-a-test\nrespond respond-token-of-a-test alice\n").await
}

#[tokio::test]
async fn what_people_do_with_an_incident_is_an_event_a_line_of_the_audit_log_and_its_state() {
    let daemon = daemon().await;
    daemon.gateway.commit(Stream::SocEvents, incident("1-0", Severity::High));
    daemon.gateway.commit(Stream::SocEvents, incident("2-0", Severity::Low));
    let path = "/api/v1/incidents/1-0";
    let acknowledged = daemon.send("POST", &format!("{path}/acknowledge"), RESPOND, "").await.json();
    assert_eq!(acknowledged["state"], "acknowledged");
    daemon.send("POST", &format!("{path}/note"), RESPOND, "{\"note\":\"asked <Bob>\"}").await.json();
    let closed = "{\"resolution\":\"false_positive\",\"note\":\"a test of ours\"}";
    let closed = daemon.send("POST", &format!("{path}/close"), RESPOND, closed).await.json();
    assert_eq!((&closed["state"], &closed["resolution"]), (&"closed".into(), &"false_positive".into()));
    let shown = daemon.send("GET", path, READ, "").await.json();
    assert_eq!(shown, closed);
    let changes: Vec<_> =
        shown["changes"].as_array().unwrap().iter().map(|one| (&one["action"], &one["who"], &one["note"])).collect();
    let who = Value::from("alice from 127.0.0.1");
    let expected = [("acknowledge", ""), ("note", "asked <Bob>"), ("close", "a test of ours")].map(|(action, note)| {
        let [action, note] = [action, note].map(Value::from);
        (action, &who, note)
    });
    assert!(changes.iter().zip(&expected).all(|(is, should)| *is == (&should.0, should.1, &should.2)), "{changes:?}");
    let list = daemon.send("GET", "/api/v1/incidents", READ, "").await.json();
    let ids: Vec<_> = list["incidents"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["1-0", "2-0"], "what was last heard of comes first");
    let open = daemon.send("GET", "/api/v1/incidents?state=open", READ, "").await.json();
    assert_eq!(open["incidents"].as_array().unwrap().len(), 1);
    assert_eq!(audit::verify(&daemon.folder.path().join("audit.log"), None).unwrap().lines, 3);
    let said = daemon.send("GET", "/api/v1/streams/SOC_EVENTS", READ, "").await.json();
    let last = said["events"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&last["severity"], &last["incident_id"]), (&"INFO".into(), &"1-0".into()));
}

#[tokio::test]
async fn what_cannot_be_done_with_an_incident_is_refused_with_the_reason_and_changes_nothing() {
    let daemon = daemon().await;
    daemon.gateway.commit(Stream::SocEvents, incident("1-0", Severity::High));
    let send = async |path: &str, headers: &str, body: &str| {
        daemon.send("POST", &format!("/api/v1/incidents/{path}"), headers, body).await
    };
    send("9-9/acknowledge", RESPOND, "").await.problem(404);
    send("1-0/acknowledge", READ, "").await.problem(403);
    for (path, body) in [
        ("1-0/close", ""),
        ("1-0/close", "{\"resolution\":\"maybe\"}"),
        ("1-0/note", ""),
        ("1-0/note", "{\"note\":\" \"}"),
        ("1-0/acknowledge", "because"),
        ("1-0/acknowledge", "{\"resolution\":\"true_positive\"}"),
    ] {
        let detail = send(path, RESPOND, body).await.problem(400);
        assert!(detail.contains("send {\"") || detail.contains("send none"), "{path} {body}: {detail}");
    }
    let note = |letters: usize| format!("{{\"note\":\"{}\"}}", "ä".repeat(letters));
    let most = crate::limits::AUDIT_NOTE_CHARS_MAX;
    let long = send("1-0/acknowledge", RESPOND, &note(most + 1)).await.problem(400);
    assert!(long.contains("1001 characters, of at most 1000"), "{long}");
    daemon.send("GET", "/api/v1/incidents?state=new", READ, "").await.problem(400);
    assert_eq!(audit::verify(&daemon.folder.path().join("audit.log"), None).unwrap().lines, 0);
    assert_eq!(send("1-0/acknowledge", RESPOND, &note(most)).await.status, 200);
    let again = send("1-0/acknowledge", RESPOND, "").await.problem(409);
    assert!(again.contains("acknowledged already by alice from 127.0.0.1"), "{again}");
}

#[tokio::test]
async fn two_who_close_an_incident_at_once_have_closed_it_once() {
    let daemon = daemon().await;
    daemon.gateway.commit(Stream::SocEvents, incident("1-0", Severity::High));
    let close = || daemon.send("POST", "/api/v1/incidents/1-0/close", RESPOND, "{\"resolution\":\"true_positive\"}");
    let (first, second) = tokio::join!(close(), close());
    let mut answers = [first.status, second.status];
    answers.sort_unstable();
    assert_eq!(answers, [200, 409]);
    assert_eq!(audit::verify(&daemon.folder.path().join("audit.log"), None).unwrap().lines, 1);
}

#[tokio::test]
async fn while_the_log_is_read_after_a_start_the_list_says_that_it_is_not_complete_and_then_it_is() {
    let daemon = daemon().await;
    daemon.gateway.commit(Stream::SocEvents, incident("1-0", Severity::High));
    let telling = daemon.gateway.telling.lock().await;
    let ocsf = daemon.send("GET", "/api/v1/incidents?format=ocsf", READ, "").await.json();
    let list = daemon.send("GET", "/api/v1/incidents", READ, "").await.json();
    for answer in [ocsf, list] {
        assert_eq!((&answer["complete"], answer["incidents"].as_array().unwrap().len()), (&false.into(), 0));
    }
    drop(telling);
    loop {
        let answer = daemon.send("GET", "/api/v1/incidents", READ, "").await.json();
        if answer["complete"] == true {
            assert_eq!(answer["incidents"].as_array().unwrap().len(), 1);
            return;
        }
    }
}
