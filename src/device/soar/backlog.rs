//! The SOC event that says that proposals wait for room, or had to be left out.

use super::proposal::NUMBER;
use crate::device::common::Finding;
use crate::event::{Category, Soc};

pub fn backlog(waiting: usize, left_out: u64, per_hour: u64) -> Soc {
    let summary = format!(
        "{waiting} proposals wait for room and {left_out} were left out: the limit is {per_hour} an hour, the most severe come first"
    );
    let finding = Finding {
        flag: "PROPOSALS_WAIT",
        score: 0.6,
        summary,
        reasons: vec![format!("waiting:{waiting}"), format!("left-out:{left_out}")],
        ..Finding::default()
    };
    finding.into_soc(NUMBER, Category::System, "")
}
