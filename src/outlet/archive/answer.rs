//! Answers of many rows, held at once. What was asked for has a bound; a server that lies does not keep to it.

use futures_util::{Stream, TryStreamExt};

use crate::limits::POSTGRES_ANSWER_BYTES_MAX;

/// What a row takes beside its values.
const ROW_BYTES: usize = 64;

/// All rows, each of which takes so many bytes.
///
/// # Errors
/// Postgres says so, or it sends more than an answer may have.
pub(super) async fn whole<Row>(
    rows: impl Stream<Item = Result<Row, sqlx::Error>>,
    bytes: impl Fn(&Row) -> usize,
) -> Result<Vec<Row>, sqlx::Error> {
    let (mut rows, mut found, mut held) = (std::pin::pin!(rows), Vec::new(), 0);
    while let Some(row) = rows.try_next().await? {
        held += bytes(&row) + ROW_BYTES;
        if held > POSTGRES_ANSWER_BYTES_MAX {
            let reason = format!("the server sent more than {POSTGRES_ANSWER_BYTES_MAX} bytes for one answer");
            return Err(sqlx::Error::Protocol(reason));
        }
        found.push(row);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    #[tokio::test]
    async fn an_answer_without_end_is_given_up() {
        let rows = |count| stream::iter(0..count).map(Ok);
        use futures_util::StreamExt;
        assert_eq!(whole(rows(3), |_| 1).await.unwrap(), [0, 1, 2]);
        let error = whole(rows(i64::MAX), |_| 64 * 1024).await.unwrap_err().to_string();
        assert!(error.contains("for one answer"), "{error}");
    }
}
