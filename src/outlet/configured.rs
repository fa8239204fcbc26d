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
#[derive(Clone)]
pub struct OutletSpec {
    /// Of the component, in what a reload says.
    pub name: &'static str,
    pub about: About,
    /// Keys and sections of the configuration that it is made from.
    pub sections: &'static [&'static str],
    /// The names of those that the configuration asks for: of most kinds one or none.
    pub names: fn(&Config) -> Vec<String>,
    /// The body of the actor of the one of this name.
    pub run: fn(TaskContext, Resources, String) -> LocalBoxFuture<'static, Result<(), String>>,
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
    /// As its [`About`] has it.
    const NAME: &'static str;
    /// It starts again when one of these changes.
    const SECTIONS: &'static [&'static str];

    /// Whether the configuration asks for it.
    fn is_wanted(config: &Config) -> bool;

    /// `None` where the configuration does not ask for it.
    fn from_config(config: &Config, resources: &Resources) -> Option<Self>;
}

/// An outlet of which the configuration has a list. Each has a name, under which it keeps how far it is.
pub trait ConfiguredEach: Outlet + Sized + 'static {
    /// Of all of them, in what a reload says.
    const NAME: &'static str;
    /// All start again when one of these changes.
    const SECTIONS: &'static [&'static str];

    /// As their [`About`]s have them, each once.
    fn names(config: &Config) -> Vec<String>;

    /// `None` where the configuration does not ask for it.
    fn from_config(name: &str, config: &Config, resources: &Resources) -> Option<Self>;
}

impl OutletSpec {
    /// The line of an outlet in the table.
    pub(super) const fn of<O: Configured>() -> Self {
        Self { name: O::NAME, about: O::ABOUT, sections: O::SECTIONS, names: name::<O>, run: run::<O> }
    }

    /// The line of a list of outlets.
    pub(super) const fn each<O: ConfiguredEach>() -> Self {
        Self { name: O::NAME, about: O::ABOUT, sections: O::SECTIONS, names: O::names, run: run_named::<O> }
    }

    /// Those that the configuration asks for.
    pub fn wanted(&self, config: &Config) -> Vec<About> {
        let about = |name: String| About { name: name.into(), ..self.about.clone() };
        (self.names)(config).into_iter().map(about).collect()
    }
}

fn name<O: Configured>(config: &Config) -> Vec<String> {
    O::is_wanted(config).then(|| O::NAME.to_owned()).into_iter().collect()
}

fn run<O: Configured>(
    context: TaskContext,
    resources: Resources,
    _: String,
) -> LocalBoxFuture<'static, Result<(), String>> {
    let outlet = O::from_config(&(resources.config)(), &resources);
    drive(context, outlet, resources, O::is_wanted)
}

fn run_named<O: ConfiguredEach>(
    context: TaskContext,
    resources: Resources,
    name: String,
) -> LocalBoxFuture<'static, Result<(), String>> {
    let outlet = O::from_config(&name, &(resources.config)(), &resources);
    drive(context, outlet, resources, move |config| O::names(config).contains(&name))
}

fn drive<O: Outlet + 'static>(
    context: TaskContext,
    outlet: Option<O>,
    resources: Resources,
    is_wanted: impl Fn(&Config) -> bool + 'static,
) -> LocalBoxFuture<'static, Result<(), String>> {
    async move {
        let Some(outlet) = outlet else { return Err("the configuration does not ask for it".to_owned()) };
        let is_wanted = || is_wanted(&(resources.config)());
        driver::run(context, outlet, Arc::clone(&resources.log), is_wanted).await;
        Ok(())
    }
    .boxed_local()
}
