//! The commands against a real listener.

use std::path::{Path, PathBuf};

use super::args::EventsArgs;
use super::exit::EXIT_NO_DAEMON;
use super::*;
use crate::event::EventId;
use crate::event::Stream;
use crate::observe::audit::{Audit, Kept};
use crate::server::tests::{Daemon, proposal, soc};
use crate::store::positions::Positions;

fn args(daemon: &Daemon) -> ConnectionArgs {
    ConnectionArgs { url: Some(format!("http://{}", daemon.address())), ..ConnectionArgs::default() }
}

async fn exit_of(command: ClientCommand) -> u8 {
    run(&command, &Config::default()).await
}

#[tokio::test]
async fn status_tells_ready_not_ready_and_no_daemon_apart() {
    let daemon = Daemon::start().await;
    let connection = args(&daemon);
    let status = || ClientCommand::Status { connection: connection.clone(), json: false };
    assert_eq!(exit_of(status()).await, EXIT_OK);
    daemon.gateway.reasons.lock().unwrap().push("actor l3 is failed".into());
    assert_eq!(exit_of(status()).await, EXIT_BAD);
    daemon.server.stop().await;
    assert_eq!(exit_of(status()).await, EXIT_NO_DAEMON);
}

#[tokio::test]
async fn a_token_comes_from_the_file_and_its_absence_is_a_bad_answer() {
    let daemon = Daemon::with_tokens("ingest ingest-token-of-a-test\nread read-token-of-a-test\n").await;
    let connection = args(&daemon);
    let bare = ClientCommand::Status { connection: connection.clone(), json: true };
    assert_eq!(exit_of(bare).await, EXIT_BAD);
    let mut config = Config::default();
    config.http.tokens_file = Some(daemon.folder.path().join("tokens"));
    let configured = ClientCommand::Status { connection: connection.clone(), json: true };
    assert_eq!(run(&configured, &config).await, EXIT_OK);
    let file = daemon.folder.path().join("token");
    std::fs::write(&file, "read-token-of-a-test\n").unwrap();
    let named = ConnectionArgs { token_file: Some(file), ..connection };
    assert_eq!(exit_of(ClientCommand::Status { connection: named, json: true }).await, EXIT_OK);
}

#[tokio::test]
async fn explain_is_bad_when_the_chain_or_the_event_is_missing() {
    let daemon = Daemon::start().await;
    let line = daemon.gateway.commit_line(Stream::L3In, "x");
    let whole = daemon.gateway.commit(Stream::SocEvents, soc(&line.to_string()));
    let broken = daemon.gateway.commit(Stream::SocEvents, soc("5-5"));
    for (id, code) in [(whole, EXIT_OK), (broken, EXIT_BAD), (EventId::new(7, 7), EXIT_BAD)] {
        let command = ClientCommand::Explain { connection: args(&daemon), id, json: false };
        assert_eq!(exit_of(command).await, code, "{id}");
    }
}

#[tokio::test]
async fn tail_reads_on_after_the_id_it_is_given() {
    let daemon = Daemon::start().await;
    let first = daemon.gateway.commit_line(Stream::L3In, "one").to_string();
    let second = daemon.gateway.commit_line(Stream::L3In, "two").to_string();
    let client = Client::new(&args(&daemon), &Config::default()).unwrap();
    let mut events = tail::Events::open(&client, Stream::L3In, "", Some(&first)).await.unwrap();
    assert_eq!(events.next().await.unwrap().id, Some(second));
}

#[tokio::test]
async fn verify_needs_no_daemon_and_names_the_broken_line() {
    let daemon = Daemon::start().await;
    let file = daemon.folder.path().join("audit.log");
    let verify =
        || ClientCommand::Verify { connection: ConnectionArgs::default(), file: Some(file.clone()), json: false };
    assert_eq!(exit_of(verify()).await, EXIT_OK);
    std::fs::write(&file, "{}\n").unwrap();
    assert_eq!(exit_of(verify()).await, EXIT_BAD);
}

