//! Silences: those of the configuration and those that people have made, what they cover, and how people make and end them.

mod asked;
pub mod book;
pub mod handlers;
pub mod heard;
mod view;
