//! Operations that take longer than a request: `Azure-AsyncOperation` and `Location`, polled as in Azure.
//!
//! Called by the router for clients that poll. Each operation has an intent, so it continues after a restart and its
//! URL still answers: the intent says that it is in progress, and its outcome is stored when it ends.

use axum::response::Response;
use azure_emulator_core::identity::SUBSCRIPTION;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::json;
use uuid::Uuid;

use super::context::Context;
use super::error::ArmError;
use super::path::Target;
use super::reply::{empty, json_with};
use crate::registry::{ManageError, Outcome};

/// The header with the URL of an operation's status.
const ASYNC_OPERATION: HeaderName = HeaderName::from_static("azure-asyncoperation");

/// The path segment before the id of an operation in the URL of its result.
const RESULTS: &str = "operationResults";

/// The status of an operation, in the form of `Azure-AsyncOperation`.
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
        add_retry_after(&mut response);
    }
    Ok(response)
}

/// The result of an operation, in the form of `Location`: 202 and the same URL until it has ended. After that, the
/// resource, if the operation made or changed one.
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
                Some(resource) => add_resource_result_url(context, &mut response, resource, id),
                None => add_result_url(context, &mut response, id),
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

/// The id of an operation, and its outcome if it has ended.
async fn find(context: &Context, text: &str) -> Result<(Uuid, Option<Outcome>), ArmError> {
    let unknown = || ArmError::NoOperation(text.chars().take(100).collect());
    let id: Uuid = text.parse().map_err(|_| unknown())?;
    if context.arm.polled.as_ref().is_some_and(|polled| polled.poll(id)) {
        return Ok((id, None));
    }
    let intents = context.arm.registries.intents();
    // This order matters: an operation that ends between the two reads has its outcome.
    if intents.is_unfinished(id) {
        return Ok((id, None));
    }
    let outcome = intents.outcome(id).await.map_err(ManageError::from)?;
    Ok((id, Some(outcome.ok_or_else(unknown)?)))
}

/// Adds the URL of the status of an operation on this resource, at the host that the client used.
pub(super) fn add_status_url(context: &Context, response: &mut Response, resource: &str, id: Uuid) {
    let url = context.url(&format!("{resource}/operationStatuses/{id}"));
    set(response, ASYNC_OPERATION, &url);
    add_retry_after(response);
}

/// Adds the URL of the result of an operation, at the host that the client used.
pub(super) fn add_result_url(context: &Context, response: &mut Response, id: Uuid) {
    let url = context.url(&format!("/subscriptions/{SUBSCRIPTION}/operationresults/{id}"));
    set(response, header::LOCATION, &url);
    add_retry_after(response);
}

/// Adds the URL of the new or changed resource, at the host that the client used.
pub(super) fn add_resource_result_url(
    context: &Context,
    response: &mut Response,
    resource: &str,
    id: Uuid,
) {
    let url = context.url(&format!("{resource}/{RESULTS}/{id}"));
    set(response, header::LOCATION, &url);
    add_retry_after(response);
}

/// The resource in a result path; `None` if the path names only the operation.
pub(super) fn resource_of(path: &str) -> Option<&str> {
    let (before, _id) = path.trim_end_matches('/').rsplit_once('/')?;
    let (resource, results) = before.rsplit_once('/')?;
    let is_resource = resource.split('/').filter(|part| !part.is_empty()).count() > 2;
    // A result has no result itself: otherwise a client would follow the next resource in the path again and again.
    let is_operation = matches!(
        Target::parse(resource),
        Ok(Target::OperationResult(_) | Target::OperationStatus(_))
    );
    (results.eq_ignore_ascii_case(RESULTS) && is_resource && !is_operation).then_some(resource)
}

/// Adds the seconds until the next poll. Without it `az` waits for thirty.
pub(super) fn add_retry_after(response: &mut Response) {
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
}

fn set(response: &mut Response, name: HeaderName, value: &str) {
    // A host from a request header fits in a response header.
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
