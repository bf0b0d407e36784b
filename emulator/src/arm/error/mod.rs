//! The errors of this part of the control plane: those of all routes, and those of registries and deployments.

mod arm;
mod deployment;
mod registry;
mod sentence;

pub use self::arm::ArmError;
pub use self::deployment::DeploymentError;
pub use self::registry::Refusal;
