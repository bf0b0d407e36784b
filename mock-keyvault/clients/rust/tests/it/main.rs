//! Azure's Rust clients against a running `mock-keyvault`: every operation of the clients, with the challenge verified.
//!
//! `VAULT_URL`, `LOGIN_URL` and `VAULT_CA` name the vault, its issuer and its certificate. Names under `localhost` do not resolve
//! in every C library, so the transport uses the resolver [`support::Loopback`].

mod crypto;
mod keys;
mod refusals;
mod support;
