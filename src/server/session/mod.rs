//! Signing in once: a token gives a cookie and a key, which together are as good as the token until the session is over.

pub mod cookie;
pub mod handlers;
pub mod table;
