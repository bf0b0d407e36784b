//! The wire forms of all refusals of a vault, `{"error":{"code","message","innererror"}}`.
//!
//! Called by the routes. Messages are Azure's, to the letter where a recorded answer is known, since people search for them and
//! tests compare them. `api.rs` has the refusals of the HTTP interface, `vault.rs` those of the domain, each in one match.

mod api;
mod vault;
mod wire;

pub(crate) use self::api::ApiError;
pub(crate) use self::wire::{ErrorCode, JSON, WireError};
