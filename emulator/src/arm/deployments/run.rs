//! A deployment under way: each resource in its turn, as if the caller had sent the request for it.
//!
//! A resource that fails is no end: those that do not wait for it are made all the same, as in Azure. What is made stays.

use futures::stream::{FuturesUnordered, StreamExt as _};
use http::{Method, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::super::context::Context;
use super::super::template::{Known, Need, Plan, Resource, Unready};
use super::board::Board;
use super::document::Step;
use super::running::Guard;
use crate::registry::{Deployment, DeploymentState, Intent};

/// How much may be looked up for the expressions of one resource.
const MAX_NEEDS: usize = 200;

/// The type of a registry.
const REGISTRY: &str = "Microsoft.ContainerRegistry/registries";

/// What stands for itself in a word of a path.
const WORD: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// How a deployment ended.
struct End {
    steps: Vec<Step>,
    /// What the expressions of the outputs came to.
    outputs: Option<Value>,
    /// Why not all of it is there.
    error: Option<(DeploymentState, Value)>,
}

/// Deploys, and keeps what became of it, which is the outcome of the operation.
pub(super) async fn run(
    context: Context,
    plan: Plan,
    deployment: Deployment,
    guard: Guard,
    intent: Intent,
) {
    let end = deploy(&context, &plan, &deployment, &guard, &intent).await;
    keep(&context, deployment, end, guard, intent).await;
}

/// Ends a deployment that was canceled before its next attempt.
pub(super) async fn cancel(
    context: &Context,
    deployment: Deployment,
    guard: Guard,
    intent: Intent,
) {
    let error = Some((DeploymentState::Canceled, canceled(&deployment)));
    let end = End { steps: Vec::new(), outputs: None, error };
    keep(context, deployment, end, guard, intent).await;
}

/// Ends a deployment that cannot go on.
pub(super) async fn give_up(
    context: &Context,
    deployment: Deployment,
    guard: Guard,
    intent: Intent,
    why: Value,
) {
    let end = End { steps: Vec::new(), outputs: None, error: Some((DeploymentState::Failed, why)) };
    keep(context, deployment, end, guard, intent).await;
}

/// Keeps what became of a deployment, which is the outcome of the operation.
async fn keep(
    context: &Context,
    mut deployment: Deployment,
    end: End,
    guard: Guard,
    intent: Intent,
) {
    let End { steps, outputs, error } = end;
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
    let outcome = error.map_or(Ok(()), |(_, error)| Err(error));
    let end = intent.end_as(&outcome);
    guard.ending();
    match context.arm.registries.end_deployment(&deployment, end).await {
        Ok(()) => {
            // From here on the row tells how it ended.
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
) -> End {
    let resources = plan.resources();
    let (mut board, mut running) = (Board::new(resources), FuturesUnordered::new());
    let mut is_replaced = intent.is_replaced();
    let is_canceled = loop {
        // Somebody has canceled it, or a reset goes on as soon as it has ended. What runs comes to its end.
        let is_stopped = guard.is_stopped() || is_replaced;
        while !is_stopped && let Some(at) = board.next() {
            running.push(async move { (at, make(context, plan, &resources[at]).await) });
        }
        let Some((at, step)) = running.next().await else {
            break is_stopped && board.next().is_some();
        };
        is_replaced |= intent.passed().await.is_err();
        if step.error.is_none() {
            board.made(at, step);
        } else {
            let may_wait = may_be_granted(&resources[at], &step);
            board.failed(at, step, may_wait);
        }
    };
    let steps = board.told();
    if is_canceled {
        let error = Some((DeploymentState::Canceled, canceled(deployment)));
        return End { steps, outputs: None, error };
    }
    let details: Vec<Value> = steps.iter().filter_map(|step| step.error.clone()).collect();
    if !details.is_empty() {
        let error = json!({
            "code": "DeploymentFailed",
            "target": deployment.id(),
            "message": "At least one resource deployment operation failed. Please list deployment operations for details. Please see https://aka.ms/arm-deployment-operations for usage details.",
            "details": details,
        });
        return End { steps, outputs: None, error: Some((DeploymentState::Failed, error)) };
    }
    match evaluated(context, |known| plan.outputs(known)).await {
        Ok(outputs) => End { steps, outputs: Some(outputs), error: None },
        Err(detail) => {
            let error = json!({
                "code": "DeploymentOutputEvaluationFailed",
                "target": deployment.id(),
                "message": "Unable to evaluate template outputs. Please see error details and deployment operations.",
                "details": [detail],
            });
            End { steps, outputs: None, error: Some((DeploymentState::Failed, error)) }
        }
    }
}

fn canceled(deployment: &Deployment) -> Value {
    json!({
        "code": "DeploymentCanceled",
        "target": deployment.id(),
        "message": "The deployment was canceled. What it had made before stays.",
    })
}

/// Makes one resource.
async fn make(context: &Context, plan: &Plan, resource: &Resource) -> Step {
    let clock = &context.arm.registries;
    let begun = clock.moment();
    let answered = async {
        let body = evaluated(context, |known| plan.body(resource, known));
        let body = body.await.map_err(|error| (StatusCode::BAD_REQUEST, error))?;
        asked(context, Method::PUT, &path_of(&resource.id), Some(&body)).await
    };
    let (status, error) = match answered.await {
        Ok((status, _)) => (status, None),
        Err((status, error)) => (status, Some(targeted(error, &resource.id))),
    };
    let (id, kind, name) = (resource.id.clone(), resource.kind.clone(), resource.name.clone());
    Step { id, kind, name, status, error, begun, ended: clock.moment() }
}

/// Whether a resource failed for a reason that another one of the template can end: a registry whose identity may not use its key.
fn may_be_granted(resource: &Resource, step: &Step) -> bool {
    resource.kind.eq_ignore_ascii_case(REGISTRY) && step.status == StatusCode::BAD_REQUEST
}

/// What expressions come to, once all is looked up that they need. The error is the `error` of a refusal.
async fn evaluated(
    context: &Context,
    evaluate: impl Fn(&Known) -> Result<Value, Unready>,
) -> Result<Value, Value> {
    // Nothing is known from before: what was looked up then may have been changed since, by this deployment.
    let mut known = Known::default();
    loop {
        let need = match evaluate(&known) {
            Ok(value) => return Ok(value),
            Err(Unready::Error(error)) => {
                return Err(json!({ "code": error.code(), "message": error.to_string() }));
            }
            Err(Unready::Needs(need)) if known.len() < MAX_NEEDS => need,
            Err(Unready::Needs(_)) => {
                return Err(json!({
                    "code": "InvalidTemplate",
                    "message": format!("The language expressions of one resource refer to more than {MAX_NEEDS} others."),
                }));
            }
        };
        let (_, value) = look_up(context, &need).await.map_err(|(_, error)| error)?;
        known.insert(need, value);
    }
}

async fn look_up(
    context: &Context,
    need: &Need,
) -> Result<(StatusCode, Value), (StatusCode, Value)> {
    match need {
        Need::Resource { id, .. } => asked(context, Method::GET, &path_of(id), None).await,
        Need::List { id, function, body, .. } => {
            let path = path_of(&format!("{id}/{function}"));
            // The evaluator has made it of a value.
            let body = body.as_deref().and_then(|body| serde_json::from_str(body).ok());
            asked(context, Method::POST, &path, body.as_ref()).await
        }
    }
}

/// What the control plane answers the caller, if that is no refusal.
async fn asked(
    context: &Context,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<(StatusCode, Value), (StatusCode, Value)> {
    match context.call(method, path, body).await {
        Ok((status, answer)) if status.is_success() => Ok((status, answer)),
        Ok((status, answer)) => Err((status, refused(status, answer))),
        Err(error) => Err((StatusCode::BAD_REQUEST, error.report().await)),
    }
}

/// The `error` of a refusal. One without has its status alone.
fn refused(status: StatusCode, answer: Value) -> Value {
    let words = status.canonical_reason().unwrap_or("refused");
    match answer {
        Value::Object(mut members) => members.remove("error").filter(Value::is_object),
        _ => None,
    }
    .unwrap_or_else(|| json!({ "code": words.replace(' ', ""), "message": words }))
}

/// An error that says of which resource it is.
fn targeted(mut error: Value, id: &str) -> Value {
    if let Some(members) = error.as_object_mut() {
        members.insert("target".to_owned(), id.into());
    }
    error
}

/// The path of an id: what names may have, paths may not.
fn path_of(id: &str) -> String {
    let words = id.split('/').map(|word| utf8_percent_encode(word, WORD).to_string());
    words.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_anything_in_it_is_one_word_of_a_path() {
        assert_eq!(path_of("/a/b c?d#e/%2f"), "/a/b%20c%3Fd%23e/%252f");
        assert_eq!(path_of("/subscriptions/s-1/M.N/x_y"), "/subscriptions/s-1/M.N/x_y");
    }

    #[test]
    fn what_is_refused_without_a_word_has_its_status() {
        let error = json!({"code": "A", "message": "b"});

        assert_eq!(refused(StatusCode::CONFLICT, json!({ "error": error.clone() })), error);
        assert_eq!(
            refused(StatusCode::NOT_FOUND, Value::Null),
            json!({"code": "NotFound", "message": "Not Found"})
        );
    }
}
