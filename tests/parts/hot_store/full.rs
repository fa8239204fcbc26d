//! A full file system or a full store refuses a commit whole, damages nothing, and takes it once there is space.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dsmild::bus::Transaction;
use dsmild::event::{EventId, Interest, Timestamp};
use dsmild::store::{HotStore, StoreError};

use super::{assert_sound, config, line, lines, outsider};

/// A tmpfs that goes away with the test.
struct Tmpfs(PathBuf);

impl Tmpfs {
    fn mount(folder: &Path, size: &str) -> Option<Self> {
        let options = format!("size={size}");
        let status = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder).status();
        if status.is_ok_and(|status| status.success()) {
            return Some(Self(folder.to_owned()));
        }
        eprintln!("skipped: a tmpfs cannot be mounted here (this test needs root)");
        None
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

async fn count(store: &HotStore) -> u64 {
    let (mut count, mut last) = (0, EventId::ZERO);
    loop {
        let page = store.after(last, Interest::ALL, 1000).await.unwrap();
        let Some(newest) = page.last() else { return count };
        assert_eq!(newest.id, line(count + page.len() as u64 - 1, 0).id, "a hole in the log");
        (count, last) = (count + page.len() as u64, newest.id);
    }
}

/// Commits lines until one commit is refused; returns how many are in, and the refused transaction.
async fn fill(store: &HotStore, first: u64) -> (u64, Arc<Transaction>, StoreError) {
    let mut next = first;
    loop {
        let transaction = lines(next..next + 50, 300);
        match store.commit(std::slice::from_ref(&transaction)).await {
            Ok(_) => next += 50,
            Err(error) => return (next, transaction, error),
        }
        assert!(next < 1_000_000, "it never became full");
    }
}

#[tokio::test]
async fn a_full_file_system_refuses_commits_until_there_is_space() {
    let folder = tempfile::tempdir().unwrap();
    let Some(_mounted) = Tmpfs::mount(folder.path(), "4m") else { return };
    let (path, ballast) = (folder.path().join("hotpath.db"), folder.path().join("ballast"));
    std::fs::write(&ballast, vec![1; 1024 * 1024]).unwrap();
    let (store, _) = HotStore::open(&config(&path, "64MiB")).await.unwrap();

    let (committed, refused, error) = fill(&store, 0).await;
    let StoreError::Full { available_bytes, used_bytes, .. } = error else { panic!("{error}") };
    assert!(available_bytes < 1024 * 1024 && used_bytes > 1024 * 1024, "{available_bytes} {used_bytes}");
    for _ in 0..20 {
        let again = store.commit(std::slice::from_ref(&refused)).await;
        assert!(matches!(again, Err(StoreError::Full { .. })), "{again:?}");
    }
    assert_eq!(count(&store).await, committed);

    std::fs::remove_file(&ballast).unwrap();
    store.commit(&[refused]).await.unwrap();
    assert_eq!(count(&store).await, committed + 50);
    let (more, _, _) = fill(&store, committed + 50).await;
    store.close().await;
    assert_sound(&path).await;

    let (store, recovery) = HotStore::open(&config(&path, "64MiB")).await.unwrap();
    assert_eq!(recovery.moved_aside, None);
    assert_eq!(count(&store).await, more);
}

#[tokio::test]
async fn deletion_makes_room_on_a_file_system_smaller_than_max_size() {
    let folder = tempfile::tempdir().unwrap();
    let Some(_mounted) = Tmpfs::mount(folder.path(), "4m") else { return };
    let path = folder.path().join("hotpath.db");
    let (store, _) = HotStore::open(&config(&path, "3GiB")).await.unwrap();
    for first in (0..40_000).step_by(50) {
        let committed = store.commit(&[lines(first..first + 50, 300)]).await.unwrap();
        store.prune(Timestamp::ZERO, committed.last_id).await.unwrap();
    }
    assert!(store.size().await.unwrap().used_bytes < 4 * 1024 * 1024);
    store.close().await;
    assert_sound(&path).await;
}

#[tokio::test]
async fn a_store_at_its_max_size_takes_commits_again_after_deletion() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hotpath.db");
    let (store, _) = HotStore::open(&config(&path, "2MiB")).await.unwrap();
    let (committed, refused, error) = fill(&store, 0).await;
    assert!(matches!(error, StoreError::Full { max_bytes: 2_097_152, .. }), "{error}");
    let size = store.size().await.unwrap();
    assert!(size.used_bytes > 1024 * 1024 && size.used_bytes <= 2 * 1024 * 1024, "{size:?}");

