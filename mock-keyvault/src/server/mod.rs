//! Starts a vault and keeps it running: [`MockKeyVault`], for tests, for the emulator, and for the `mock-keyvault` program.
//!
//! Opening blocks (disk, primes) and runs outside the async threads; the issuer's key is created in parallel. The server ends
//! when the handle is dropped; [`MockKeyVault::shutdown`] also waits for running requests.

mod builder;
mod change_notifier;
mod error;
mod faults;
mod gate;
mod handle;
mod keys;
mod manager;
mod open;
mod principals;
mod timekeeper;
mod vaults;

pub use builder::Builder;
pub use error::StartError;
pub use gate::{Gate, GateRefusal};
pub use handle::MockKeyVault;
pub use manager::{Manager, ManagerError};
pub use timekeeper::Timekeeper;
pub use vaults::RoleError;
