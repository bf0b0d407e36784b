//! Operations that take longer than a request: `Azure-AsyncOperation` and `Location`, polled as Azure's are.
//!
//! Called by the dispatch for those who ask how far an operation is. Each has an intent, so it goes on after a restart, and
//! its URL answers then as before: the intent says that it is under way, and its outcome is kept after that.

use axum::response::Response;
use azure_emulator_core::identity::SUBSCRIPTION;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::json;
use uuid::Uuid;

use super::context::Context;
use super::error::ArmError;
use super::path::Target;
use super::{empty, json_with};
use crate::registry::{ManageError, Outcome};

/// Where a client asks how far an operation is.
const ASYNC_OPERATION: HeaderName = HeaderName::from_static("azure-asyncoperation");

/// The part of a path before the id of an operation whose result is asked for.
const RESULTS: &str = "operationResults";

/// How far an operation is, as `Azure-AsyncOperation` has it.
pub(super) async fn status(context: &Context, id: &str) -> Result<Response, ArmError> {
    let (id, ended) = find(context, id).await?;
    let (status, error) = match &ended {
        None => ("InProgress", None),
        Some(Ok(())) => ("Succeeded", None),
        Some(Err(error)) => ("Failed", Some(error)),
    };
    let mut body = json!({ "name": id, "status": status });
    if let Some(error) = error {
        body["error"] = error.clone();
    }
    let mut response = json_with(StatusCode::OK, &body);
    if ended.is_none() {
        retry_soon(&mut response);
    }
    Ok(response)
}

/// The result of an operation, as `Location` has it: 202 until it has ended. The client is told to ask here again. After
/// that it is the resource, if the operation has made or changed one.
pub(super) async fn result(
    context: &Context,
    id: &str,
    resource: Option<&str>,
) -> Result<Response, ArmError> {
    let (id, ended) = find(context, id).await?;
    match (ended, resource) {
        (None, resource) => {
            let mut response = empty(StatusCode::ACCEPTED);
            match resource {
                Some(resource) => locate_resource(context, &mut response, resource, id),
                None => locate(context, &mut response, id),
            }
            Ok(response)
        }
        (Some(Ok(())), Some(resource)) => {
            let (status, shown) = context.call(Method::GET, resource, None).await?;
            Ok(json_with(status, shown))
        }
        (Some(Ok(())), None) => Ok(empty(StatusCode::OK)),
        (Some(Err(error)), _) => Ok(json_with(StatusCode::CONFLICT, json!({ "error": error }))),
    }
}

/// The id of an operation, and how it ended if it has.
async fn find(context: &Context, text: &str) -> Result<(Uuid, Option<Outcome>), ArmError> {
    let unknown = || ArmError::NoOperation(text.chars().take(100).collect());
    let id: Uuid = text.parse().map_err(|_| unknown())?;
    if context.arm.polled.as_ref().is_some_and(|polled| polled.ask(id)) {
        return Ok((id, None));
    }
    let intents = context.arm.registries.intents();
    // In this order: an operation that ends between the two has its outcome.
    if intents.is_unfinished(id) {
        return Ok((id, None));
    }
    let outcome = intents.outcome(id).await.map_err(ManageError::from)?;
    Ok((id, Some(outcome.ok_or_else(unknown)?)))
}

/// Tells a client where it can ask how far an operation on this resource is, at the host that it used.
pub(super) fn follow(context: &Context, response: &mut Response, resource: &str, id: Uuid) {
    let url = context.url(&format!("{resource}/operationStatuses/{id}"));
    set(response, ASYNC_OPERATION, &url);
    retry_soon(response);
}

/// Tells a client where the result of an operation will be, at the host that it used.
pub(super) fn locate(context: &Context, response: &mut Response, id: Uuid) {
    let url = context.url(&format!("/subscriptions/{SUBSCRIPTION}/operationresults/{id}"));
    set(response, header::LOCATION, &url);
    retry_soon(response);
}

/// Tells a client where the resource will be that is made or changed, at the host that it used.
pub(super) fn locate_resource(
    context: &Context,
    response: &mut Response,
    resource: &str,
    id: Uuid,
) {
    let url = context.url(&format!("{resource}/{RESULTS}/{id}"));
    set(response, header::LOCATION, &url);
    retry_soon(response);
}

/// The resource whose operation a path of results names; none if it names only the operation.
pub(super) fn resource_of(path: &str) -> Option<&str> {
    let (before, _id) = path.trim_end_matches('/').rsplit_once('/')?;
    let (resource, results) = before.rsplit_once('/')?;
    let is_resource = resource.split('/').filter(|part| !part.is_empty()).count() > 2;
    // A result has no result: whoever asks for a resource would ask again and again for the next one in the path.
    let is_operation = matches!(
        Target::parse(resource),
        Ok(Target::OperationResult(_) | Target::OperationStatus(_))
    );
    (results.eq_ignore_ascii_case(RESULTS) && is_resource && !is_operation).then_some(resource)
}

/// In how many seconds it is worth asking again. Without it `az` waits for thirty.
pub(super) fn retry_soon(response: &mut Response) {
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
}

fn set(response: &mut Response, name: HeaderName, value: &str) {
    // A host that came in a header fits in a header.
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_results_names_its_resource_unless_that_is_a_result_itself() {
        let group = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/team");
        let of = |path: &str| resource_of(path).map(str::to_owned);

        assert_eq!(of(&format!("{group}/operationResults/1")), Some(group.clone()));
        assert_eq!(of(&format!("{group}/operationResults/1/operationResults/2")), None);
        assert_eq!(of(&format!("{group}/operationStatuses/1/operationResults/2")), None);
        assert_eq!(of(&format!("/subscriptions/{SUBSCRIPTION}/operationresults/1")), None);
    }
}
