//! The control plane that `az` talks to.
//!
//! Called by the front of the Azure listener for every path that [`serves`] accepts. A request from outside passes
//! [`polled`] and [`conditions`] to the [`router`]. Deployments and deletions of groups make requests as well, in the name
//! of their caller; these go to the router directly. The router parses the path and calls the handler, which checks the
//! caller's token and role, makes one domain call, and renders the answer for the address that the client used.
//!
//! The router passes `Microsoft.KeyVault` and `Microsoft.Authorization` to the vault, as Azure passes a request to the
//! resource's provider, and also unknown paths, which the vault refuses.

mod body;
mod conditions;
mod context;
mod deployments;
mod error;
mod groups;
mod identities;
mod locations;
mod metadata;
mod operations;
mod path;
mod plane;
mod polled;
mod providers;
mod registries;
mod reply;
mod resource_type;
mod resources;
mod router;
mod state;
mod subscriptions;
pub(crate) mod template;
mod vaults;

pub use self::path::serves;
pub use self::plane::{ControlPlane, PlaneOptions};