/// Two certificates for this machine with their keys; none where openssl is not installed.
fn certificates(folder: &Path) -> Option<[(PathBuf, PathBuf); 2]> {
    let made = ["own", "other"].map(|name| {
        let (cert, key) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
        let done = std::process::Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
            .args(["-subj", "/CN=dsmild", "-addext", "subjectAltName=IP:127.0.0.1"])
            .args(["-out".as_ref(), cert.as_os_str(), "-keyout".as_ref(), key.as_os_str()])
            .output();
        done.is_ok_and(|output| output.status.success()).then_some((cert, key))
    });
    let [Some(own), Some(other)] = made else {
        eprintln!("skipped: openssl is not installed");
        return None;
    };
    Some([own, other])
}

#[tokio::test]
async fn a_renewed_certificate_is_served_after_a_reload_and_a_broken_one_never() {
    let folder = tempfile::tempdir().unwrap();
    let Some([(cert, key), (other, other_key)]) = certificates(folder.path()) else { return };
    let (used, used_key) = (folder.path().join("used.pem"), folder.path().join("used.key"));
    let renew = |cert: &Path, key: &Path| {
        std::fs::copy(cert, &used).unwrap();
        std::fs::copy(key, &used_key).unwrap();
    };
    renew(&cert, &key);
    let mut config = crate::config::Http::default();
    let daemon = Daemon::with(|http, _| {
        http.tls_cert_file = Some(used.clone());
        http.tls_key_file = Some(used_key.clone());
        config = http.clone();
    })
    .await;
    let trusting = |trusted: &Path| {
        let url = Some(format!("https://{}", daemon.address()));
        let connection = ConnectionArgs { url, ca_file: Some(trusted.to_owned()), ..ConnectionArgs::default() };
        exit_of(ClientCommand::Status { connection, json: true })
    };
    renew(&other, &key);
    assert!(daemon.server.reload(&config, true).is_err());
    assert_eq!(trusting(&cert).await, EXIT_OK);
    renew(&other, &other_key);
    assert_eq!(trusting(&cert).await, EXIT_OK, "no argument names it");
    daemon.server.reload(&config, true).unwrap();
    assert_eq!(trusting(&other).await, EXIT_OK);
    assert_eq!(trusting(&cert).await, EXIT_BAD);
}

#[tokio::test]
async fn the_socket_is_asked_unless_a_url_names_another_place() {
    let daemon = Daemon::with_tokens("respond respond-token-of-a-test\n").await;
    let socket = daemon.folder.path().join("api.sock");
    let mut config = Config::default();
    config.http.socket = Some(socket.clone());
    config.http.listen = daemon.address();
    let status = |url: Option<String>| {
        let connection = ConnectionArgs { url, ..ConnectionArgs::default() };
        ClientCommand::Status { connection, json: true }
    };
    assert_eq!(run(&status(None), &config).await, EXIT_OK);
    for url in
        [format!("unix:{}", socket.display()), format!("unix://{}", socket.display()), socket.display().to_string()]
    {
        assert_eq!(run(&status(Some(url)), &Config::default()).await, EXIT_OK);
    }
    assert_eq!(run(&status(Some(format!("http://{}", daemon.address()))), &config).await, EXIT_BAD);
    config.http.socket = Some("/nonexistent/api.sock".into());
    assert_eq!(run(&status(None), &config).await, EXIT_BAD, "the port, which asks for a token");
    let nobody = status(Some("unix:/nonexistent/api.sock".into()));
    assert_eq!(run(&nobody, &config).await, EXIT_NO_DAEMON);
}

#[tokio::test]
async fn https_works_with_the_daemons_own_certificate_and_not_with_another() {
    let folder = tempfile::tempdir().unwrap();
    let Some([(cert, key), (other, _)]) = certificates(folder.path()) else { return };
    let daemon = Daemon::with(|config, _| {
        config.tls_cert_file = Some(cert.clone());
        config.tls_key_file = Some(key);
    })
    .await;
    let status = |trusted: &Path| ClientCommand::Status {
        connection: ConnectionArgs {
            url: Some(format!("https://{}", daemon.address())),
            ca_file: Some(trusted.to_owned()),
            ..ConnectionArgs::default()
        },
        json: true,
    };
    assert_eq!(exit_of(status(&cert)).await, EXIT_OK);
    assert_eq!(exit_of(status(&other)).await, EXIT_BAD);
    let plain_text = ClientCommand::Status { connection: args(&daemon), json: true };
    assert_eq!(exit_of(plain_text).await, EXIT_BAD);
}

