//! The control plane as a value: its construction, its routes, and its interrupted operations.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use futures::FutureExt as _;
use mock_keyvault::Gate;

use super::state::{Arm, PolledOperations, RunningDeployments};
use super::{deployments, groups, polled, router};
use crate::registry::{Intent, Kind, Registries};

/// Options of the control plane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlaneOptions {
    /// Whether clients must poll the operations that Azure makes them poll.
    pub polled: bool,
    /// Whether locations unknown to Azure are refused.
    pub strict: bool,
}

/// The control plane of an emulator. Clones share it.
#[derive(Clone)]
pub struct ControlPlane(Arm);

impl ControlPlane {
    /// `gate` authenticates callers and leads to the vault's own part. Interrupted deployments are marked as running
    /// again from here on.
    pub fn new(registries: Registries, gate: Gate, options: PlaneOptions) -> Self {
        let clock = registries.intents().clock().clone();
        let arm = Arm {
            strict: options.strict,
            polled: options.polled.then(|| Arc::new(PolledOperations::new(clock))),
            deployments: RunningDeployments::default(),
            describing: Arc::default(),
            deleting: Arc::default(),
            changing: Arc::default(),
            respond: |arm, request| async move { router::respond(&arm, request).await }.boxed(),
            registries,
            gate,
        };
        deployments::hold(&arm);
        Self(arm)
    }

    /// The lock that a slow change of a client holds.
    #[cfg(test)]
    pub(crate) async fn change_slowly(&self) -> tokio::sync::OwnedRwLockReadGuard<()> {
        Arc::clone(&self.0.changing).read_owned().await
    }

    /// The routes.
    pub fn router(&self) -> Router {
        Router::new().fallback(dispatch).with_state(self.0.clone())
    }

    /// Continues an interrupted operation. A failure is recorded, and the operation is retried.
    pub async fn resume(&self, intent: Intent) {
        match intent.kind() {
            Kind::DeleteGroup => groups::continue_deletion(&self.0, intent).await,
            Kind::Deploy => deployments::resume(&self.0, intent).await,
            _ => intent.failed("the control plane has no such operation"),
        }
    }
}

async fn dispatch(State(arm): State<Arm>, request: Request) -> Response {
    polled::respond(&arm, request).await
}
