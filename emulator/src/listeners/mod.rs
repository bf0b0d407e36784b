//! The listeners for clients, and the selection of the registry that answers.
//!
//! `serve.rs` opens the listeners. A `Host` that names a registry selects it, on every listener ([`names`]); if no
//! registry is named, the listener selects it ([`sites`]). All of them accept plain HTTP and TLS
//! ([`tls`]). Every registry except `local` has its own port ([`ports`]). Nothing here parses a path or reads content.

mod names;
mod ports;
mod sites;
mod tls;

pub(crate) use self::names::is_registry_name;
pub use self::ports::{Port, Ports};
pub(crate) use self::sites::{AzureFront, Site};
pub(crate) use self::tls::Certificates;
