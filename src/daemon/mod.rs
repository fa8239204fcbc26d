//! The daemon: what starts in which order, what runs meanwhile, and how it stops.
//!
//! Start: hot store → bus → components in the order of their table ([`Components`]): outlets → writer (the commit point) →
//! stages in the order of their graph → HTTP → sources. Each waits only for those before it. Stop is the reverse: sources
//! fall silent first, the writer commits what is left, and the outlets take that outside.

mod component;
mod components;
mod core;
mod load;
mod plan;
mod reload;
mod start;
mod take_over;
mod web;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use self::core::Core;
pub use components::Components;
pub use load::{EXIT_CONFIG, load, refuse, warnings};
pub use plan::{Plan, prepare, prepare_with};
pub use start::{Daemon, Hooks, StartError};

use crate::config::Loaded;
use crate::observe::log as journal;
use crate::observe::memory::Memory;
use crate::observe::reload_mark::ReloadMark;
use crate::observe::systemd::{self, Watchdog};
use crate::supervise::signals::{Order, Signals};

/// `dsmild run`.
pub fn run(path: Option<&Path>) -> ExitCode {
    run_with(path, Hooks::default())
}

/// The same with parts wrapped, for a daemon that fails on request.
pub fn run_with(path: Option<&Path>, hooks: Hooks) -> ExitCode {
    let (loaded, plan) = match load::load_here(&Arc::default(), path) {
        Ok(loaded) => loaded,
        Err(error) => return refuse(&error),
    };
    if let Err(error) =
        journal::install(&loaded.config.log, &loaded.config.daemon.instance, plan.components.identifiers())
    {
        eprintln!("dsmild: logging could not be set up: {error}");
        return ExitCode::FAILURE;
    }
    for warning in warnings(&loaded, &plan) {
        log::warn!(target: "dsmild", "{warning}");
    }
    let code = actix::System::new().block_on(start_and_run(loaded, plan, path.map(Path::to_path_buf), hooks));
    log::logger().flush();
    code
}

async fn start_and_run(loaded: Loaded, plan: Plan, path: Option<PathBuf>, hooks: Hooks) -> ExitCode {
    let mut signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => {
            log::error!(target: "dsmild", "signals could not be listened for: {error}");
            return ExitCode::FAILURE;
        }
    };
    let start = Daemon::start(loaded.config, loaded.source.to_string(), plan, hooks);
    let started = tokio::select! {
        started = start => started,
        // The start may wait for Postgres.
        () = signals.stop() => return ExitCode::SUCCESS,
    };
    match started {
        Ok(daemon) => until_stopped(daemon, signals, path).await,
        Err(error) => {
            log::error!(target: "dsmild", "the daemon could not start: {error}");
            ExitCode::FAILURE
        }
    }
}

/// How often the supervisor looks round.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A critical actor that gave no heartbeat for this long keeps the watchdog from being fed.
const LATE_AFTER: Duration = Duration::from_secs(3);

async fn until_stopped(mut daemon: Daemon, mut signals: Signals, path: Option<PathBuf>) -> ExitCode {
    let mut fatal = daemon.tree.fatal();
    let mut said = daemon.summary();
    systemd::ready(&said);
    let mut watchdog = Watchdog::as_asked();
    if watchdog.is_wanted() {
        daemon.tree.leave_critical_to_watchdog();
    }
    let mut mark = ReloadMark::begun();
    let mut meters = Instant::now();
    let mut memory = Memory::default();
    // One reload at a time; a signal that comes meanwhile is remembered and starts the next.
    let (mut reloading, mut again) = (None, false);
    // The same of lists that were fetched; not while a reload goes on, which may read what is being replaced.
    let (mut renewing, mut renew) = (None, false);
    let intake = Arc::clone(&daemon.core.intake);
    let code = loop {
        tokio::select! {
            order = signals.next() => match order {
                Order::Stop => break ExitCode::SUCCESS,
                Order::Reload => again = true,
            },
            _ = fatal.changed() => break ExitCode::FAILURE,
            prepared = ready(&mut reloading) => {
                reloading = None;
                let result = daemon.reload(prepared).await;
                said = daemon.summary();
                systemd::ready(&said);
                mark.end(&result);
            }
            () = intake.renewed.notified() => renew = true,
            prepared = ready(&mut renewing) => {
                renewing = None;
                daemon.renew(prepared).await;
            }
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        if again && reloading.is_none() && renewing.is_none() {
            again = false;
            mark.begin();
            systemd::reloading();
            reloading = Some(Box::pin(reload::prepare(Arc::clone(&daemon.components), path.clone())));
        }
        if renew && reloading.is_none() && renewing.is_none() {
            renew = false;
            let (components, core) = (Arc::clone(&daemon.components), &daemon.core);
            renewing = Some(Box::pin(reload::prepare_for_feeds(components, core.config(), core.rules())));
        }
        daemon.tree.look();
        watchdog.feed(daemon.tree.healthy(LATE_AFTER));
        daemon.watch_memory(&mut memory);
        if meters.elapsed() >= Duration::from_secs(1) {
            meters = Instant::now();
            daemon.observe();
            let now = daemon.summary();
            if now != said {
                systemd::status(&now);
                said = now;
            }
        }
    };
    log::info!(target: "dsmild", "stopping");
    systemd::stopping();
    daemon.stop().await;
    code
}

/// The result of the running preparation; pending for ever while there is none.
async fn ready<Preparation: Future + Unpin>(preparation: &mut Option<Preparation>) -> Preparation::Output {
    match preparation {
        Some(preparation) => preparation.await,
        None => std::future::pending().await,
    }
}
