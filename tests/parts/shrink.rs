//! SHRINK misbehaves in every way it can; never is that a value, and never does a poll outlast its timeout.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::stub::{Behaviour, Stub, answer_with, json};
use dsmild::config::{Shrink, Span};
use dsmild::event::ShrinkSample;
use dsmild::intake::shrink::Poller;

const TIMEOUT_MS: u64 = 300;
const LATE: &str = "no whole answer within";

fn poller(url: String) -> Poller {
    patient_poller(url, TIMEOUT_MS)
}

fn patient_poller(url: String, timeout_ms: u64) -> Poller {
    Poller::new(&Shrink { url, timeout: Span::from_millis(timeout_ms), ..Shrink::default() }).unwrap()
}

/// One poll, which must end with its timeout. The bound is far above it: the machine may be busy.
async fn poll(poller: &mut Poller) -> ShrinkSample {
    let begun = Instant::now();
    let sample = poller.poll().await;
    assert!(begun.elapsed() < Duration::from_secs(20), "a poll took {:?}", begun.elapsed());
    sample
}

/// For an answer that is prompt: asks again when the machine was too busy to give it in time.
async fn poll_prompt(poller: &mut Poller) -> ShrinkSample {
    for _ in 0..50 {
        let sample = poll(poller).await;
        if !sample.failure.as_ref().is_some_and(|failure| failure.contains(LATE)) {
            return sample;
        }
    }
    panic!("never an answer in time");
}

async fn assert_failure(poller: &mut Poller, expected: &str) {
    let sample = if expected == LATE { poll(poller).await } else { poll_prompt(poller).await };
    assert_eq!(sample.values, BTreeMap::new(), "{expected}");
    let failure = sample.failure.expect(expected);
    assert!(failure.contains(expected), "`{expected}` in `{failure}`");
    assert!(failure.len() < 300 && !failure.contains('\n'), "{failure}");
}

async fn assert_risk(poller: &mut Poller, risk: f64) {
    let sample = poll_prompt(poller).await;
    assert_eq!(sample.failure, None);
    assert_eq!(sample.values.get("risk_acute_stress"), Some(&risk));
}

const GOOD: &str = r#"{"risk_acute_stress":0.5}"#;

