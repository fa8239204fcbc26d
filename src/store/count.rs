//! How many events there are, for those who tell how far behind they are.

use super::error::StoreError;
use super::masks::Masks;
use super::{HotStore, schema};
use crate::event::{EventId, Interest};

impl HotStore {
    /// Committed events after `after` up to `upto` that the interest covers.
    ///
    /// # Errors
    /// As [`after`](Self::after).
    pub async fn count(&self, after: EventId, upto: EventId, interest: Interest) -> Result<u64, StoreError> {
        let masks = Masks::from(interest);
        let query = sqlx::query_scalar(schema::COUNT_RANGE)
            .bind(after.packed())
            .bind(upto.min(self.committed()).packed())
            .bind(masks.raw)
            .bind(masks.outputs)
            .bind(masks.producers)
            .bind(masks.control);
        let count: i64 = self.in_time("counting events", query.fetch_one(&self.inner.readers)).await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }
}
