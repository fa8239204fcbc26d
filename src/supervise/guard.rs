//! Runs one actor so that its panic or end is noticed and it is started again with its mailbox kept. What actix's own
//! supervisor does not do: it lets a panic drop the actor with its mail, and knows no backoff.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use actix::dev::channel;
use actix::{Actor, Addr, Arbiter, Context, Supervised};
use futures_util::FutureExt;

use super::child::{Cause, Child, TaskContext};
use super::policy::Decision;

/// Mail for an actor; only wake-ups and questions, so few are enough.
const MAILBOX: usize = 16;

/// Called when an actor is past its restart intensity.
pub type GaveUp = Arc<dyn Fn(&Child, &str) + Send + Sync>;

/// Starts the actor on an arbiter of its own.
pub fn spawn<A, Make>(arbiter: &Arbiter, task: TaskContext, make: Make, gave_up: GaveUp) -> Addr<A>
where
    A: Actor<Context = Context<A>> + Supervised,
    Make: FnOnce(TaskContext) -> A + Send + 'static,
{
    let (sender, receiver) = channel::channel(MAILBOX);
    let address = Addr::new(sender);
    // A mailbox that nobody can write to any more ends the actor and cannot be restarted: the guard keeps an address.
    let kept = address.clone();
    arbiter.spawn_fn(move || {
        actix::spawn(async move {
            let actor = make(task.clone());
            guard(Context::with_receiver(receiver), actor, task, gave_up).await;
            drop(kept);
        });
    });
    address
}

async fn guard<A>(context: Context<A>, actor: A, task: TaskContext, gave_up: GaveUp)
where
    A: Actor<Context = Context<A>> + Supervised,
{
    let child = Arc::clone(&task.child);
    let mut running = context.into_future(actor);
    child.set_up();
    loop {
        let end = AssertUnwindSafe(&mut running).catch_unwind().await;
        if task.is_superseded() {
            return;
        }
        if task.is_stopping() {
            child.set_stopped();
            return;
        }
        let (cause, reason) = match end {
            Ok(()) => {
                (Cause::Exit, child.take_reported_error().unwrap_or_else(|| "ended without being asked to".to_owned()))
            }
            Err(panic) => (Cause::Panic, panic_text(panic.as_ref())),
        };
        match child.failed(cause, &reason) {
            Decision::GiveUp => {
                gave_up(&child, &format!("{}: {reason}", cause.name()));
                return;
            }
            Decision::RestartAfter(delay) => {
                log::warn!(target: "dsmild", "actor {} ended ({}: {reason}); it starts again in {delay:?}", child.name, cause.name());
                tokio::select! {
                    () = task.stopped() => { child.set_stopped(); return; }
                    () = tokio::time::sleep(delay) => {}
                }
            }
        }
        if task.is_superseded() {
            return;
        }
        child.set_up();
        let restarted = std::panic::catch_unwind(AssertUnwindSafe(|| running.restart()));
        if !matches!(restarted, Ok(true)) {
            // Its address is gone, so nobody wants it, or its very start panics: the next poll says which.
            log::warn!(target: "dsmild", "actor {} could not be restarted in place", child.name);
        }
    }
}

/// The text of a panic, bounded and on one line.
fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panic without a message".to_owned());
    text.chars().take(300).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
