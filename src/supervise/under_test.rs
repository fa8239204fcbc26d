//! A task's context in the hands of a test, which is its supervisor.

use std::sync::Arc;

use tokio::sync::watch;

use super::TaskContext;
use super::child::Child;
use crate::config::Supervisor;

#[derive(Clone)]
pub struct TestSupervisor {
    child: Arc<Child>,
    stop: watch::Sender<bool>,
}

impl TaskContext {
    pub fn under_test() -> (Self, TestSupervisor) {
        let child = Child::new("tested", false, &Supervisor::default(), Arc::new(|_, _| ()));
        let stop = watch::Sender::new(false);
        let context = Self { child: Arc::clone(&child), generation: child.supersede(), stop: stop.subscribe() };
        (context, TestSupervisor { child, stop })
    }
}

impl TestSupervisor {
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// As status sees it.
    pub fn child(&self) -> Arc<Child> {
        Arc::clone(&self.child)
    }

    /// Another task is to run in its place.
    pub fn replace(&self) {
        self.child.supersede();
    }
}
