//! The shared state of the control plane, and its parts with rules of their own: the operations that clients poll, and
//! the running deployments.

mod arm;
mod polled_operations;
mod running_deployments;

pub(super) use self::arm::Arm;
pub(super) use self::polled_operations::{PolledOperations, Polling};
pub(super) use self::running_deployments::{Guard, RunningDeployments, RunningSnapshot};
