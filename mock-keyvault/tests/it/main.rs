//! What a vault does on the wire, as a client sees it.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod admin;
mod any_token;
mod arm_errors;
mod arm_vaults;
mod at_rest;
mod audit;
mod auth;
mod backup;
mod bad_input;
mod crash;
mod deleted_vaults;
mod ec;
mod encrypt;
mod events;
mod faults;
mod handle;
mod hosts;
mod import;
mod jwk;
mod keys;
mod load;
mod managed_identity;
mod network;
mod policy;
mod principals;
mod program;
mod rbac;
mod readme;
mod restart;
mod rotation;
mod sign;
mod soft_delete;
mod support;
mod tokens;
mod wrap;
