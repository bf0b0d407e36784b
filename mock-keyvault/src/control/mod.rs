//! The common parts of all answers of the control plane: the refusals of requests that name no resource, the form of an error,
//! and the headers.
//!
//! Called by the resource providers of the vault, and by an embedding program for the providers that it adds.
//!
//! This module does not know vaults or callers: see [`crate::Gate`].

pub(crate) mod filter;

mod answer;
mod parameters;
mod query;
mod request_error;

pub use answer::{client_request_id, finish, refusal};
pub use parameters::{equalities, require_api_version, subscription};
pub(crate) use query::Query;
pub use request_error::RequestError;
