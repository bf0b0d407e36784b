//! Registries and identities as resources: their creation, change and deletion, and the set of open registries.
//!
//! `admin/` and `arm/` call the methods of [`Registries`]. Each operation has a file that extends this type. An operation
//! of several steps is an [`Intent`](super::Intent), so that the next start continues it.

mod change;
mod cmk;
mod creation;
mod creation_steps;
mod deletion;
mod deployments;
mod error;
mod groups;
mod identities;
mod identity_deletion;
mod new_registry;
mod opening;
mod registries;
mod reset;
mod resume;
mod rotation;
mod start;
mod system_identity;
mod update;
mod update_steps;

pub use self::change::Change;
pub(in crate::registry) use self::cmk::StoredRings;
pub use self::deployments::{Deployment, DeploymentState};
pub use self::error::ManageError;
pub use self::groups::Group;
pub use self::new_registry::{Encryption, NewRegistry};
pub use self::registries::Registries;
pub use self::rotation::KeyChange;
pub use self::update::Update;
