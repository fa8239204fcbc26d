//! How an outlet is made from the configuration and run.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use tokio::runtime::Handle;

use super::CommittedLog;
use super::driver::{self, About, Outlet};
use crate::config::Config;
use crate::supervise::TaskContext;

/// One line of the table of outlets.
#[derive(Clone, Copy)]
pub struct OutletSpec {
    pub about: About,
    /// Keys and sections of the configuration that it is made from.
    pub sections: &'static [&'static str],
    /// Whether the configuration asks for it.
    pub is_wanted: fn(&Config) -> bool,
    /// The body of its actor.
    pub run: fn(TaskContext, Resources) -> LocalBoxFuture<'static, Result<(), String>>,
}

/// What the daemon has for outlets.
#[derive(Clone)]
pub struct Resources {
    pub log: Arc<CommittedLog>,
    /// As it is now; a reload changes it.
    pub config: Arc<dyn Fn() -> Arc<Config> + Send + Sync>,
    /// Threads for what must go on when an actor is abandoned.
    pub io: Handle,
}

/// An outlet that has its section in the configuration.
pub trait Configured: Outlet + Sized + 'static {
    /// It starts again when one of these changes.
    const SECTIONS: &'static [&'static str];

    /// Whether the configuration asks for it.
    fn is_wanted(config: &Config) -> bool;

    /// `None` where the configuration does not ask for it.
    fn from_config(config: &Config, resources: &Resources) -> Option<Self>;
}

impl OutletSpec {
    /// The line of an outlet in the table.
    pub(super) const fn of<O: Configured>() -> Self {
        Self { about: O::ABOUT, sections: O::SECTIONS, is_wanted: O::is_wanted, run: run::<O> }
    }
}

fn run<O: Configured>(context: TaskContext, resources: Resources) -> LocalBoxFuture<'static, Result<(), String>> {
    async move {
        let Some(outlet) = O::from_config(&(resources.config)(), &resources) else {
            return Err("the configuration does not ask for it".to_owned());
        };
        let is_wanted = || O::is_wanted(&(resources.config)());
        driver::run(context, outlet, Arc::clone(&resources.log), is_wanted).await;
        Ok(())
    }
    .boxed_local()
}
