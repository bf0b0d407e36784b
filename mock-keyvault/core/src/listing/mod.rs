//! Lists of the control plane: selection by `$filter`, and pages.
//!
//! Called by the vault's resource providers and by those of an embedding program, so that one list can hold the resources
//! of both. A query is parsed, and refused if it is not valid, before any resource is looked up. This module knows nothing
//! of vaults, and does not check access: the caller passes only resources that the client may see.

mod error;
mod filter;
mod list;
mod page;
mod resource;

pub use self::error::ListError;
pub use self::filter::{ResourceFilter, TagFilter};
pub use self::list::ResourceList;
pub use self::page::Page;
pub use self::resource::Resource;
