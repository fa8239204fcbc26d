//! Entries a second out of Redis into the hot store, acknowledged (goal: 250,000), next to what `redis-benchmark -P 200`
//! reaches with XADD of the same entries in the same run.
//!
//! `cargo bench --bench ingest`

// A bench is a program of its own: what goes wrong ends it.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::sync::LazyLock;

mod input;
mod redis;

static ENTRIES: LazyLock<usize> = LazyLock::new(|| input::size(1_000_000));
const LINE: &str =
    "Nov 23 02:00:01 host sshd[4711]: Failed password for invalid user admin from 203.0.113.9 port 50022 ssh2";

async fn bench() {
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let streams = "{ L4_IN = \"off\", L3_OUT = \"off\", L4_OUT = \"off\", SOC_EVENTS = \"off\" }";
    let server = redis::Server::start(folder.path(), streams);
    let written =
        server.benchmark(*ENTRIES, &["XADD", "L3_IN", "*", "source", "fw", "compartment", "ops", "payload", LINE]);
    let daemon = redis::daemon(folder.path(), &server.config).await;
    let link = server.link().await;
    let (taken, memory) = redis::until(async || {
        let arguments = vec!["GROUPS".into(), "L3_IN".into()];
        let Ok(groups) = link.call("XINFO", "L3_IN", arguments).await else { return false };
        let number = |name| groups.list().first().and_then(|group| group.named(name)?.number());
        number("entries-read") == Some(*ENTRIES as u64) && number("pending") == Some(0)
    })
    .await;
    let rate = *ENTRIES as f64 / taken.as_secs_f64();
    println!("redis-benchmark -P 200, XADD of the same  {written:>9.0} entries/s");
    println!("ingest, committed and acknowledged        {rate:>9.0} entries/s, {:.2} of it", rate / written);
    println!("{memory}");
    daemon.stop().await;
}

fn main() {
    if redis::installed() {
        actix::System::new().block_on(bench());
    }
}
