//! What the daemon's components share, and what each kind of them is given of it.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tokio::runtime::Handle;

use crate::bus::Bus;
use crate::commit::{self, Announcer, Progress};
use crate::config::{Config, CurrentConfig};
use crate::intake::{self, IntakeLog};
use crate::knowledge::loaded_rules::LoadedRules;
use crate::observe::history::History;
use crate::outlet::archive;
use crate::outlet::{self, CommittedLog};
use crate::server::{Board, Live, Server};
use crate::store::HotStore;

pub struct Core {
    pub bus: Arc<Bus>,
    pub store: HotStore,
    /// The log as sources see it.
    pub intake: Arc<IntakeLog>,
    /// The committed log as outlets see it.
    pub outlets: Arc<CommittedLog>,
    pub progress: Arc<Progress>,
    pub announcer: Arc<Announcer>,
    pub board: Arc<Board>,
    /// The last day of the daemon itself.
    pub history: Arc<History>,
    /// The HTTP server that runs.
    pub server: Mutex<Option<Server>>,
    pub config: CurrentConfig,
    /// What is looked for by it.
    pub rules: Arc<RwLock<Arc<LoadedRules>>>,
    /// As the daemon was started: a reload does not change it.
    pub is_power_durable: bool,
}

impl Core {
    pub fn config(&self) -> Arc<Config> {
        self.config.get()
    }

    pub fn rules(&self) -> Arc<LoadedRules> {
        Arc::clone(&self.rules.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn set_rules(&self, rules: Arc<LoadedRules>) {
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = rules;
    }

    /// For those who do not know this type.
    pub fn rules_getter(&self) -> Arc<dyn Fn() -> Option<Arc<LoadedRules>> + Send + Sync> {
        let current = Arc::clone(&self.rules);
        Arc::new(move || Some(Arc::clone(&current.read().unwrap_or_else(PoisonError::into_inner))))
    }

    pub fn for_sources(&self, io: &Handle) -> intake::Resources {
        intake::Resources { log: Arc::clone(&self.intake), config: self.config.getter(), io: io.clone() }
    }

    pub fn for_outlets(&self, io: &Handle) -> outlet::Resources {
        outlet::Resources { log: Arc::clone(&self.outlets), config: self.config.getter(), io: io.clone() }
    }

    pub fn for_writer(&self, io: &Handle) -> commit::Resources {
        commit::Resources {
            bus: Arc::clone(&self.bus),
            store: self.store.clone(),
            intake: Arc::clone(&self.intake),
            outlets: Arc::clone(&self.outlets),
            progress: Arc::clone(&self.progress),
            announcer: Arc::clone(&self.announcer),
            board: Arc::clone(&self.board),
            config: self.config.getter(),
            is_power_durable: self.is_power_durable,
            io: io.clone(),
        }
    }

    pub fn for_server(&self) -> Live {
        Live {
            bus: Arc::clone(&self.bus),
            store: self.store.clone(),
            intake: Arc::clone(&self.intake),
            outlets: Arc::clone(&self.outlets),
            board: Arc::clone(&self.board),
            history: Arc::clone(&self.history),
            config: self.config.getter(),
            needs: self.is_power_durable.then_some(archive::NAME),
            archive: archive::Reader::default(),
        }
    }
}
