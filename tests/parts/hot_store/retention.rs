//! What is old goes, what somebody still needs stays.

use std::sync::Arc;
use std::time::Duration;

use dsmild::bus::{DeadLetter, Transaction};
use dsmild::event::{EventId, Interest, Timestamp};
use dsmild::limits::{DEAD_LETTERS_MAX, PRUNE_ROWS_MAX, PRUNE_STEPS_MAX};
use dsmild::store::HotStore;

use super::{config, decision, line, lines, number_of};

/// `lines` are one millisecond apart from second 1000 on; the retention is one second.
async fn store(folder: &tempfile::TempDir, lines_count: u64) -> HotStore {
    let retention = serde_json::from_value("1s".into()).unwrap();
    let config = dsmild::config::Store { retention, ..config(&folder.path().join("hotpath.db"), "256MiB") };
    let (store, _) = HotStore::open(&config).await.unwrap();
    for first in (0..lines_count).step_by(10_000) {
        store.commit(&[lines(first..lines_count.min(first + 10_000), 10)]).await.unwrap();
    }
    store
}

async fn oldest(store: &HotStore) -> u64 {
    number_of(&store.after(EventId::ZERO, Interest::ALL, 1).await.unwrap()[0])
}

#[tokio::test]
async fn events_past_the_retention_go_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder, 10_000).await;
    let decisions = Transaction { events: (0..10).map(decision).collect(), ..Transaction::default() };
    store.commit(&[decisions.into()]).await.unwrap();
    let now = Timestamp::from_millis(1_000_000 + 5000);
    let pruned = store.prune(now, EventId::MAX).await.unwrap();
    assert_eq!((pruned.events, pruned.more), (4001 + 10, false), "lines 0 to 4000 and all decisions");
    assert_eq!(oldest(&store).await, 4001);
    assert_eq!(store.size().await.unwrap().oldest, Some(line(4001, 0).id));
    assert_eq!(store.prune(now, EventId::MAX).await.unwrap().events, 0);
}

#[tokio::test]
async fn nothing_past_the_floor_is_deleted_however_old() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder, 1000).await;
    let much_later = Timestamp::from_millis(9_000_000);
    store.prune(much_later, line(99, 0).id).await.unwrap();
    assert_eq!(oldest(&store).await, 100);
    store.prune(much_later, EventId::ZERO).await.unwrap();
    assert_eq!(oldest(&store).await, 100);
}

#[tokio::test]
async fn ids_go_on_after_all_that_can_go_was_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder, 10).await;
    store.prune(Timestamp::from_millis(9_000_000), EventId::MAX).await.unwrap();
    store.close().await;
    let (_store, recovery) = HotStore::open(&config(&folder.path().join("hotpath.db"), "256MiB")).await.unwrap();
    assert_eq!(recovery.last_id, line(9, 0).id);
}

#[tokio::test]
async fn one_run_is_bounded_and_the_next_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let per_run = (PRUNE_ROWS_MAX * PRUNE_STEPS_MAX) as u64;
    let store = store(&folder, per_run + 1000).await;
    let much_later = Timestamp::from_millis(90_000_000);
    let first = store.prune(much_later, EventId::MAX).await.unwrap();
    assert_eq!((first.events, first.more), (per_run, true));
    let second = store.prune(much_later, EventId::MAX).await.unwrap();
    assert_eq!((second.events, second.more), (1000 - 1, false), "the newest event stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_go_on_while_old_events_are_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder, 100_000).await;
    let pruner = store.clone();
    let pruning =
        tokio::spawn(async move { pruner.prune(Timestamp::from_millis(90_000_000), line(99_998, 0).id).await });
    let mut commits_meanwhile = 0;
    while !pruning.is_finished() {
        let next = 100_000 + commits_meanwhile;
        tokio::time::timeout(Duration::from_secs(10), store.commit(&[lines(next..next + 1, 10)]))
            .await
            .unwrap()
            .unwrap();
        commits_meanwhile += 1;
    }
    assert!(commits_meanwhile > 3, "{commits_meanwhile} commits in a run of 50 steps");
    assert_eq!(pruning.await.unwrap().unwrap().events, 99_999);
}

#[tokio::test]
async fn dead_letters_are_bounded_in_number_and_age() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder, 0).await;
    let letter = |number: usize| DeadLetter {
        id: EventId::new(1, 0),
        stream: "L3_IN".into(),
        reason: "no payload".into(),
        payload: number.to_string().into(),
    };
    let transaction =
        Transaction { dead_letters: (0..DEAD_LETTERS_MAX + 5).map(letter).collect(), ..Transaction::default() };
    let begun = Timestamp::now();
    store.commit(&[Arc::new(transaction)]).await.unwrap();
    assert_eq!(store.prune(begun, EventId::MAX).await.unwrap().dead_letters, 5, "none is too old");
    assert_eq!(store.dead_letters(0, 1).await.unwrap()[0].letter.payload, "5");
    let later = Timestamp::now().plus(Duration::from_secs(60));
    assert_eq!(store.prune(later, EventId::MAX).await.unwrap().dead_letters, DEAD_LETTERS_MAX as u64);
}
