//! Azure's Rust clients against a running `mock-keyvault`: every operation that they have, with the challenge verified.
//!
//! `VAULT_URL`, `LOGIN_URL` and `VAULT_CA` say where the vault, its issuer and its certificate are. Names under `localhost`
//! do not resolve in every C library: [`support::Loopback`] is the resolver that the transport is given.

mod crypto;
mod keys;
mod refusals;
mod support;
