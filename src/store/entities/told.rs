//! Of which events incidents, proposals and silences tell.

use crate::event::stream::OPERATORS;
use crate::event::{Body, Event};

/// The device that reports incidents and what people do with them, and the one that proposes and says what became of it.
const REPORTERS: [u16; 2] = [52, 58];

/// A report or a change of an incident, a proposal or a step of one, a silence, or what a silence covers. The index
/// `idx_soc_about_told` has exactly these.
pub fn is_told_of(event: &Event) -> bool {
    let Body::Soc(soc) = &event.body else { return false };
    let producer = soc.producer();
    REPORTERS.contains(&producer) || producer == OPERATORS || soc.silence_id.is_some()
}
