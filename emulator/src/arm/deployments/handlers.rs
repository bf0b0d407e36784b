//! The handlers of deployments.

use axum::body::Body;
use axum::response::Response;
use azure_emulator_core::listing::ListError;
use http::{Method, StatusCode};
use mock_keyvault::control::{self, RequestError};
use serde_json::{Value, json};

use super::path::{DeploymentPath, scope};
use super::request::{self, DeploymentRequest};
use super::{document, resume, run};
use crate::arm::context::Context;
use crate::arm::error::{ArmError, DeploymentError};
use crate::arm::operations;
use crate::arm::path::DeploymentPart;
use crate::arm::reply::{empty, json as answer_with, json_with};
use crate::arm::template::TemplateError;
use crate::registry::{ManageError, ResourceGroup};

const READ: &str = "Microsoft.Resources/deployments/read";
const WRITE: &str = "Microsoft.Resources/deployments/write";
const DELETE: &str = "Microsoft.Resources/deployments/delete";
const VALIDATE: &str = "Microsoft.Resources/deployments/validate/action";
const CANCEL: &str = "Microsoft.Resources/deployments/cancel/action";
const EXPORT: &str = "Microsoft.Resources/deployments/exportTemplate/action";
const WHAT_IF: &str = "Microsoft.Resources/deployments/whatIf/action";
const OPERATIONS: &str = "Microsoft.Resources/deployments/operations/read";

/// Answers a request for a deployment, or for one of its parts or actions.
pub(in crate::arm) async fn answer(
    context: &Context,
    group: ResourceGroup,
    name: &str,
    part: DeploymentPart,
    method: Method,
    body: Body,
) -> Result<Response, ArmError> {
    let at = DeploymentPath { group, name: name.parse()? };
    match (part, method) {
        (DeploymentPart::Whole, Method::PUT) => put(context, &at, body).await,
        (DeploymentPart::Whole, Method::GET) => get(context, &at).await,
        (DeploymentPart::Whole, Method::HEAD) => exists(context, &at).await,
        (DeploymentPart::Whole, Method::DELETE) => delete(context, &at).await,
        (DeploymentPart::Validate, Method::POST) => validate(context, &at, body).await,
        (DeploymentPart::Cancel, Method::POST) => cancel(context, &at).await,
        (DeploymentPart::Export, Method::POST) => export(context, &at).await,
        (DeploymentPart::Steps, Method::GET) => steps(context, &at).await,
        (DeploymentPart::Step(id), Method::GET) => step(context, &at, &id).await,
        (DeploymentPart::WhatIf, Method::POST) => what_if(context, &at).await,
        (_, method) => Err(RequestError::MethodNotAllowed(method.to_string()).into()),
    }
}

/// The error for a deployment to another scope than a resource group.
pub(in crate::arm) fn unsupported_scope() -> ArmError {
    unsupported("A deployment to a scope other than a resource group")
}

/// The deployments of a group, newest first.
pub(in crate::arm) async fn list(
    context: &Context,
    group: &ResourceGroup,
    query: &str,
) -> Result<Response, ArmError> {
    context.require(READ, &scope(&group.id())?)?;
    let terms = control::equalities(query).map_err(RequestError::from)?;
    if let Some((field, _)) = terms.iter().find(|(field, _)| field != "provisioningstate") {
        let reason = format!("Unsupported property found:'{field}'.");
        return Err(RequestError::from(ListError::filter(field, Some(reason))).into());
    }
    let running = context.arm.deployments.snapshot();
    let all = context.arm.registries.deployments(group).await?;
    let shown = all.iter().map(|one| document::render(one, &running)).filter(|shown| {
        let state = shown["properties"]["provisioningState"].as_str().unwrap_or_default();
        terms.iter().all(|(_, wanted)| wanted.eq_ignore_ascii_case(state))
    });
    Ok(answer_with(json!({ "value": shown.collect::<Vec<_>>() })))
}