    let floor = line(committed / 2, 0).id;
    let pruned = store.prune(Timestamp::ZERO, floor).await.unwrap();
    assert!(pruned.events > 0 && pruned.through <= floor, "{pruned:?}");
    store.commit(&[refused]).await.unwrap();
    let left = store.after(EventId::ZERO, Interest::ALL, 1).await.unwrap();
    assert!(left[0].id > pruned.through);
    store.close().await;
    assert_sound(&path).await;
}

#[tokio::test]
async fn a_larger_max_size_counts_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hotpath.db");
    let (store, _) = HotStore::open(&config(&path, "1MiB")).await.unwrap();
    let (committed, refused, _) = fill(&store, 0).await;
    store.reconfigure(&config(&path, "2MiB")).await.unwrap();
    store.commit(&[refused]).await.unwrap();
    assert_eq!(count(&store).await, committed + 50);
}

#[tokio::test]
async fn a_store_on_a_full_file_system_can_be_opened_and_read() {
    let folder = tempfile::tempdir().unwrap();
    let Some(_mounted) = Tmpfs::mount(folder.path(), "4m") else { return };
    let (path, ballast) = (folder.path().join("hotpath.db"), folder.path().join("ballast"));
    let (store, _) = HotStore::open(&config(&path, "64MiB")).await.unwrap();
    store.commit(&[lines(0..50, 10)]).await.unwrap();
    store.close().await;
    // All but the shared index of the write-ahead log.
    let free = 128 * 1024;
    let space = Command::new("stat").args(["-f", "-c", "%a %S"]).arg(folder.path()).output().unwrap().stdout;
    let space: Vec<usize> =
        String::from_utf8(space).unwrap().split_whitespace().map(|number| number.parse().unwrap()).collect();
    std::fs::write(&ballast, vec![1; space[0] * space[1] - free]).unwrap();
    let (store, recovery) = HotStore::open(&config(&path, "64MiB")).await.unwrap();
    assert!(!recovery.created);
    assert_eq!(count(&store).await, 50);
    let error = store.commit(&[lines(50..1050, 400)]).await.unwrap_err();
    assert!(matches!(error, StoreError::Full { .. }), "{error}");
}

#[tokio::test]
async fn a_reader_that_stays_cannot_make_the_store_grow_past_max_size() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hotpath.db");
    let max_bytes = 4 * 1024 * 1024;
    let (store, _) = HotStore::open(&config(&path, "4MiB")).await.unwrap();
    store.commit(&[lines(0..10, 300)]).await.unwrap();
    let mut reader = outsider(&path).await;
    sqlx::query("BEGIN").execute(&mut reader).await.unwrap();
    sqlx::query("SELECT count(*) FROM raw_events_fast").fetch_one(&mut reader).await.unwrap();

    let mut next = 10;
    let begun = Instant::now();
    let refused = loop {
        let transaction = lines(next..next + 50, 300);
        let bytes =
            |suffix| std::fs::metadata(folder.path().join(format!("hotpath.db{suffix}"))).map_or(0, |m| m.len());
        match store.commit(std::slice::from_ref(&transaction)).await {
            Ok(committed) => store.prune(Timestamp::ZERO, committed.last_id).await.map(|_| ()).unwrap_or_default(),
            Err(StoreError::Full { .. }) => break transaction,
            Err(error) => panic!("{error}"),
        }
        // One transaction may end past the limit; the next is refused.
        assert!(bytes("") + bytes("-wal") < max_bytes + 512 * 1024);
        next += 50;
        assert!(begun.elapsed() < Duration::from_secs(60), "it never became full");
    };
    drop(reader);
    let begun = Instant::now();
    while store.commit(std::slice::from_ref(&refused)).await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(30), "it stays full after the reader has gone");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    store.close().await;
    assert_sound(&path).await;
}
