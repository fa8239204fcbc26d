//! Hands playbooks to another program, as SOARCA takes them: each posted as it is, answered with the id of its execution.

use std::time::Duration;

use bytes::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Uri};
use serde_json::Value;

use super::config::Runner;
use super::protocol::{Answer, Outcome};
use crate::http_client::{Authorities, Client, Credentials, Limits, Peer, connector, without_secret};
use crate::limits;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const BODY_TIMEOUT: Duration = Duration::from_secs(2);
/// Of what the other side says beyond its status.
const SAID_CHARS: usize = 200;
/// Statuses of the kind 4xx after which another attempt may be taken: request timeout, too early, too many requests.
const LATER: [u16; 3] = [408, 425, 429];

/// Posts a playbook. `key` tells the other side that it is the same one again: after a kill between its answer and the record
/// of it, it is posted twice.
///
/// # Errors
/// Nobody has answered, or a file of the configuration cannot be used; it may work later.
pub async fn post(runner: &Runner, key: &str, playbook: &Value) -> Result<Answer, String> {
    let url = runner.url.as_deref().unwrap_or_default();
    let uri: Uri = url.parse().map_err(|_| "respond.runner.url cannot be read as a URL".to_owned())?;
    let tls = (uri.scheme_str() == Some("https")).then(|| {
        let file = runner.tls_ca_file.as_deref();
        connector(Authorities { file, system: true, key: "respond.runner.tls_ca_file" })
    });
    let peer = Peer::of(&uri, tls.transpose()?).ok_or_else(|| "respond.runner.url names no host".to_owned())?;
    let tried = format!("handing the playbook to the runner at {}", peer.authority());
    let credentials = Credentials { token_file: runner.token_file.as_deref(), ..Credentials::default() };
    let token = credentials.header().map_err(|error| format!("respond.runner.{error}"))?;
    let mut request = Request::new(Bytes::from(playbook.to_string()));
    *request.method_mut() = Method::POST;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse().map_err(|_| format!("{tried}: the path of respond.runner.url is none"))?;
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Ok(key) = HeaderValue::from_str(key) {
        headers.insert("idempotency-key", key);
    }
    headers.extend(token.clone().map(|token| (AUTHORIZATION, token)));
    let limits = Limits {
        connect: CONNECT_TIMEOUT,
        head: runner.timeout.get(),
        body: BODY_TIMEOUT,
        body_bytes: limits::RESPOND_RUNNER_ANSWER_BYTES_MAX,
    };
    let answer = Client::new(peer.clone(), limits)
        .ask(request)
        .await
        .map_err(|error| format!("{tried}: {error}; is it up, and is respond.runner.url right? it is tried again"))?;
    let said = String::from_utf8_lossy(&answer.body);
    let secret = token.as_ref().and_then(|token| token.to_str().ok()?.strip_prefix("Bearer "));
    Ok(read(&tried, &peer.authority(), answer.status.as_u16(), &said, secret))
}

fn read(tried: &str, runner: &str, status: u16, said: &str, secret: Option<&str>) -> Answer {
    if (200..300).contains(&status) {
        let execution = serde_json::from_str::<Value>(said).ok();
        let execution = execution.as_ref().and_then(|answer| answer.get("execution_id")?.as_str());
        let id: String =
            execution.unwrap_or_default().chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(64).collect();
        let id = if id.is_empty() { id } else { format!(": execution {id}") };
        return Answer::new(Outcome::Done, format!("the runner at {runner} has the playbook{id}"));
    }
    let said: String =
        without_secret(said, secret).chars().map(|c| if c.is_control() { ' ' } else { c }).take(SAID_CHARS).collect();
    let later = status >= 500 || LATER.contains(&status);
    let remedy = match status {
        401 | 403 => "; correct respond.runner.token_file, and have it proposed again",
        _ if later => "; it is tried again",
        _ => "; it does not take such a playbook, or respond.runner.url is not where it takes them",
    };
    let outcome = if later { Outcome::Failed } else { Outcome::Refused };
    Answer::new(outcome, format!("{tried}: it answered {status}: {}{remedy}", said.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_runner_answers_is_done_or_tried_again_or_over_and_never_tells_the_token() {
        let read = |status, said: &str| super::read("handing", "soar:1", status, said, Some("a-secret-token"));
        let done = read(200, r#"{"execution_id":"6ba7b810-9dad-11d1-80b4-00c04fd430c8","payload":"playbook--1"}"#);
        assert_eq!(done.outcome, Outcome::Done);
        assert!(done.said.contains(": execution 6ba7b810-9dad-11d1-80b4-00c04fd430c8"), "{}", done.said);
        for said in ["", "[]", "{\"execution_id\":7}", "<html>"] {
            assert_eq!(read(202, said), Answer::new(Outcome::Done, "the runner at soar:1 has the playbook"), "{said}");
        }
        for (status, outcome) in [
            (302, Outcome::Refused),
            (400, Outcome::Refused),
            (401, Outcome::Refused),
            (429, Outcome::Failed),
            (503, Outcome::Failed),
        ] {
            let answer = read(status, &format!("no a-secret-token\u{1b}[2J{}", "x".repeat(9999)));
            assert_eq!(answer.outcome, outcome, "{status}");
            assert!(answer.said.contains(&status.to_string()) && !answer.said.contains("secret"), "{}", answer.said);
            assert!(answer.said.len() < 400 && !answer.said.contains('\u{1b}'), "{}", answer.said);
        }
    }
}
