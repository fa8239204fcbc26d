//! Layer 3, Layer 4 and fusion, and what makes any of them an actor.

pub(crate) mod actor;
pub mod foresight;
pub(crate) mod fusion;
pub(crate) mod graph;
mod judgement;
pub(crate) mod l3;
pub(crate) mod l4;
pub(crate) mod message_pack;
mod meters;
pub mod pipeline;
mod reasons;
pub mod row;
pub(crate) mod rule_files;
pub(crate) mod rule_hits;
pub(crate) mod rules;
pub(crate) mod run;
pub(crate) mod severity;
pub(crate) mod shell;
pub mod silenced;
#[cfg(test)]
mod silenced_tests;
pub mod stage;
#[cfg(test)]
mod story_tests;
pub(crate) mod table;
#[cfg(test)]
pub(crate) mod testing;

/// SHRINK's name of the operator's risk that every SOC event shows.
pub(crate) const ACUTE_STRESS: &str = "risk_acute_stress";

pub(crate) use judgement::{
    campaign_summary, gathered, gathered_beyond, gathered_by_name, name, names_summary, one_line, over_summary, verdict,
};
pub(crate) use reasons::{CAMPAIGN, SOURCE_NOT_COUNTED, SOURCE_NOT_PROVEN, says};
