//! The listeners for clients, and the selection of the registry that answers.
//!
//! `serve/` opens the listeners. A `Host` that names a registry selects it, on every listener ([`names`]); if no
//! registry is named, the listener selects it ([`registry_selector`]). All of them accept plain HTTP and TLS
//! ([`tls`]). Every registry except `local` has its own port ([`ports`]). Nothing here parses a path or reads content.

mod guard;
mod names;
mod ports;
mod registry_selector;
mod secrets;
mod tls;

pub use self::guard::Guard;
pub(crate) use self::guard::GuardRefusal;
pub use self::ports::{Ports, RegistryRoutes};
pub(crate) use self::registry_selector::{AzureRoutes, RegistrySelector};
pub use self::secrets::ADMIN_TOKEN_FILE;
pub(crate) use self::secrets::REGISTRY_PASSWORD_FILE;
pub(crate) use self::tls::Certificates;
