//! The actor for what is one loop over IO: a source, an outlet, a poller. It runs a [`Task`].

use std::sync::Arc;

use actix::fut::future::ActorFutureExt;
use actix::{Actor, ActorContext, AsyncContext, Context, Supervised, WrapFuture};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use super::TaskContext;

/// Makes the loop anew for every run. The loop sends heartbeats ([`TaskContext::heartbeat`],
/// [`TaskContext::run_until_stopped`]) and ends when it is asked to; any other end counts as a failure, an error with its reason.
pub type Task = Arc<dyn Fn(TaskContext) -> LocalBoxFuture<'static, Result<(), String>> + Send + Sync>;

/// A task under the name that its actor has in status and metrics.
pub struct NamedTask {
    pub name: String,
    pub task: Task,
}

impl NamedTask {
    /// `run` is called for every run; see [`Task`] for what it owes its supervisor.
    pub fn new<Running>(name: impl Into<String>, run: impl Fn(TaskContext) -> Running + Send + Sync + 'static) -> Self
    where
        Running: Future<Output = Result<(), String>> + 'static,
    {
        Self { name: name.into(), task: Arc::new(move |context| run(context).boxed_local()) }
    }
}

/// The actor round one run of a task.
pub struct TaskActor {
    context: TaskContext,
    task: Task,
}

impl TaskActor {
    /// The run begins when the actor is started.
    pub fn new(context: TaskContext, task: Task) -> Self {
        Self { context, task }
    }
}

impl Actor for TaskActor {
    type Context = Context<Self>;

    fn started(&mut self, actix: &mut Self::Context) {
        let run = (self.task)(self.context.clone());
        actix.spawn(run.into_actor(self).map(|end, actor, actix| {
            if let Err(reason) = end {
                actor.context.report_error(reason);
            }
            actix.stop();
        }));
    }
}

impl Supervised for TaskActor {}
