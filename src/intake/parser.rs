//! What the sources parse their lines with. A reload may change it while they read; an event keeps the parser that it was
//! made with.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use crate::parse::{Parser, built_in};

static CURRENT: LazyLock<RwLock<Arc<Parser>>> = LazyLock::new(|| RwLock::new(built_in()));

pub fn current() -> Arc<Parser> {
    Arc::clone(&CURRENT.read().unwrap_or_else(PoisonError::into_inner))
}

/// Lines that are read from now on are parsed with this.
pub fn set(parser: Arc<Parser>) {
    *CURRENT.write().unwrap_or_else(PoisonError::into_inner) = parser;
}

static IS_ASKED: AtomicBool = AtomicBool::new(true);

/// Whether a stage will ask what lines mean. Where none does, a source leaves that to whoever asks once.
pub fn is_asked() -> bool {
    IS_ASKED.load(Ordering::Relaxed)
}

/// See [`is_asked`].
pub fn set_asked(is_asked: bool) {
    IS_ASKED.store(is_asked, Ordering::Relaxed);
}