#[tokio::test]
async fn good_answers_are_values_over_one_kept_connection() {
    let stub = Stub::start(Behaviour::Say(json(GOOD))).await;
    let mut poller = patient_poller(stub.url(), 15_000);
    assert_risk(&mut poller, 0.5).await;
    stub.now(Behaviour::Say(answer_with("200 OK", "Content-Type: text/plain\r\n", "risk_acute_stress 0.25\n")));
    assert_risk(&mut poller, 0.25).await;
    stub.now(Behaviour::Say(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1a\r\n{\"risk_acute_stress\":0.75}\r\n0\r\n\r\n"
            .to_vec(),
    ));
    assert_risk(&mut poller, 0.75).await;
    assert_eq!(stub.connections(), 1);
}

#[tokio::test]
async fn an_answer_of_another_kind_is_a_failure_with_its_reason_and_the_next_good_one_is_read() {
    let stub = Stub::start(Behaviour::Say(json(GOOD))).await;
    let mut poller = poller(stub.url());
    let html = "<!doctype html><p>{\"risk_acute_stress\":0.9}";
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (answer_with("500 Internal Server Error", "", GOOD), "answered 500"),
        (answer_with("404 Not Found", "", GOOD), "answered 404"),
        (answer_with("204 No Content", "", ""), "answered 204"),
        (answer_with("302 Found", &format!("Location: {}\r\n", stub.url()), GOOD), "answered 302"),
        (answer_with("200 OK", "Content-Type: text/html\r\n", html), "web page"),
        (answer_with("200 OK", "Content-Type: application/json\r\n", html), "web page"),
        (answer_with("200 OK", "Content-Encoding: gzip\r\n", [0x1f, 0x8b, 8, 0]), "encoding `gzip`"),
        (json(""), "empty"),
        (json(r#"{"risk_acute_stress":NaN}"#), "syntax error"),
        (json(r#"{"risk_acute_stress":Infinity}"#), "syntax error"),
        (json(r#"{"risk_acute_stress":1e400}"#), "error at line 1"),
        (json(r#"{"risk_acute_stress":-1}"#), "out of its range, 0 to 1"),
        (json(r#"{"risk_acute_stress":1e308}"#), "out of its range, 0 to 1"),
        (json(r#"{"risk_acute_stress":0.1,"risk_acute_stress":0.9}"#), "data error"),
        (json(r#"{"risk_acute_stress":"0.9"}"#), "no number"),
        (json(b"{\"risk_acute_stress\xff\":0.9}"), "not UTF-8"),
        (answer_with("200 OK", "", "risk_acute_stress NaN\n"), "not a finite number"),
        (answer_with("200 OK", "", "risk_acute_stress +Inf\n"), "not a finite number"),
        (json(format!("{{\"x\":\"{}\",\"risk_acute_stress\":0.9}}", "y".repeat(10 << 20))), "longer than"),
        (b"220 ftp ready\r\n\r\n".to_vec(), "cannot be reached"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n{}{}".to_vec(), "cannot be reached"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}".to_vec(), "cannot be reached"),
        ([b"HTTP/1.1 200 OK\r\nX: ", vec![b'x'; 1 << 20].as_slice(), b"\r\n\r\n{}"].concat(), "cannot be reached"),
    ];
    for (bytes, reason) in cases {
        stub.now(Behaviour::Say(bytes.clone()));
        assert_failure(&mut poller, reason).await;
        stub.now(Behaviour::SayAndClose(bytes));
        assert_failure(&mut poller, reason).await;
        stub.now(Behaviour::Say(json(GOOD)));
        assert_risk(&mut poller, 0.5).await;
    }
}

#[tokio::test]
async fn an_answer_that_does_not_end_is_given_up_and_the_next_good_one_is_read() {
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let mut short = json(GOOD);
    short.truncate(short.len() - 1);
    let first_line = b"HTTP/1.1 200 OK\r\nX: ".to_vec();
    let cases: Vec<(Behaviour, &str)> = vec![
        (Behaviour::SayAndHang(Vec::new()), LATE),
        (Behaviour::SayAndHang(first_line.clone()), LATE),
        (Behaviour::SayAndHang(short.clone()), LATE),
        (Behaviour::SayAndHang(chunked.clone()), LATE),
        (Behaviour::SayAfter(Duration::from_secs(3600), json(GOOD)), LATE),
        (Behaviour::SayAndClose(Vec::new()), "cannot be reached"),
        (Behaviour::SayAndClose(first_line), "cannot be reached"),
        (Behaviour::SayAndClose(short), "broke off"),
        (Behaviour::SayAndClose([chunked.as_slice(), b"19\r\n{\"ri"].concat()), "broke off"),
        (Behaviour::SayAndClose([chunked.as_slice(), b"zz\r\n{}"].concat()), "broke off"),
        (Behaviour::SayForEver(chunked, [b"400\r\n".as_slice(), &[b' '; 1024], b"\r\n"].concat()), "longer than"),
    ];
    let stub = Stub::start(Behaviour::Say(json(GOOD))).await;
    let mut poller = poller(stub.url());
    for (behaviour, reason) in cases {
        stub.now(behaviour);
        assert_failure(&mut poller, reason).await;
        stub.now(Behaviour::Say(json(GOOD)));
        assert_risk(&mut poller, 0.5).await;
    }
}

#[tokio::test]
async fn an_answer_longer_than_it_says_does_not_spill_into_the_next_one() {
    let stub = Stub::start(Behaviour::Say(json(GOOD))).await;
    let mut poller = poller(stub.url());
    let lie = [json(GOOD), json(r#"{"risk_acute_stress":0.99}"#)].concat();
    for _ in 0..5 {
        stub.now(Behaviour::Say(lie.clone()));
        let _ = poll(&mut poller).await;
        stub.now(Behaviour::Say(json(GOOD)));
        let sample = poll(&mut poller).await;
        assert_ne!(sample.values.get("risk_acute_stress"), Some(&0.99));
    }
}

#[tokio::test]
async fn a_server_that_is_gone_fails_at_once_and_is_found_when_it_is_back() {
    let mut stub = Stub::start(Behaviour::Say(json(GOOD))).await;
    let mut poller = poller(stub.url());
    for _ in 0..3 {
        assert_risk(&mut poller, 0.5).await;
        stub.close().await;
        assert_failure(&mut poller, "SHRINK at http://127.0.0.1").await;
        assert_failure(&mut poller, "refused").await;
        stub.open();
    }
}

#[tokio::test]
async fn a_server_that_does_not_accept_is_given_up() {
    // Its queue is full: further connections get no answer at all.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(Ok(stream)) =
        tokio::time::timeout(Duration::from_millis(200), tokio::net::TcpStream::connect(address)).await
    {
        waiting.push(stream);
    }
    let sample = poll(&mut poller(format!("http://{address}/"))).await;
    assert!(sample.failure.is_some() && sample.values.is_empty());
}

#[tokio::test]
async fn an_address_that_cannot_be_asked_is_refused_at_once() {
    for url in ["", "nonsense", "https://h/", "http://", "/path", "ftp://h/"] {
        assert!(Poller::new(&Shrink { url: url.to_owned(), ..Shrink::default() }).is_err(), "{url}");
    }
    let sample = poll(&mut poller("http://does-not-exist.invalid/".to_owned())).await;
    assert!(sample.failure.is_some() && sample.values.is_empty());
}
