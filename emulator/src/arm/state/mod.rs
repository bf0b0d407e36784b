//! The shared state of the control plane, and its parts with rules of their own: the operations that clients poll, and
//! the running deployments.

mod arm;
mod polls;
mod running;

pub(super) use self::arm::Arm;
pub(super) use self::polls::{Polled, Polling};
pub(super) use self::running::{Guard, Running, UnderWay};
