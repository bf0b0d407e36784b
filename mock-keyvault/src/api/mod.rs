//! The keys API over HTTP: parses a request, calls the vault once, renders the answer.
//!
//! Called by the router after it has checked token and permission. Nothing is decided here.

mod backup;
mod body;
mod context;
mod crypto;
mod deleted;
mod jwk;
mod keys;
mod parameters;
mod query;
mod rotation;
mod router;
mod values;
mod wire;

pub(crate) use context::Context;
pub(crate) use query::Query;
pub(crate) use router::perform;
