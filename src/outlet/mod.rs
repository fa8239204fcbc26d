//! Where events and log lines go. Each outlet knows how far the outside is and goes on from there.

pub mod flat_log;
