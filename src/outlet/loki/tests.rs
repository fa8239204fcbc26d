//! Pushes against a server that says what each test wants.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, crypto::ring};

use super::{Answer, Config, Pusher};
use crate::http_client::Io;

const TAKEN: &str = "HTTP/1.1 204 No Content\r\n\r\n";

/// Gives each connection its answers, one a request, and closes it after them.
struct Server {
    port: u16,
    /// Requests of each connection.
    requests: Arc<Mutex<Vec<Vec<String>>>>,
}

impl Server {
    async fn start(tls: Option<TlsAcceptor>, answers: &[&[&str]]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::<Mutex<Vec<Vec<String>>>>::default();
        let answers: Vec<Vec<String>> =
            answers.iter().map(|answers| answers.iter().map(ToString::to_string).collect()).collect();
        let heard = requests.clone();
        tokio::spawn(async move {
            for answers in answers {
                let (stream, _) = listener.accept().await.unwrap();
                let stream: Box<dyn Io> = match &tls {
                    None => Box::new(stream),
                    Some(tls) => match tls.accept(stream).await {
                        Ok(stream) => Box::new(stream),
                        Err(_) => continue,
                    },
                };
                heard.lock().unwrap().push(Vec::new());
                converse(stream, answers, &heard).await;
            }
        });
        Self { port, requests }
    }

    fn pusher(&self, scheme: &str, more: &str) -> Pusher {
        let text = format!("url = \"{scheme}://127.0.0.1:{}\"\n{more}", self.port);
        Pusher::new(toml::from_str::<Config>(&text).unwrap())
    }

    fn requests_of_each_connection(&self) -> Vec<usize> {
        self.requests.lock().unwrap().iter().map(Vec::len).collect()
    }
}

async fn converse(mut stream: Box<dyn Io>, answers: Vec<String>, heard: &Mutex<Vec<Vec<String>>>) {
    for answer in answers {
        let mut request = Vec::new();
        // The bodies here end so, and nothing else does.
        while !request.ends_with(b"}") {
            let mut chunk = [0; 4096];
            match stream.read(&mut chunk).await {
                Ok(0) | Err(_) => return,
                Ok(length) => request.extend_from_slice(&chunk[..length]),
            }
        }
        heard.lock().unwrap().last_mut().unwrap().push(String::from_utf8(request).unwrap());
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
    let _ = stream.shutdown().await;
}

fn body() -> Bytes {
    Bytes::from_static(b"{}")
}

fn error_of(answer: Answer) -> String {
    match answer {
        Answer::NotNow(error) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn one_connection_takes_many_pushes_and_one_that_was_closed_meanwhile_is_no_error() {
    let server = Server::start(None, &[&[TAKEN, TAKEN], &[TAKEN]]).await;
    let mut pusher = server.pusher("http", "tenant = \"soc\"");
    for _ in 0..3 {
        assert_eq!(pusher.push(body()).await, Answer::Taken);
    }
    assert_eq!(server.requests_of_each_connection(), [2, 1]);
    let request = server.requests.lock().unwrap()[0][0].to_ascii_lowercase();
    assert!(request.starts_with("post /loki/api/v1/push http/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("\r\nhost: 127.0.0.1:{}\r\n", server.port)), "{request}");
    assert!(request.contains("\r\nx-scope-orgid: soc\r\n"), "{request}");
}

#[tokio::test]
async fn a_refused_push_of_nothing_means_that_loki_is_there_but_no_other_refusal_does() {
    let refused = "HTTP/1.1 422 Unprocessable\r\nContent-Length: 2\r\n\r\nno";
    let denied = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno";
    let server = Server::start(None, &[&[refused, refused, denied]]).await;
    let mut pusher = server.pusher("http", "");
    assert_eq!(pusher.ask().await, Answer::Taken);
    assert_eq!(pusher.push(body()).await, Answer::Refused { reason: "refused", said: "no".to_owned() });
    assert!(error_of(pusher.ask().await).contains("loki.tenant"));
}

#[tokio::test]
async fn an_answer_whose_end_does_not_come_counts_by_its_beginning() {
    let begun = "HTTP/1.1 400 Bad Request\r\nContent-Length: 1000\r\n\r\nline too long";
    let server = Server::start(None, &[&[begun, TAKEN], &[TAKEN]]).await;
    let mut pusher = server.pusher("http", "");
    let start = Instant::now();
    assert!(matches!(pusher.push(body()).await, Answer::Refused { .. }));
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!(pusher.push(body()).await, Answer::Taken);
    assert_eq!(
        server.requests_of_each_connection(),
        [1, 1],
        "with half an answer on it, a connection is not used again"
    );
}

#[tokio::test]
async fn what_is_no_http_is_reported() {
    let server = Server::start(None, &[&["220 mail.example ESMTP\r\n"]]).await;
    let text = error_of(server.pusher("http", "").push(body()).await);
    assert!(text.starts_with("pushing to Loki at http://127.0.0.1") && text.contains("is loki.url right"), "{text}");
}

#[tokio::test]
async fn https_trusts_the_named_file_and_says_what_to_do_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let made = std::process::Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=loki", "-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-out".as_ref(), cert.as_os_str(), "-keyout".as_ref(), key.as_os_str()])
        .output();
    if !made.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: openssl is not installed");
        return;
    }
    let server = Server::start(Some(acceptor(&cert, &key)), &[&[TAKEN], &[TAKEN], &[TAKEN]]).await;
    let trusting = format!("tls_ca_file = \"{}\"", cert.display());
    assert_eq!(server.pusher("https", &trusting).push(body()).await, Answer::Taken);
    let text = error_of(server.pusher("https", "").push(body()).await);
    assert!(text.contains("loki.tls_ca_file"), "{text}");
    let missing = error_of(server.pusher("https", "tls_ca_file = \"/nonexistent/ca.pem\"").push(body()).await);
    assert!(missing.contains("loki.tls_ca_file") && missing.contains("/nonexistent/ca.pem"), "{missing}");
}

fn acceptor(cert: &Path, key: &Path) -> TlsAcceptor {
    let chain = CertificateDer::pem_file_iter(cert).unwrap().map(Result::unwrap).collect();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from_pem_file(key).unwrap())
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}
