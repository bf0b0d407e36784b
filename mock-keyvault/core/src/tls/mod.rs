//! TLS for local names: a certificate authority, created once in a folder, and leaf certificates, created on demand.
//!
//! Called by the vault and by the emulator for every TLS listener. Only the owner can read the file of the authority's key;
//! leaf keys are only in memory. A leaf names exactly the host that the client asked for, since some clients refuse
//! wildcards directly under a top-level name, such as `*.localhost`.
//!
//! Certificates use real time, never emulator time. This module knows nothing of vaults.

mod authority;
mod bundle;
mod error;
mod leaf;

pub use self::authority::LocalAuthority;
pub use self::bundle::{write_bundle, write_joined};
pub use self::error::TlsError;
