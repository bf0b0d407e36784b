//! Resource groups, `Microsoft.Resources/resourceGroups`, and the checks that every resource needs of its group.
//!
//! Called by the router.

mod deletion;
mod group;
mod handlers;
mod parent;

pub(super) use self::deletion::continue_deletion;
pub(super) use self::group::document;
pub(super) use self::handlers::{delete, exists, get, list, patch, put};
pub(super) use self::parent::require_parent;
