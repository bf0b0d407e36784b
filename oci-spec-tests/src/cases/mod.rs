//! The cases: a check for each clause, with one file for each kind of action of a client.
//!
//! `list.rs` has the only list of them. A case has the name of its clause,
//! works in its own repository, and asserts only its clause: other requests are steps, and a failed step says that it is a step.

mod base;
mod content_types;
mod delete;
mod errors;
mod limits;
mod list;
mod manifests;
mod mount;
mod pull;
mod push_chunked;
mod push_monolithic;
mod ranges_and_conditions;
mod referrers;
mod tags;
mod upload_status_cancel;

pub use list::{CASES, Case, run_case};
