//! The shared state of the control plane.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use futures::future::BoxFuture;
use mock_keyvault::Gate;
use tokio::sync::{Mutex, RwLock};

use super::polled_operations::PolledOperations;
use super::running_deployments::RunningDeployments;
use crate::arm::error::ArmError;
use crate::arm::locations;
use crate::registry::{Location, Registries};

/// Answers a request of any origin.
pub(in crate::arm) type Respond = fn(Arm, Request) -> BoxFuture<'static, Response>;

/// The shared state of the control plane. Clones share it.
#[derive(Clone)]
pub(in crate::arm) struct Arm {
    /// Answers the control plane's own requests, such as those of a deployment: the router, which lies above.
    pub(in crate::arm) respond: Respond,
    pub(in crate::arm) registries: Registries,
    pub(in crate::arm) gate: Gate,
    /// Whether locations unknown to Azure are refused.
    pub(in crate::arm) strict: bool,
    /// The polled operations; `None` if every operation is complete when it is answered.
    pub(in crate::arm) polled: Option<Arc<PolledOperations>>,
    pub(in crate::arm) deployments: RunningDeployments,
    /// Held while a description of a registry is applied, from reading its state to writing it.
    pub(in crate::arm) describing: Arc<Mutex<()>>,
    /// Held while the deletion of a group begins, so that two requests follow one operation.
    pub(in crate::arm) deleting: Arc<Mutex<()>>,
    /// Shared by all changes from outside, and exclusive for a change with a condition.
    pub(in crate::arm) changing: Arc<RwLock<()>>,
}

impl Arm {
    /// Refuses a location unknown to Azure, in strict parity. `kind` is the type of the new resource; `None` for a
    /// group.
    pub(in crate::arm) fn check_location(
        &self,
        requested: &Location,
        kind: Option<&'static str>,
    ) -> Result<(), ArmError> {
        if self.strict && !locations::is_known(requested) {
            return Err(ArmError::NoSuchLocation { requested: requested.clone(), kind });
        }
        Ok(())
    }
}
