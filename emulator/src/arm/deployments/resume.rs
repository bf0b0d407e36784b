//! Resumes a deployment that a stop interrupted: plans it again from the same request, and deploys from its first
//! resource. Resources that exist already are put again unchanged.
//!
//! Its secure parameters are in the intent, which is sealed.

use mock_keyvault::Caller;
use serde::{Deserialize, Serialize};

use super::path::DeploymentPath;
use super::request::{self, Source};
use super::run;
use crate::arm::context::Context;
use crate::arm::error::ArmError;
use crate::arm::state::Arm;
use crate::registry::{Deployment, DeploymentState, Intent, Kind, ManageError};

/// The intent's step after which no more resources are made.
pub(super) const CANCELED: &str = "canceled";

/// The data that a deployment needs to continue.
#[derive(Serialize, Deserialize)]
struct DeploymentParameters {
    group: String,
    name: String,
    caller: Caller,
    /// The host for `environment()`.
    host: String,
    source: Source,
}

/// Records durably that a deployment begins.
pub(super) async fn begin(
    context: &Context,
    at: &DeploymentPath,
    source: Source,
) -> Result<Intent, ArmError> {
    let deploying = DeploymentParameters {
        group: at.group.to_string(),
        name: at.name.to_string(),
        caller: context.caller.clone(),
        host: context.host.clone(),
        source,
    };
    let begun = context.arm.registries.intents().begin(Kind::Deploy, &deploying).await;
    Ok(begun.map_err(ManageError::from)?)
}

/// Records durably that a deployment must stop before its next resource.
pub(super) async fn note_cancellation(
    context: &Context,
    at: &DeploymentPath,
) -> Result<(), ArmError> {
    let intents = context.arm.registries.intents();
    for (id, deploying) in intents.parameters::<DeploymentParameters>(Kind::Deploy) {
        if deploying.at().is_some_and(|own| own.id().eq_ignore_ascii_case(&at.id())) {
            intents.reach(id, CANCELED).await.map_err(ManageError::from)?;
        }
    }
    Ok(())
}

/// Marks the interrupted deployments as running, so that no other deployment of their names begins before they
/// continue.
pub(in crate::arm) fn hold(arm: &Arm) {
    for (_, deploying) in arm.registries.intents().parameters::<DeploymentParameters>(Kind::Deploy)
    {
        if let Some(at) = deploying.at() {
            arm.deployments.hold(&at.id());
        }
    }
}

/// Continues a deployment, or ends it if it cannot continue.
pub(in crate::arm) async fn resume(arm: &Arm, intent: Intent) {
    let deploying: DeploymentParameters = match intent.parameters() {
        Ok(deploying) => deploying,
        Err(error) => return intent.failed(&error),
    };
    let Some(at) = deploying.at() else { return intent.failed("its name cannot be read") };
    let DeploymentParameters { caller, host, source, .. } = deploying;
    let context = Context { arm: arm.clone(), caller, host };
    let outcome = match arm.registries.deployment(&at.group, &at.name).await {
        Ok(deployment) if deployment.state == DeploymentState::Running => {
            return continue_running(context, &at, source, deployment, intent).await;
        }
        // The deployment had ended; only the end of the operation was interrupted.
        Ok(deployment) if deployment.state == DeploymentState::Succeeded => Ok(()),
        Ok(deployment) => Err(deployment.report["properties"]["error"].clone()),
        Err(error @ (ManageError::NoDeployment(_) | ManageError::NoGroup(_))) => {
            Err(ArmError::from(error).report().await)
        }
        Err(error) => return intent.failed(&error),
    };
    drop(arm.deployments.resume(&at.id()));
    if let Err(error) = intent.conclude(&outcome).await {
        tracing::error!(%error, "cannot record the end of a deployment");
    }
}

/// Continues a deployment whose row says that it is running.
async fn continue_running(
    context: Context,
    at: &DeploymentPath,
    source: Source,
    deployment: Deployment,
    intent: Intent,
) {
    let running = context.arm.deployments.clone();
    if intent.step() == CANCELED {
        // It needs no plan, because no more resources are made.
        let guard = running.resume(&at.id());
        return run::cancel(&context, deployment, guard, intent).await;
    }
    match request::plan_again(&context, at, source).await {
        Ok(planned) => {
            let guard = running.resume(&at.id());
            run::run(context, planned.plan, deployment, guard, intent).await;
        }
        Err(error) => {
            let (status, report) = error.status_and_report().await;
            let message = report["message"].as_str().unwrap_or("no reason is given").to_owned();
            if status.is_server_error() {
                return intent.failed(&message);
            }
            // This program cannot deploy the template, and a retry would not change that.
            let guard = running.resume(&at.id());
            run::fail(&context, deployment, guard, intent, report).await;
        }
    }
}

impl DeploymentParameters {
    fn at(&self) -> Option<DeploymentPath> {
        Some(DeploymentPath { group: self.group.parse().ok()?, name: self.name.parse().ok()? })
    }
}
