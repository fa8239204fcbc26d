//! The configuration that holds now.

use std::sync::{Arc, PoisonError, RwLock};

use super::Config;

/// The configuration as it is now; a reload changes it.
#[derive(Clone)]
pub struct CurrentConfig(Arc<RwLock<Arc<Config>>>);

impl CurrentConfig {
    pub fn new(config: Config) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(config))))
    }

    pub fn get(&self) -> Arc<Config> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn set(&self, config: Config) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }

    /// For those who do not know this type.
    pub fn getter(&self) -> Arc<dyn Fn() -> Arc<Config> + Send + Sync> {
        let current = self.clone();
        Arc::new(move || current.get())
    }
}
