//! Lists of the control plane: which resources a `$filter` selects, and in which pages they are answered.
//!
//! Called by the vault's resource providers and by those of an embedding program, so that one list can hold what both have.
//! What a query asks for is read and refused before anything is looked up. This module knows nothing of vaults, and not who
//! asks: the caller hands over what may be seen.

mod error;
mod filter;
mod page;
mod resource;

pub use self::error::ListError;
pub use self::filter::{ResourceFilter, TagFilter};
pub use self::page::Page;
pub use self::resource::{Resource, ResourceList};
