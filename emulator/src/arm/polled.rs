//! Answers that clients must poll, as in Azure: `--arm-operations polled`.
//!
//! Called by the router for requests from outside. The request itself runs at once, and errors are answered at once;
//! only success is delayed. A change answers 201 and a deletion 202, and their operation is in progress until it was
//! polled twice or 30 seconds have passed on the emulator's clock. Until then the resource is shown as being
//! created. The success of the operation is stored before the answer, so that a restart ends the operation and loses
//! nothing.
//!
//! Azure decides which types are polled, in its REST specification (Azure/azure-rest-api-specs,
//! `x-ms-long-running-operation`): registries, their tokens and scope maps, the deletion of deployments, new vaults and
//! the purge of deleted ones. Azure answers at once for identities, groups and roles, and so does the emulator. The
//! deletion of groups and the deployment of templates are operations of their own in every mode.

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use azure_emulator_core::authority::host_of;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use mock_keyvault::control;
use serde_json::Value;
use uuid::Uuid;

use super::context::Context;
use super::error::ArmError;
use super::path::folded;
use super::reply::{empty, json_with};
use super::state::{Arm, PolledOperations, Polling};
use super::{conditions, operations, router};

/// Answers a request from outside.
pub(super) async fn respond(arm: &Arm, request: Request<Body>) -> Response {
    let Some(polled) = &arm.polled else { return conditions::respond(arm, request).await };
    let resource = folded(request.uri().path());
    if request.method() == Method::GET {
        let state = polled.displayed_state(&resource);
        let response = conditions::respond(arm, request).await;
        return match state {
            Some(state) => in_state(response, state).await,
            None => response,
        };
    }
    let Some(polling) = Polling::for_request(&request) else {
        return conditions::respond(arm, request).await;
    };
    let client_request_id = control::client_request_id(&request);
    let head = conditions::read_request(&request).map(drop);
    let look = conditions::read_request(&request);
    let is_polled = match polling {
        Polling::Change => true,
        // Only an existing resource can be deleted. A purged vault cannot be read under this path, but must exist.
        Polling::Deletion => {
            let look = router::respond(arm, look).await.status();
            look.is_success() || look == StatusCode::METHOD_NOT_ALLOWED
        }
        Polling::NewVault => {
            let look = router::respond(arm, look).await.status();
            look == StatusCode::NOT_FOUND
        }
    };
    let response = conditions::respond(arm, request).await;
    if !is_polled || !response.status().is_success() {
        return response;
    }
    let id = match arm.registries.intents().keep_success().await {
        Ok(id) => id,
        // The operation is done, whether clients can poll it or not.
        Err(error) => {
            tracing::warn!(%error, "cannot store the outcome of an operation for clients that poll");
            return response;
        }
    };
    match in_progress(arm, polled, polling, &head, resource, id, response).await {
        Ok(response) => response,
        Err(error) => {
            let mut response = error.into_response();
            control::finish(&mut response, client_request_id);
            response
        }
    }
}

/// Turns the answer of a finished operation into that of one in progress.
async fn in_progress(
    arm: &Arm,
    polled: &PolledOperations,
    polling: Polling,
    head: &Request<()>,
    resource: String,
    id: Uuid,
    response: Response,
) -> Result<Response, ArmError> {
    let host = host_of(head).unwrap_or("localhost");
    let context = Context::authenticate(arm, host, head.headers(), head.extensions(), head.uri())?;
    let state = polling.state(response.status());
    polled.begin(id, resource, state);
    let path = head.uri().path().trim_end_matches('/');
    match polling {
        Polling::NewVault => {
            let mut response = in_state(response, state).await;
            operations::add_retry_after(&mut response);
            Ok(response)
        }
        Polling::Change => {
            let mut response = in_state(response, state).await;
            *response.status_mut() = StatusCode::CREATED;
            operations::add_status_url(&context, &mut response, path, id);
            operations::add_resource_result_url(&context, &mut response, path, id);
            Ok(response)
        }
        Polling::Deletion => {
            let mut accepted = empty(StatusCode::ACCEPTED);
            *accepted.headers_mut() = response.headers().clone();
            accepted.headers_mut().remove(header::CONTENT_TYPE);
            accepted.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(0));
            operations::add_status_url(&context, &mut accepted, path, id);
            operations::add_result_url(&context, &mut accepted, id);
            Ok(accepted)
        }
    }
}

/// The same answer, with the resource shown in this state. An answer without a state is unchanged.
async fn in_state(response: Response, state: &'static str) -> Response {
    let (head, body) = response.into_parts();
    let bytes = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let mut document: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let shown = document.pointer_mut("/properties/provisioningState");
    let Some(shown) = shown.filter(|_| head.status.is_success()) else {
        return Response::from_parts(head, bytes.into());
    };
    *shown = state.into();
    let mut changed = json_with(head.status, &document);
    for (name, value) in &head.headers {
        // The tag is that of the real resource.
        if name != header::CONTENT_LENGTH && name != header::ETAG {
            changed.headers_mut().insert(name, value.clone());
        }
    }
    if state == Polling::NewVault.state(StatusCode::OK) {
        operations::add_retry_after(&mut changed);
    }
    changed
}
