//! What takes new values of the configuration over while it runs.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use super::core::Core;
use crate::observe::log as journal;

/// The level of the daemon's own log.
pub fn log(core: &Arc<Core>) -> LocalBoxFuture<'static, Result<(), String>> {
    let config = core.config();
    let done = journal::reconfigure(&config.log, &config.daemon.instance).map_err(|error| error.to_string());
    std::future::ready(done).boxed_local()
}

/// Size and retention of the hot store.
pub fn store(core: &Arc<Core>) -> LocalBoxFuture<'static, Result<(), String>> {
    let core = Arc::clone(core);
    async move {
        core.store.reconfigure(&core.config().store).await.map_err(|error| error.to_string())?;
        core.bus.fit_to_store(core.store.max_bytes());
        Ok(())
    }
    .boxed_local()
}
