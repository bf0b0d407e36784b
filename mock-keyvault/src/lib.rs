//! A local Azure Key Vault for keys: versions, soft delete, access policies, real tokens.
//!
//! [`MockKeyVault`] is a running vault: for tests, on any port, gone when it is dropped. The same vault is the program
//! `mock-keyvault`, and is embedded in the registry emulator. Clients speak the Key Vault REST protocol over TLS, with
//! tokens of its own issuer; official SDKs find the issuer by themselves.
//!
//! Modules that know nothing of vaults, and that the registry uses too: [`clock`], [`duration`], [`durable`], [`files`], [`identity`],
//! [`listen`], [`sealing`] and [`tls`].

pub mod authorization;
pub mod clock;
pub mod durable;
pub mod duration;
pub mod events;
pub mod files;
pub mod identity;
pub mod listen;
pub mod sealing;
pub mod tls;
pub mod vault;

mod api;
mod audit;
mod auth;
mod error;
mod guard;
mod host;
mod lines;
mod operation;
mod random;
mod router;
mod server;
mod store;

pub use audit::Call;
pub use operation::{OPERATIONS, Operation, Route};
pub use server::{Builder, MockKeyVault, StartError, Timekeeper};
pub use store::StoreError;
pub use vault::KeyReference;
pub use vault::error::VaultError;
pub use vault::policy::KeyPermission;
pub use vault::rsa::KeySize;
