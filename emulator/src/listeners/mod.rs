//! Where clients connect, and which registry answers there.
//!
//! `serve.rs` opens the listeners. A `Host` that names a registry selects it, on every listener ([`names`]); where no
//! registry is named, the listener does ([`sites`]). All of them take plain HTTP and TLS
//! ([`tls`]). Every registry beside `local` has a port of its own ([`ports`]). Nothing here parses a path or touches content.

mod names;
mod ports;
mod sites;
mod tls;

pub(crate) use self::names::is_registry_name;
pub use self::ports::{Port, Ports};
pub(crate) use self::sites::{AzureFront, Site};
pub(crate) use self::tls::Certificates;
