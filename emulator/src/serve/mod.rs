//! Starts an emulator: the folder, the vault, the registries, the listeners; and stops it.
//!
//! [`Sealyard`] is the handle that `main.rs`, the tests of this project and the tests of others hold.

mod builder;
mod error;
mod handle;
mod registries;
mod settings;
mod start;
mod storage;
mod temporary_folder;

pub use self::builder::Builder;
pub use self::error::StartError;
pub use self::handle::Sealyard;
pub(crate) use self::storage::start_vault;
