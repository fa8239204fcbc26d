//! The client library's side of a connection: it reads only what the [`Guard`] let through.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::guard::{Guard, Violation};
use crate::http_client::Io;

const CHUNK_BYTES: usize = 64 * 1024;

pub(super) struct Guarded {
    server: Box<dyn Io>,
    guard: Guard,
    /// Bytes of the guard's whole replies that the library has read.
    read: usize,
    chunk: Box<[u8]>,
    violation: Option<Violation>,
    /// Why the connection ended, which the library does not say.
    end: Arc<OnceLock<String>>,
}

impl Guarded {
    pub fn new(server: Box<dyn Io>, end: Arc<OnceLock<String>>) -> Self {
        let chunk = vec![0; CHUNK_BYTES].into_boxed_slice();
        Self { server, guard: Guard::default(), read: 0, chunk, violation: None, end }
    }

    /// Hands over what is whole and not read yet. Returns whether there was something.
    fn hand_over(&mut self, buffer: &mut ReadBuf<'_>) -> bool {
        let left = self.guard.whole().get(self.read..).unwrap_or_default();
        let length = left.len().min(buffer.remaining());
        buffer.put_slice(left.get(..length).unwrap_or_default());
        self.read += length;
        if length > 0 && self.read == self.guard.whole().len() {
            self.guard.clear();
            self.read = 0;
        }
        length > 0
    }

    /// Takes the next bytes of the server. Returns how many; none at its end.
    fn poll_server(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut chunk = ReadBuf::new(&mut self.chunk);
        ready!(Pin::new(&mut self.server).poll_read(context, &mut chunk))?;
        let bytes = chunk.filled();
        // What was whole before counts: a violation is an error only after it was read.
        self.violation = self.guard.take(bytes).err();
        Poll::Ready(Ok(bytes.len()))
    }

    fn ended<T>(&self, error: io::Error) -> io::Result<T> {
        let _ = self.end.set(error.to_string());
        Err(error)
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while buffer.remaining() > 0 && !this.hand_over(buffer) {
            if let Some(violation) = this.violation.clone() {
                return Poll::Ready(this.ended(io::Error::other(violation)));
            }
            match ready!(this.poll_server(context)) {
                Ok(0) => {
                    let _ = this.end.set("connection closed by the other side".to_owned());
                    break;
                }
                Ok(_) => {}
                Err(error) => return Poll::Ready(this.ended(error)),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.server).poll_write(context, bytes));
        Poll::Ready(written.or_else(|error| self.ended(error)))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = ready!(Pin::new(&mut self.server).poll_flush(context));
        Poll::Ready(flushed.or_else(|error| self.ended(error)))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.server).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn answered(pieces: &'static [&'static [u8]]) -> (io::Result<usize>, Vec<u8>, Option<String>) {
        let (mut server, library) = tokio::io::duplex(7);
        let end = Arc::new(OnceLock::new());
        let mut guarded = Guarded::new(Box::new(library), Arc::clone(&end));
        let serving = tokio::spawn(async move {
            for piece in pieces {
                // The other side may have seen enough.
                let _ = server.write_all(piece).await;
            }
        });
        let mut read = Vec::new();
        let result = guarded.read_to_end(&mut read).await;
        drop(guarded);
        serving.await.unwrap();
        (result, read, end.get().cloned())
    }

    #[tokio::test]
    async fn replies_arrive_whole_and_then_the_end_is_known() {
        let (result, read, end) = answered(&[b"+O", b"K\r\n$3\r\nab", b"c\r\n$9\r\ncut"]).await;
        assert_eq!(result.unwrap(), 14);
        assert_eq!(read, b"+OK\r\n$3\r\nabc\r\n");
        assert_eq!(end.as_deref(), Some("connection closed by the other side"));
    }

    #[tokio::test]
    async fn what_came_before_a_violation_is_read_before_it_is_an_error() {
        let (result, read, end) = answered(&[b"+OK\r\n", b"HTTP/1.1 400 Bad Request\r\n", b"+more\r\n"]).await;
        assert!(result.is_err());
        assert_eq!(read, b"+OK\r\n");
        assert!(end.unwrap().contains("protocol of Redis"));
    }
}
