//! Damage that shows itself while the store is open. Whoever sees it first, nothing more is committed: what is written to a
//! damaged file may not be there when it is opened again, and sources would have moved on.

use super::error::StoreError;
use super::{HotStore, Inner, files};

impl Inner {
    /// Remembers over a restart as well that the file is damaged, if that is what the error says.
    pub(super) fn note_damage(&self, error: &StoreError) {
        if let StoreError::Corrupt { reason, .. } = error
            && self.damage.set(reason.clone()).is_ok()
        {
            files::suspect(&self.path);
        }
    }
}

impl HotStore {
    /// Why nothing is committed any more: a read or a write has found the file damaged. It stays so until the next start.
    pub fn damage(&self) -> Option<StoreError> {
        let reason = self.inner.damage.get()?.clone();
        Some(StoreError::Corrupt { path: self.inner.path.clone(), tried: "committing transactions", reason })
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use crate::event::{EventId, Interest};
    use crate::store::error::beside;
    use crate::store::tests::{config, raw, transaction};
    use crate::store::{HotStore, StoreError};

    #[tokio::test]
    async fn once_a_reader_has_found_damage_nothing_more_is_committed() {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = HotStore::open(&config(&folder)).await.unwrap();
        let some = |ms| transaction("intake", None, (0..99).map(|n| raw(ms, n)).collect());
        store.commit(&[some(7)]).await.unwrap();
        File::options().write(true).open(beside(&config(&folder).path, "-wal")).unwrap().set_len(0).unwrap();
        store.commit(&[some(8)]).await.unwrap();
        assert!(store.damage().is_none());
        let error = store.after(EventId::ZERO, Interest::ALL, 999).await.unwrap_err();
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
        let error = store.commit(&[some(9)]).await.unwrap_err();
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
        assert_eq!((store.damage().is_some(), store.committed()), (true, EventId::new(8, 98)));
    }
}
