//! The properties of registries and identities as resources, and the platform that they need.
//!
//! These are types with their rules; `manage/` creates, changes and deletes the resources. Content is not here.

mod deployment_name;
mod identity;
mod platform;
mod profile;
mod properties;

pub use self::deployment_name::DeploymentName;
pub use self::identity::{AssignedIdentity, Identity, IdentityOf, Principal};
pub(in crate::registry) use self::platform::{CurrentProfile, RegistryVaults, not_assigned};
pub use self::platform::{Platform, PlatformError};
pub use self::profile::{Author, FORMER_IDENTITY_WORKS, FormerIdentity, Profile};
pub use self::properties::{
    IdentityRef, IdentityResource, Location, ResourceError, ResourceGroup, Sku, Tags,
};
