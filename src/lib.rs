//! dsmild turns logs and model outputs of one machine into fused security events.

#![forbid(unsafe_code)]

pub mod bus;
pub mod cli;
pub mod client;
pub mod config;
pub mod daemon;
pub mod detect;
pub mod device;
pub mod event;
pub mod intake;
pub mod layer;
pub mod limits;
pub mod observe;
pub mod outlet;
pub mod parse;
pub mod replay;
pub mod store;
pub mod supervise;
