//! The lifecycle of vaults: create, change, delete, recover, purge.
//!
//! Called by the resource-provider routes and by the fixture's handle, which have checked that the caller may. A change is checked
//! completely before any of it is stored, and is on disk before it is returned. A deleted vault keeps its name, its keys and its
//! access policies until it is recovered or purged; its role assignments are removed by the deletion, as in Azure.

mod changes;
mod deleted;
mod error;
mod live;
mod policies;

pub use changes::VaultChanges;
pub use error::VaultChangeError;
pub(crate) use live::{Mode, NameState, PutOutcome, VaultView};
pub(crate) use policies::PolicyChange;
