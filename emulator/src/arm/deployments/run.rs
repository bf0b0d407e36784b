//! Runs a deployment: makes each resource in its turn, as if the caller had sent its request.
//!
//! A failed resource does not end the deployment: resources that do not depend on it are still made, as in Azure. Made
//! resources remain.

use futures::stream::{FuturesUnordered, StreamExt as _};
use http::{Method, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::document::Step;
use super::schedule::Schedule;
use crate::arm::context::Context;
use crate::arm::state::Guard;
use crate::arm::template::{Lookup, LookupResults, Plan, PlanError, Resource};
use crate::registry::{Deployment, DeploymentState, Intent};

/// The maximum number of lookups for the expressions of one resource.
const MAX_LOOKUPS: usize = 200;

/// The type of a registry.
const REGISTRY: &str = "Microsoft.ContainerRegistry/registries";

/// The characters that are escaped in a path segment.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// How a deployment ended.
struct Outcome {
    steps: Vec<Step>,
    /// The values of the outputs.
    outputs: Option<Value>,
    /// Why the deployment is incomplete.
    error: Option<(DeploymentState, Value)>,
}

/// Deploys, and stores the results as the outcome of the operation.
pub(super) async fn run(
    context: Context,
    plan: Plan,
    deployment: Deployment,
    guard: Guard,
    intent: Intent,
) {
    let outcome = deploy(&context, &plan, &deployment, &guard, &intent).await;
    store_outcome(&context, deployment, outcome, guard, intent).await;
}

/// Ends a deployment that was canceled before its next attempt.
pub(super) async fn cancel(
    context: &Context,
    deployment: Deployment,
    guard: Guard,
    intent: Intent,
) {
    let error = Some((DeploymentState::Canceled, canceled(&deployment)));
    let outcome = Outcome { steps: Vec::new(), outputs: None, error };
    store_outcome(context, deployment, outcome, guard, intent).await;
}

/// Ends a deployment that cannot continue.
pub(super) async fn fail(
    context: &Context,
    deployment: Deployment,
    guard: Guard,
    intent: Intent,
    why: Value,
) {
    let outcome =
        Outcome { steps: Vec::new(), outputs: None, error: Some((DeploymentState::Failed, why)) };
    store_outcome(context, deployment, outcome, guard, intent).await;
}

/// Stores the results of a deployment as the outcome of the operation.
async fn store_outcome(
    context: &Context,
    mut deployment: Deployment,
    outcome: Outcome,
    guard: Guard,
    intent: Intent,
) {
    let Outcome { steps, outputs, error } = outcome;
    let report = &mut deployment.report;
    let made = steps.iter().filter(|step| step.error.is_none());
    let made: Vec<Value> = made.map(|step| json!({ "id": step.id })).collect();
    report["operations"] = steps.iter().map(Step::document).collect();
    report["properties"]["outputResources"] = Value::Array(made);
    if let Some(outputs) = outputs {
        report["properties"]["outputs"] = outputs;
    }
    deployment.state = DeploymentState::Succeeded;
    if let Some((state, error)) = &error {
        deployment.state = *state;
        report["properties"]["error"] = error.clone();
    }
    deployment.ended = Some(context.arm.registries.moment());
    let result = error.map_or(Ok(()), |(_, error)| Err(error));
    let end = intent.end_as(&result);
    guard.ending();
    match context.arm.registries.end_deployment(&deployment, end).await {
        Ok(()) => {
            // From here on the row says how it ended.
            drop(guard);
            intent.ended().await;
        }
        Err(error) => {
            guard.keep();
            intent.failed(&error);
        }
    }
}

async fn deploy(
    context: &Context,
    plan: &Plan,
    deployment: &Deployment,
    guard: &Guard,
    intent: &Intent,
) -> Outcome {
    let resources = plan.resources();
    let (mut schedule, mut running) = (Schedule::new(resources), FuturesUnordered::new());
    let mut is_replaced = intent.is_replaced();
    let is_canceled = loop {
        // A client cancelled it, or a reset waits for its end. Resources in progress are still completed.
        let is_stopped = guard.is_stopped() || is_replaced;
        while !is_stopped && let Some(at) = schedule.next() {
            running.push(async move { (at, create(context, plan, &resources[at]).await) });
        }
        let Some((at, step)) = running.next().await else {
            break is_stopped && schedule.next().is_some();
        };
        is_replaced |= intent.passed().await.is_err();
        if step.error.is_none() {
            schedule.made(at, step);
        } else {
            let may_succeed = may_succeed_after_grant(&resources[at], &step);
            schedule.failed(at, step, may_succeed);
        }
    };
    let steps = schedule.reports();
    if is_canceled {
        let error = Some((DeploymentState::Canceled, canceled(deployment)));
        return Outcome { steps, outputs: None, error };
    }
    let details: Vec<Value> = steps.iter().filter_map(|step| step.error.clone()).collect();
    if !details.is_empty() {
        let error = json!({
            "code": "DeploymentFailed",
            "target": deployment.id(),
            "message": "At least one resource deployment operation failed. Please list deployment operations for details. Please see https://aka.ms/arm-deployment-operations for usage details.",
            "details": details,
        });
        return Outcome { steps, outputs: None, error: Some((DeploymentState::Failed, error)) };
    }
    match evaluate_with_lookups(context, |lookups| plan.outputs(lookups)).await {
        Ok(outputs) => Outcome { steps, outputs: Some(outputs), error: None },
        Err(detail) => {
            let error = json!({
                "code": "DeploymentOutputEvaluationFailed",
                "target": deployment.id(),
                "message": "Unable to evaluate template outputs. Please see error details and deployment operations.",
                "details": [detail],
            });
            Outcome { steps, outputs: None, error: Some((DeploymentState::Failed, error)) }
        }
    }
}

fn canceled(deployment: &Deployment) -> Value {
    json!({
        "code": "DeploymentCanceled",
        "target": deployment.id(),
        "message": "The deployment was canceled. Resources made before remain.",
    })
}

/// Makes one resource.
async fn create(context: &Context, plan: &Plan, resource: &Resource) -> Step {
    let clock = &context.arm.registries;
    let begun = clock.moment();
    let answered = async {
        let body = evaluate_with_lookups(context, |lookups| plan.body(resource, lookups));
        let body = body.await.map_err(|error| (StatusCode::BAD_REQUEST, error))?;
        send(context, Method::PUT, &path_of(&resource.id), Some(&body)).await
    };
    let (status, error) = match answered.await {
        Ok((status, _)) => (status, None),
        Err((status, error)) => (status, Some(with_target(error, &resource.id))),
    };
    let (id, kind, name) = (resource.id.clone(), resource.kind.clone(), resource.name.clone());
    Step { id, kind, name, status, error, begun, ended: clock.moment() }
}

/// Whether another resource of the template can fix a failure: a registry whose identity may not use its key.
fn may_succeed_after_grant(resource: &Resource, step: &Step) -> bool {
    resource.kind.eq_ignore_ascii_case(REGISTRY) && step.status == StatusCode::BAD_REQUEST
}

/// The values of expressions, after all their lookups. The error is the `error` of a refusal.
async fn evaluate_with_lookups(
    context: &Context,
    evaluate: impl Fn(&LookupResults) -> Result<Value, PlanError>,
) -> Result<Value, Value> {
    // Starts without earlier lookups, because this deployment may have changed those resources since.
    let mut lookups = LookupResults::default();
    loop {
        let lookup = match evaluate(&lookups) {
            Ok(value) => return Ok(value),
            Err(PlanError::Invalid(error)) => {
                return Err(json!({ "code": error.code(), "message": error.to_string() }));
            }
            Err(PlanError::NeedsLookup(lookup)) if lookups.len() < MAX_LOOKUPS => lookup,
            Err(PlanError::NeedsLookup(_)) => {
                return Err(json!({
                    "code": "InvalidTemplate",
                    "message": format!("The language expressions of one resource need more than {MAX_LOOKUPS} lookups."),
                }));
            }
        };
        let (_, value) = look_up(context, &lookup).await.map_err(|(_, error)| error)?;
        lookups.insert(lookup, value);
    }
}

async fn look_up(
    context: &Context,
    lookup: &Lookup,
) -> Result<(StatusCode, Value), (StatusCode, Value)> {
    match lookup {
        Lookup::Resource { id, .. } => send(context, Method::GET, &path_of(id), None).await,
        Lookup::List { id, function, body, .. } => {
            let path = path_of(&format!("{id}/{function}"));
            // The evaluator made this text from a value.
            let body = body.as_deref().and_then(|body| serde_json::from_str(body).ok());
            send(context, Method::POST, &path, body.as_ref()).await
        }
    }
}

/// Sends a request as the caller; a refusal is an error.
async fn send(
    context: &Context,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<(StatusCode, Value), (StatusCode, Value)> {
    match context.call(method, path, body).await {
        Ok((status, answer)) if status.is_success() => Ok((status, answer)),
        Ok((status, answer)) => Err((status, error_of(status, answer))),
        Err(error) => Err((StatusCode::BAD_REQUEST, error.report().await)),
    }
}

/// The `error` of a refusal. A refusal without one gets an error made from its status.
fn error_of(status: StatusCode, answer: Value) -> Value {
    let reason = status.canonical_reason().unwrap_or("refused");
    match answer {
        Value::Object(mut members) => members.remove("error").filter(Value::is_object),
        _ => None,
    }
    .unwrap_or_else(|| json!({ "code": reason.replace(' ', ""), "message": reason }))
}

/// Adds the resource to an error.
fn with_target(mut error: Value, id: &str) -> Value {
    if let Some(members) = error.as_object_mut() {
        members.insert("target".to_owned(), id.into());
    }
    error
}

/// The path of an id: names may contain characters that paths may not.
fn path_of(id: &str) -> String {
    let segments = id.split('/').map(|segment| utf8_percent_encode(segment, ESCAPED).to_string());
    segments.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_special_characters_is_one_path_segment() {
        assert_eq!(path_of("/a/b c?d#e/%2f"), "/a/b%20c%3Fd%23e/%252f");
        assert_eq!(path_of("/subscriptions/s-1/M.N/x_y"), "/subscriptions/s-1/M.N/x_y");
    }

    #[test]
    fn a_refusal_without_an_error_gets_one_from_its_status() {
        let error = json!({"code": "A", "message": "b"});

        assert_eq!(error_of(StatusCode::CONFLICT, json!({ "error": error.clone() })), error);
        assert_eq!(
            error_of(StatusCode::NOT_FOUND, Value::Null),
            json!({"code": "NotFound", "message": "Not Found"})
        );
    }
}
