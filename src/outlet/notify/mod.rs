//! Tells people what happens: each `[[notify]]` of the configuration is an outlet with a name of its own.
//!
//! What is told follows from the log alone ([`teller`]): messages that are not taken yet wait in a queue beside what is known of
//! each case, and both are saved together in the hot store with the place in the log that they belong to. After `kill -9` the log
//! is read again from there, and the same messages come of it: none is missing, and one that was in flight comes again with the
//! same key, by which the other side can tell it. Nothing waits for a notifier, and the hot store keeps nothing for it.

mod answer;
mod case;
mod check;
mod command;
mod config;
mod email;
mod examples;
mod keeper;
mod message;
mod outlet;
mod queue;
mod quiet;
mod rate;
mod rules;
mod secret;
mod state;
mod teller;
mod template;
mod trial;
mod way;
mod webhook;

pub use check::check;
pub use config::Notify;
pub use outlet::Notifier;
pub use trial::{findings, trial};

#[cfg(test)]
mod template_tests;
