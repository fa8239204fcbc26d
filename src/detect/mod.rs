//! Detectors: pure, each usable alone, none knows of the daemon.

pub mod attack;
pub mod novelty;
pub mod rates;
pub mod recent;
pub mod risk;
pub mod sigma;
