//! tmp
pub fn init(_: &crate::config::Log, _: &str) -> Result<(), String> { Ok(()) }
pub fn flush() {}
