//! Answers that are made while the client takes them: what it has not taken yet is not read yet.

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;

use super::gateway::GatewayError;
use super::problem::Problem;

/// One answer on its way.
pub trait Chunked: Send + 'static {
    /// The next part of the answer; `None` after the last.
    fn chunk(&mut self) -> impl Future<Output = Result<Option<String>, GatewayError>> + Send;
}

/// How far an answer is.
#[derive(PartialEq)]
pub enum PageState {
    Begins,
    GoesOn,
    Ended,
}

/// The answer as JSON. Its first part is read before its head is sent, which says whether it can be.
///
/// # Errors
/// The first part cannot be read; a later one breaks the answer off.
pub async fn json(mut page: impl Chunked) -> Result<Response, Problem> {
    let first = page.chunk().await?;
    let rest = stream::unfold((first, page), |(ready, mut page)| async move {
        let chunk = match ready {
            Some(chunk) => Ok(chunk),
            None => page.chunk().await.transpose()?,
        };
        Some((chunk.map(Bytes::from), (None, page)))
    });
    Ok(([(header::CONTENT_TYPE, "application/json")], Body::from_stream(rest)).into_response())
}
