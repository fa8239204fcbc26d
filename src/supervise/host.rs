//! The actor for what is one loop over IO: a source, an outlet, a poller. Its body is an async function.

use std::sync::Arc;

use actix::fut::future::ActorFutureExt;
use actix::{Actor, ActorContext, AsyncContext, Context, Supervised, WrapFuture};
use futures_util::future::LocalBoxFuture;

use super::Life;

/// Makes the loop anew for every life. It gives signs of life ([`Life::beat`], [`Life::wait`]) and ends when told to;
/// any other end counts as a failure, an error with its reason.
pub type Body = Arc<dyn Fn(Life) -> LocalBoxFuture<'static, Result<(), String>> + Send + Sync>;

pub struct Host {
    life: Life,
    body: Body,
}

impl Host {
    pub fn new(life: Life, body: Body) -> Self {
        Self { life, body }
    }
}

impl Actor for Host {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        let run = (self.body)(self.life.clone());
        context.spawn(run.into_actor(self).map(|end, actor, context| {
            if let Err(reason) = end {
                actor.life.complain(reason);
            }
            context.stop();
        }));
    }
}

impl Supervised for Host {}