/// Begins a deployment. It continues to its end even if the client disconnects.
async fn put(context: &Context, at: &DeploymentPath, body: Body) -> Result<Response, ArmError> {
    at.require(context, WRITE)?;
    let registries = &context.arm.registries;
    let DeploymentRequest { plan, template, deployment, source } =
        request::read(context, at, body).await?;
    let Some(guard) = context.arm.deployments.begin(&at.id()).await else {
        return Err(DeploymentError::Active(at.name.clone()).into());
    };
    // The intent is written before the row that says that the deployment is running.
    let intent = resume::begin(context, at, source).await?;
    let is_new = match registries.begin_deployment(&deployment, template.to_string()).await {
        Ok(is_new) => is_new,
        Err(error) => {
            intent.end().await.map_err(ManageError::from)?;
            return Err(error.into());
        }
    };
    if let Err(replaced) = intent.passed().await {
        // A reset removes the row with the group.
        intent.end().await.map_err(ManageError::from)?;
        return Err(ManageError::from(replaced).into());
    }
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    let running = context.arm.deployments.snapshot();
    let mut response = json_with(status, document::render(&deployment, &running));
    operations::add_status_url(context, &mut response, &at.id(), intent.id());
    tokio::spawn(run::run(context.clone(), plan, deployment, guard, intent));
    Ok(response)
}

async fn validate(
    context: &Context,
    at: &DeploymentPath,
    body: Body,
) -> Result<Response, ArmError> {
    at.require(context, VALIDATE)?;
    let request = request::read(context, at, body).await?;
    Ok(answer_with(document::render_validated(&request.deployment, &request.plan)))
}

async fn get(context: &Context, at: &DeploymentPath) -> Result<Response, ArmError> {
    at.require(context, READ)?;
    let running = context.arm.deployments.snapshot();
    Ok(answer_with(document::render(&at.found(context).await?, &running)))
}

/// Whether the deployment exists: 204, or 404 without a body.
async fn exists(context: &Context, at: &DeploymentPath) -> Result<Response, ArmError> {
    at.require(context, READ)?;
    match context.arm.registries.deployment(&at.group, &at.name).await {
        Ok(_) => Ok(empty(StatusCode::NO_CONTENT)),
        Err(ManageError::NoDeployment(_)) => Ok(empty(StatusCode::NOT_FOUND)),
        Err(error) => Err(error.into()),
    }
}

/// Deletes the record of a deployment that is not running. Its resources remain.
async fn delete(context: &Context, at: &DeploymentPath) -> Result<Response, ArmError> {
    at.require(context, DELETE)?;
    // The guard keeps a deployment of this name from beginning meanwhile.
    let Some(_lock) = context.arm.deployments.begin(&at.id()).await else {
        return Err(DeploymentError::Active(at.name.clone()).into());
    };
    context.arm.registries.delete_deployment(&at.group, &at.name).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

/// Stops a deployment before its next resource.
async fn cancel(context: &Context, at: &DeploymentPath) -> Result<Response, ArmError> {
    at.require(context, CANCEL)?;
    if context.arm.deployments.cancel(&at.id()) {
        resume::note_cancellation(context, at).await?;
        return Ok(empty(StatusCode::NO_CONTENT));
    }
    let running = context.arm.deployments.snapshot();
    let state = document::state(&at.found(context).await?, &running).as_str();
    Err(DeploymentError::Ended { name: at.name.clone(), state }.into())
}

/// Refuses what-if. The refusal has status 200, as Azure's has for an invalid template: clients fail on any other
/// status and do not show the message.
async fn what_if(context: &Context, at: &DeploymentPath) -> Result<Response, ArmError> {
    at.require(context, WHAT_IF)?;
    let error = unsupported("The what-if operation of a deployment ('whatIf')").report().await;
    Ok(answer_with(json!({ "status": "Failed", "error": error })))
}

/// The template as it was parsed.
async fn export(context: &Context, at: &DeploymentPath) -> Result<Response, ArmError> {
    at.require(context, EXPORT)?;
    let text = context.arm.registries.deployment_template(&at.group, &at.name).await?;
    let template: Value = serde_json::from_str(&text).unwrap_or_default();
    Ok(answer_with(json!({ "template": template })))
}

/// The results of a deployment, one for each resource.
async fn steps(context: &Context, at: &DeploymentPath) -> Result<Response, ArmError> {
    at.require(context, OPERATIONS)?;
    let found = at.found(context).await?;
    Ok(answer_with(json!({ "value": document::steps(&found) })))
}

async fn step(context: &Context, at: &DeploymentPath, id: &str) -> Result<Response, ArmError> {
    at.require(context, OPERATIONS)?;
    let found = at.found(context).await?;
    let step = document::steps(&found).into_iter().find(|step| step["operationId"] == *id);
    Ok(answer_with(step.ok_or_else(|| DeploymentError::NoStep(id.chars().take(100).collect()))?))
}

fn unsupported(what: &str) -> ArmError {
    DeploymentError::from(TemplateError::Unsupported(what.to_owned())).into()
}
