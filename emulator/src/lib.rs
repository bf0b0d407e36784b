//! A local emulator of Azure Container Registry with customer-managed keys.
//!
//! [`Sealyard`] is a running emulator: the registry, its embedded mock Key Vault, and the clock of both. Tests of a
//! program that pushes to a registry, or that must survive the revocation of its key, start one on free ports:
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let emulator = sealyard::Sealyard::builder().ephemeral().start().await?;
//! println!("docker push {}/app:1", emulator.registry_address());
//! // Returns when the registry has seen it: the next pull is refused.
//! emulator.set_key_enabled("local", false).await?;
//! # Ok(())
//! # }
//! ```
//!
//! The folders in the order in which a request meets them: [`oci`], [`acr`] and [`admin`] parse and render, [`registry`]
//! makes the decisions, [`keys`] permits or refuses access to content, the crate `sealed-envelope` is the file format,
//! [`store`] keeps the data. `ARCHITECTURE.md` has the map and the invariants.
//!
//! Tokens are signed and verified through `jsonwebtoken`, which has one provider of cryptography for the whole process. If
//! the program has installed none, one with only HS256 and RS256 is installed: a program that uses `jsonwebtoken` with other
//! algorithms calls `install_default` on its own provider first.

pub mod acr;
pub mod admin;
pub mod app;
pub mod arm;
mod changes;
#[cfg(feature = "command-line")]
pub mod cli;
pub mod config;
pub mod diagnosis;
pub mod directory;
mod duration;
pub mod endpoints;
pub mod faults;
pub mod holder;
pub mod inflight;
pub mod keys;
pub mod listeners;
mod names;
pub mod oci;
pub mod password;
pub mod platform;
pub mod registry;
pub mod repair;
pub mod reset;
pub mod resume;
pub mod revocation;
mod routes;
pub mod running;
pub mod scheduler;
pub mod serve;
pub mod state_watch;
pub mod store;
pub mod vault;

pub use self::serve::{Builder, Sealyard, StartError};

/// Chooses the implementation of TLS for this process, if none is chosen yet.
pub fn install_crypto_provider() {
    // An error says that one was chosen already, by this crate or by the program that embeds it.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
