//! Azure's role-based access control: role definitions, role assignments, and decisions about access.
//!
//! Called by the vaults for their data plane, by the resource-provider routes for themselves, and by the emulator for its
//! control plane. It imports nothing of the vault, and knows only scopes, actions and principals. An assignment is on
//! disk before it applies. Groups, deny assignments, conditions and custom roles are not served.

pub mod action;
pub mod builtin;
pub mod scope;

mod access;
mod assignment;
mod error;
mod rows;

pub use access::{Assigned, Authorization};
pub use action::Action;
pub use assignment::{AssignmentQuery, NewRoleAssignment, PrincipalType, RoleAssignment};
pub use builtin::RoleDefinition;
pub use error::AuthorizationError;
pub use scope::{Scope, ScopeError};
