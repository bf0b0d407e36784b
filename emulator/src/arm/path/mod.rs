//! Parses the paths of the control plane, without any lookup: letter case is ignored, slashes may be doubled or trail,
//! names may be percent-encoded. Names are checked where they are used, so that each has its own error.

mod deployment;
mod registry;
mod target;
mod vault;

pub(super) use self::deployment::DeploymentPart;
#[cfg(test)]
pub(super) use self::registry::UNSUPPORTED_SEGMENTS;
pub(super) use self::registry::{Action, RegistryPart, UnsupportedFeature};
pub use self::target::serves;
pub(super) use self::target::{Target, parent_group};
pub(super) use self::vault::{folded, is_purge, is_vault};
