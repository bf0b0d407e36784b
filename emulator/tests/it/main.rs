//! The emulator from outside: real listeners on free ports, a folder for each test, the injected clock.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod acr_locks;
mod acr_login;
mod acr_metadata;
mod arm;
mod arm_deployments;
mod arm_groups;
mod arm_registries;
mod arm_registry_logins;
mod arm_registry_refusals;
mod at_rest;
mod clock;
mod crash;
mod creation;
mod events;
mod faults;
mod identities;
#[cfg(target_os = "linux")]
mod memory;
mod names;
mod ports;
mod push_pull;
mod refusal;
mod registries;
mod reset;
mod restart;
mod revocation;
mod revoke;
mod rotation;
mod routes;
mod scale;
mod soak;
mod structure;
mod support;
mod task_runs;
mod update;
mod uploads;
