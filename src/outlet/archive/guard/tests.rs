//! Servers that lie, over plain TCP and over TLS, and certificates that are and are not trusted.

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::{Certificates, connect};
use crate::tls::{self, Files};

/// Authentication is done, and it is ready.
const WELCOME: &[u8] = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I";

async fn message(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let length = stream.read_u32().await.unwrap();
    let mut body = vec![0; length as usize - 4];
    stream.read_exact(&mut body).await.unwrap();
    body
}

async fn lie(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    stream.write_all(WELCOME).await.unwrap();
    stream.flush().await.unwrap();
    stream.read_u8().await.unwrap(); // a question begins
    let announced = [&b"E"[..], &1_500_000_000_u32.to_be_bytes()].concat();
    stream.write_all(&announced).await.unwrap();
    // As much as is taken, until the other end has enough of it.
    while stream.write_all(&[b'M'; 64 * 1024]).await.is_ok() && stream.flush().await.is_ok() {}
}

/// Accepts each connection, with TLS where there is an acceptor, and answers the first question with a lie.
async fn liar(acceptor: Option<TlsAcceptor>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut head = message(&mut stream).await;
                let asks_for_tls = head == [0x04, 0xd2, 0x16, 0x2f];
                match acceptor.filter(|_| asks_for_tls) {
                    Some(acceptor) => {
                        stream.write_all(b"S").await.unwrap();
                        let Ok(mut stream) = acceptor.accept(stream).await else { return };
                        message(&mut stream).await;
                        lie(stream).await;
                    }
                    None => {
                        if asks_for_tls {
                            stream.write_all(b"N").await.unwrap();
                            head = message(&mut stream).await;
                        }
                        assert!(head.starts_with(&[0, 3, 0, 0]), "{head:?}");
                        lie(stream).await;
                    }
                }
            });
        }
    });
    port
}

/// What becomes of a connection and its first question.
async fn first_answer(url: &str) -> String {
    let options = PgConnectOptions::from_str(url).unwrap();
    let mut connection = match connect(options, &Certificates::of(url)).await {
        Ok(connection) => connection,
        Err(error) => return format!("no connection: {error}"),
    };
    sqlx::query("SELECT 1").execute(&mut connection).await.unwrap_err().to_string()
}

fn is_refused(answer: &str) -> bool {
    answer.contains("announced a message of 1500000000 bytes")
}

#[tokio::test]
async fn a_message_that_is_longer_than_any_is_never_taken_into_memory() {
    let port = liar(None).await;
    for mode in ["disable", "prefer"] {
        let answer = first_answer(&format!("postgres://u@127.0.0.1:{port}/d?sslmode={mode}")).await;
        assert!(is_refused(&answer), "{mode}: {answer}");
    }
    let answer = first_answer(&format!("postgres://u@127.0.0.1:{port}/d?sslmode=require")).await;
    assert!(answer.contains("does not support TLS"), "{answer}");
}

/// An authority, and a certificate of it for 127.0.0.1. False where openssl is not installed.
fn made_certificates(folder: &Path) -> bool {
    let script = "set -e
        key='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
        openssl req -x509 $key -days 2 -subj /CN=authority -out ca.pem -keyout ca.key
        openssl req $key -subj /CN=postgres -out server.csr -keyout server.key
        printf 'subjectAltName=IP:127.0.0.1\\nbasicConstraints=CA:FALSE\\n' > extensions
        openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out server.pem
        openssl req -x509 $key -days 2 -subj /CN=other -out other.pem -keyout other.key";
    let made = std::process::Command::new("sh").args(["-c", script]).current_dir(folder).output();
    made.is_ok_and(|output| output.status.success())
}

#[tokio::test]
async fn tls_ends_where_messages_are_looked_at_and_trusts_whom_sslmode_says() {
    let folder = tempfile::tempdir().unwrap();
    if !made_certificates(folder.path()) {
        eprintln!("skipped: openssl is not installed");
        return;
    }
    let file = |name: &str| folder.path().join(name);
    let (cert, key) = (file("server.pem"), file("server.key"));
    let config = tls::server(Files { section: "test", cert: &cert, key: &key, client_ca: None }).unwrap();
    let port = liar(Some(TlsAcceptor::from(Arc::new(config)))).await;
    let url = |host: &str, mode: &str, root: &str| {
        format!("postgres://u@{host}:{port}/d?sslmode={mode}&sslrootcert={}", file(root).display())
    };
    for (host, mode, root) in [
        ("127.0.0.1", "prefer", "other.pem"),
        ("127.0.0.1", "require", "other.pem"),
        ("127.0.0.1", "verify-full", "ca.pem"),
        ("localhost", "verify-ca", "ca.pem"),
    ] {
        let answer = first_answer(&url(host, mode, root)).await;
        assert!(is_refused(&answer), "{mode} {host} {root}: {answer}");
    }
    for (host, mode, root) in [
        ("localhost", "verify-full", "ca.pem"),
        ("127.0.0.1", "verify-full", "other.pem"),
        ("127.0.0.1", "verify-ca", "other.pem"),
        ("127.0.0.1", "verify-full", "missing.pem"),
    ] {
        let answer = first_answer(&url(host, mode, root)).await;
        assert!(answer.starts_with("no connection"), "{mode} {host} {root}: {answer}");
    }
}
