//! Supervision of actix actors: a crash stays where it happened.
//!
//! Each actor has an arbiter (a thread with an event loop) of its own. A panic or an end is caught by the guard,
//! which starts the actor again after a backoff with its mailbox kept; a frozen actor is found by its missing
//! heartbeat, abandoned and replaced; past its restart intensity it is marked failed.

mod child;
pub(crate) mod config;
mod guard;
mod policy;
pub(crate) mod signals;
mod task_actor;
mod tree;
#[cfg(test)]
mod under_test;

use std::time::Duration;

pub use child::{Cause, Child, OnFailure, State, TaskContext};
pub use config::HEARTBEAT_EVERY;
pub use guard::{GaveUp, spawn};
pub use policy::{Decision, RestartPolicy};
pub use task_actor::{NamedTask, Task, TaskActor};
pub use tree::{ChildSpec, Start, Tree};
#[cfg(test)]
pub use under_test::TestSupervisor;

impl ChildSpec {
    /// A loop over IO.
    pub fn task(name: String, place: usize, drain: Duration, critical: bool, task: Task) -> Self {
        Self {
            name,
            place,
            drain,
            critical,
            on_failure: std::sync::Arc::new(|_, _| ()),
            on_give_up: std::sync::Arc::new(|| ()),
            start: std::sync::Arc::new(move |arbiter, context, gave_up| {
                let task = std::sync::Arc::clone(&task);
                drop(spawn(arbiter, context, move |context| TaskActor::new(context, task), gave_up));
            }),
        }
    }
}
