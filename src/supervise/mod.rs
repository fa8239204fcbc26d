//! Supervision of actix actors: a crash stays where it happened.
//!
//! Each actor has an arbiter (a thread with an event loop) of its own. A panic or an end is caught by the guard,
//! which starts the actor again after a backoff with its mailbox kept; a frozen actor is found by its missing
//! heartbeat, abandoned and replaced; past its restart intensity it is marked failed.

mod child;
mod guard;
mod host;
mod policy;
mod tree;

pub use child::{Cause, Child, Life, OnDeath, State};
pub use guard::{GaveUp, spawn};
pub use host::{Body, Host};
pub use policy::{Decision, RestartPolicy};
pub use tree::{ChildSpec, Start, Tree};

impl ChildSpec {
    /// A loop over IO.
    pub fn host(name: &str, critical: bool, body: Body) -> Self {
        Self {
            name: name.to_owned(),
            critical,
            on_death: std::sync::Arc::new(|_, _| ()),
            on_give_up: std::sync::Arc::new(|| ()),
            start: std::sync::Arc::new(move |arbiter, life, gave_up| {
                let body = std::sync::Arc::clone(&body);
                drop(spawn(arbiter, life, move |life| Host::new(life, body), gave_up));
            }),
        }
    }
}
