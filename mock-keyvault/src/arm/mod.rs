//! The resource providers over HTTP: `Microsoft.KeyVault`, and the roles and role assignments of `Microsoft.Authorization`.
//!
//! Called by the router for requests that manage resources. A handler parses the request, checks the caller's role, makes one
//! domain call and renders the answer for the address that the client used. Every operation is complete when it is answered, so
//! clients never poll. Network rules of a vault do not apply here, so that a closed vault can be opened again.

mod assignments;
mod body;
mod context;
mod definitions;
mod deleted;
mod documents;
mod error;
mod parameters;
mod path;
mod policies;
mod resources;
mod respond;
mod roles;
mod router;
mod vaults;

pub(crate) use error::ArmError;
pub(crate) use resources::all as all_resources;
pub(crate) use respond::refusal;
pub(crate) use roles::{has_any_role, is_in_use, may, remove_roles, require};
pub(crate) use router::answer;