#[tokio::test]
async fn verify_finds_a_log_that_is_whole_but_not_the_daemons() {
    let daemon = Daemon::start().await;
    let file = daemon.folder.path().join("audit.log");
    let verify = |connection| {
        let file = Some(daemon.folder.path().join("audit.log"));
        exit_of(ClientCommand::Verify { connection, file, json: true })
    };
    let id = daemon.gateway.commit(Stream::SocEvents, proposal());
    assert_eq!(daemon.decide(&format!("/api/v1/proposals/{id}/approve"), "").await.status, 200);
    assert_eq!(verify(args(&daemon)).await, EXIT_OK);
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, "").unwrap();
    assert_eq!(verify(args(&daemon)).await, EXIT_BAD);
    assert_eq!(verify(ConnectionArgs::default()).await, EXIT_OK, "an empty chain is whole by itself");
    std::fs::write(&file, &whole).unwrap();
    Audit::open(&file, None).unwrap().0.append("proposal.reject", "9-9", "mallory", "").unwrap();
    assert_eq!(verify(args(&daemon)).await, EXIT_BAD);
    let nobody = ConnectionArgs { url: Some("http://127.0.0.1:1".into()), ..ConnectionArgs::default() };
    assert_eq!(verify(nobody).await, EXIT_NO_DAEMON);
}

#[tokio::test]
async fn verify_compares_with_what_was_saved_where_no_daemon_runs() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.daemon.state_dir = folder.path().to_owned();
    config.http.listen = "127.0.0.1:1".parse().unwrap();
    let log = folder.path().join("audit.log");
    let (mut audit, _) = Audit::open(&log, None).unwrap();
    audit.append("proposal.approve", "1-0", "alice", "").unwrap();
    let kept = Kept::new(audit.head().clone()).to_value();
    let positions = [(Kept::NAME.to_owned(), kept)].into();
    Positions { positions, ..Positions::default() }.save(folder.path()).unwrap();
    let verify = || ClientCommand::Verify { connection: ConnectionArgs::default(), file: None, json: false };
    assert_eq!(run(&verify(), &config).await, EXIT_OK);
    std::fs::write(&log, "").unwrap();
    assert_eq!(run(&verify(), &config).await, EXIT_BAD);
}

fn events(connection: &ConnectionArgs, filter: &str) -> ClientCommand {
    let asked = EventsArgs { filter: Some(filter.into()), count: 50, ..EventsArgs::default() };
    ClientCommand::Events { connection: connection.clone(), asked }
}

#[tokio::test]
async fn events_tells_a_wrong_filter_a_refusal_and_no_daemon_apart() {
    let daemon = Daemon::start().await;
    let connection = args(&daemon);
    for _ in 0..60 {
        daemon.gateway.commit(Stream::SocEvents, soc("1-1"));
    }
    assert_eq!(exit_of(events(&connection, "device = 52")).await, EXIT_OK);
    assert_eq!(exit_of(events(&connection, "device = 99")).await, EXIT_OK, "nothing is an answer");
    assert_eq!(exit_of(events(&connection, "device =")).await, EXIT_BAD);
    let asked = EventsArgs { since: Some("soon".into()), count: 50, ..EventsArgs::default() };
    assert_eq!(exit_of(ClientCommand::Events { connection: connection.clone(), asked }).await, EXIT_BAD);
    daemon.server.stop().await;
    assert_eq!(exit_of(events(&connection, "device = 52")).await, EXIT_NO_DAEMON);
}

#[test]
fn a_mistake_in_a_filter_is_shown_where_it_is() {
    let error = output::check_filter(Some("severity >= BIG")).unwrap_err().to_string();
    assert!(error.ends_with("found `BIG`\n    severity >= BIG\n                ^"), "{error}");
    let error = output::check_filter(Some("\u{202e} < root")).unwrap_err().to_string();
    assert!(!error.chars().any(crate::detect::deceptive::is_deceptive), "{error:?}");
}
