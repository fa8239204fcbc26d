//! `/api/v1/entities`: everything about one user, address, machine, process, domain, file or hash.

pub mod handlers;
mod kind;
mod summary;
