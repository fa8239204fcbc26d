//! The daemon with a fault in any actor on request, for the check that runs it under systemd: `panic` or `freeze`,
//! written into the file `fault.ACTOR` in `$RUNTIME_DIRECTORY`, happens to that actor once. Arguments: those of `dsmild
//! run`.

#![allow(clippy::panic)] // that is what it is for

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use dsmild::daemon::{Hooks, run_with};
use dsmild::event::Event;
use dsmild::layer::stage::{Outbox, Stage, StageSpec, StateError};
use futures_util::FutureExt;

fn main() -> ExitCode {
    let path = std::env::args_os().nth(3).map(PathBuf::from);
    run_with(path.as_deref(), hooks())
}

fn strike(actor: &str) {
    let folder = std::env::var_os("RUNTIME_DIRECTORY").map(PathBuf::from).unwrap_or_default();
    let order = folder.join(format!("fault.{actor}"));
    let Ok(fault) = std::fs::read_to_string(&order) else { return };
    // Gone first: the next run of the actor must not meet it again.
    if std::fs::remove_file(&order).is_err() {
        return;
    }
    match fault.trim() {
        "freeze" => std::thread::sleep(Duration::MAX),
        fault => panic!("{fault} was asked for"),
    }
}

fn hooks() -> Hooks {
    Hooks {
        stage: Arc::new(|spec: StageSpec| {
            let (make, name) = (Arc::clone(&spec.make), spec.name);
            let make = Arc::new(move || Box::new(Faulty { inner: make(), name }) as Box<dyn Stage>);
            StageSpec { make, ..spec }
        }),
        task: Arc::new(|name, task| {
            let name = name.to_owned();
            Arc::new(move |context| {
                let (inner, name) = (task(context), name.clone());
                async move {
                    let faults = async {
                        loop {
                            strike(&name);
                            tokio::time::sleep(Duration::from_millis(50)).await; // between two looks
                        }
                    };
                    tokio::select! {
                        end = inner => end,
                        () = faults => Ok(()),
                    }
                }
                .boxed_local()
            })
        }),
    }
}

struct Faulty {
    inner: Box<dyn Stage>,
    name: &'static str,
}

impl Stage for Faulty {
    fn step(&mut self, event: &Event, out: &mut Outbox) {
        strike(self.name);
        self.inner.step(event, out);
    }

    fn save(&self) -> Result<Vec<u8>, StateError> {
        self.inner.save()
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        self.inner.load(bytes)
    }
}
