//! The emulator from outside: real listeners on free ports, a folder for each test, the injected clock.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod acr_locks;
mod acr_metadata;
mod arm;
mod at_rest;
mod clock;
mod crash;
mod faults;
mod names;
mod push_pull;
mod refusal;
mod reset;
mod restart;
mod revocation;
mod revoke;
mod rotation;
mod routes;
mod structure;
mod support;
mod uploads;
