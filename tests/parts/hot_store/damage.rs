//! A damaged file does not keep the daemon from coming up; a file of another program is left alone.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;

use dsmild::event::{EventId, Interest};
use dsmild::store::{HotStore, StoreError};

use super::{config, lines, outsider};

async fn filled(path: &Path) {
    let (store, _) = HotStore::open(&config(path, "64MiB")).await.unwrap();
    for first in (0..5000).step_by(500) {
        store.commit(&[lines(first..first + 500, 100)]).await.unwrap();
    }
    store.close().await;
}

async fn is_begun_anew(path: &Path, damage: &str) {
    let (store, recovery) = HotStore::open(&config(path, "64MiB")).await.unwrap();
    assert!(recovery.created, "{damage}");
    assert!(recovery.moved_aside.is_some_and(|aside| aside.exists()), "{damage}");
    assert_eq!(recovery.last_id, EventId::ZERO, "{damage}");
    store.commit(&[lines(0..10, 10)]).await.unwrap();
    assert_eq!(store.after(EventId::ZERO, Interest::ALL, 100).await.unwrap().len(), 10, "{damage}");
    store.close().await;
}

#[tokio::test]
async fn a_damaged_file_is_moved_aside_and_a_new_one_begun() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hotpath.db");
    std::fs::write(&path, "this is no database, and it is longer than a header of one hundred bytes ".repeat(9))
        .unwrap();
    is_begun_anew(&path, "no database").await;

    std::fs::remove_file(&path).unwrap();
    filled(&path).await;
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    is_begun_anew(&path, "truncated").await;

    std::fs::remove_file(&path).unwrap();
    filled(&path).await;
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&[0xff; 4096], 4096 * 40).unwrap();
    is_begun_anew(&path, "a page overwritten").await;

    std::fs::remove_file(&path).unwrap();
    filled(&path).await;
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&[0; 4096], 0).unwrap();
    is_begun_anew(&path, "the header zeroed").await;

    let names = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let kept = names.filter(|name| name.to_string_lossy().contains("corrupt")).count();
    assert_eq!(kept, 2, "damaged files take memory: only the newest are kept");
}

#[tokio::test]
async fn damage_that_shows_itself_while_running_is_found_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hotpath.db");
    filled(&path).await;
    let (store, _) = HotStore::open(&config(&path, "64MiB")).await.unwrap();
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    for page in 40..60 {
        file.write_all_at(&[0xff; 4096], 4096 * page).unwrap();
    }
    let error = store.after(EventId::ZERO, Interest::ALL, 5000).await.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    let suspect = folder.path().join("hotpath.db.suspect");
    assert!(suspect.exists(), "a large file is not checked as a whole without it");
    store.close().await;
    is_begun_anew(&path, "overwritten while running").await;
    assert!(!suspect.exists());
}

#[tokio::test]
async fn a_database_of_another_program_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.db");
    std::fs::write(&path, "").unwrap();
    sqlx::query("CREATE TABLE raw_events_fast (ts REAL)").execute(&mut outsider(&path).await).await.unwrap();
    let before = std::fs::read(&path).unwrap();
    let error = HotStore::open(&config(&path, "64MiB")).await.err().unwrap();
    assert!(matches!(error, StoreError::Foreign { .. }), "{error}");
    assert!(error.to_string().contains("store.path"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn a_store_of_another_schema_version_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hotpath.db");
    filled(&path).await;
    sqlx::query("PRAGMA user_version = 99").execute(&mut outsider(&path).await).await.unwrap();
    let error = HotStore::open(&config(&path, "64MiB")).await.err().unwrap();
    assert!(matches!(error, StoreError::Version { found: 99, .. }), "{error}");
    assert!(error.to_string().contains("move the file away"), "{error}");
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = HotStore::open(&config(&file.join("hotpath.db"), "64MiB")).await.err().unwrap().to_string();
    assert!(error.contains("file/hotpath.db") && error.contains("folder"), "{error}");
}
