//! The properties of registries and identities as resources, and the platform that they need.
//!
//! These are types with their rules; `manage/` creates, changes and deletes the resources. Content is not here.

mod deployment_name;
mod identity;
mod identity_ref;
mod platform;
mod profile;
mod properties;

pub use self::deployment_name::DeploymentName;
pub use self::identity::{AssignedIdentity, Identity, IdentityOf, Principal};
pub use self::identity_ref::{IdentityRef, IdentityResource};
pub(in crate::registry) use self::platform::{CurrentProfile, RegistryVaults, not_assigned};
pub use self::platform::{Platform, PlatformError};
pub use self::profile::{Author, FormerIdentity, Profile};
pub use self::properties::{Location, ResourceError, ResourceGroup, Sku, Tags};
