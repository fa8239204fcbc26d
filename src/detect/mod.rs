//! Detectors: pure, each usable alone, none knows of the daemon.

pub mod freshness;
