//! Answers that a client has to poll, as it has to in Azure: with `--arm-operations polled`.
//!
//! Called by the dispatch for requests from outside. What is asked for is done at once, as ever, and what is refused is
//! refused at once; only the success is held back. A change answers 201 and a deletion 202, and their operation is under way
//! until it was asked for [`POLLS`] times or [`LASTS`] have passed on the emulator's clock. Until then the resource is shown as
//! being made. That the operation has succeeded is stored before it is answered, so that a restart ends it and forgets nothing.
//!
//! Which types are polled is Azure's choice, by its REST specification (Azure/azure-rest-api-specs,
//! `x-ms-long-running-operation`): registries, their tokens and scope maps, the deletion of deployments, new vaults and the
//! purge of deleted ones. Azure answers for identities, groups and roles at once, and here so too. Groups are deleted, and
//! templates deployed, in operations of their own, polled or not.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use azure_emulator_core::authority::host_of;
use azure_emulator_core::clock::{Clock, Deadline};
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use mock_keyvault::control;
use serde_json::Value;
use uuid::Uuid;

use super::context::Context;
use super::deployments::DeploymentPart;
use super::error::ArmError;
use super::path::Target;
use super::registries::RegistryPart;
use super::{Arm, conditions, empty, json_with, operations};

/// How often an operation is asked for until it has ended.
const POLLS: u32 = 2;
/// How long an operation is under way if nobody asks, on the emulator's clock.
const LASTS: Duration = Duration::from_secs(30);

/// The operations that are under way, by id, and the resources that they are about.
#[derive(Debug)]
pub(super) struct Polled {
    clock: Clock,
    under_way: Mutex<HashMap<Uuid, UnderWay>>,
}

#[derive(Debug)]
struct UnderWay {
    /// The path of the resource, folded.
    resource: String,
    /// What the resource is shown as.
    state: &'static str,
    polls_left: u32,
    ends: Deadline,
}

/// How Azure has a client poll for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// 201, with both headers. The resource is shown as being made.
    Change,
    /// 202, with both headers.
    Deletion,
    /// As ever, without headers: the client asks for the resource itself until it is there.
    NewVault,
}

impl Polled {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, under_way: Mutex::default() }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<Uuid, UnderWay>> {
        let mut entries = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|_, one| one.polls_left > 0 && !self.clock.has_passed(one.ends));
        entries
    }

    /// Whether an operation is under way still; that it was asked for counts.
    pub(super) fn ask(&self, id: Uuid) -> bool {
        let mut entries = self.entries();
        let Some(one) = entries.get_mut(&id) else { return false };
        one.polls_left -= 1;
        true
    }

    fn begin(&self, id: Uuid, resource: String, state: &'static str) {
        let ends = self.clock.deadline(LASTS);
        let mut entries = self.entries();
        // A newer operation on a resource is what is shown of it.
        entries.retain(|_, one| one.resource != resource);
        entries.insert(id, UnderWay { resource, state, polls_left: POLLS, ends });
    }

    /// What a resource is shown as, if that is not what it is. For a vault the look counts as a poll.
    fn shown_as(&self, resource: &str) -> Option<&'static str> {
        let mut entries = self.entries();
        let one = entries.values_mut().find(|one| one.resource == resource)?;
        if one.state == Way::NewVault.state(StatusCode::OK) {
            one.polls_left -= 1;
        }
        Some(one.state)
    }
}

impl Way {
    /// How a request is polled for; none where Azure answers at once.
    fn of<B>(request: &Request<B>) -> Option<Self> {
        let path = request.uri().path();
        let method = request.method();
        let is_change = [Method::PUT, Method::PATCH].contains(method);
        match Target::parse(path).ok()? {
            Target::Registry {
                part: RegistryPart::Whole | RegistryPart::ScopeMap(_) | RegistryPart::Token(_),
                ..
            } => match *method {
                Method::DELETE => Some(Self::Deletion),
                _ => is_change.then_some(Self::Change),
            },
            Target::Deployment { part: DeploymentPart::Whole, .. } => {
                (method == Method::DELETE).then_some(Self::Deletion)
            }
            Target::Vault => match *method {
                Method::PUT => is_vault(path).then_some(Self::NewVault),
                Method::POST => is_purge(path).then_some(Self::Deletion),
                _ => None,
            },
            _ => None,
        }
    }

    /// What the resource is shown as until the end. `status`: that of the answer at once.
    fn state(self, status: StatusCode) -> &'static str {
        match self {
            Self::Change if status == StatusCode::CREATED => "Creating",
            Self::Change => "Updating",
            Self::Deletion => "Deleting",
            Self::NewVault => "RegisteringDns",
        }
    }
}

/// The answer to a request from outside.
pub(super) async fn respond(arm: &Arm, request: Request<Body>) -> Response {
    let Some(polled) = &arm.polled else { return conditions::respond(arm, request).await };
    let resource = folded(request.uri().path());
    if request.method() == Method::GET {
        let state = polled.shown_as(&resource);
        let response = conditions::respond(arm, request).await;
        return match state {
            Some(state) => in_state(response, state).await,
            None => response,
        };
    }
    let Some(way) = Way::of(&request) else { return conditions::respond(arm, request).await };
    let client_request_id = control::client_request_id(&request);
    let head = conditions::look_at(&request).map(drop);
    let look = conditions::look_at(&request);
    let is_polled = match way {
        Way::Change => true,
        // Only what is there can be deleted. What is purged cannot be looked at under this path, and has to be there.
        Way::Deletion => {
            let look = super::respond(arm, look).await.status();
            look.is_success() || look == StatusCode::METHOD_NOT_ALLOWED
        }
        Way::NewVault => {
            let look = super::respond(arm, look).await.status();
            look == StatusCode::NOT_FOUND
        }
    };
    let response = conditions::respond(arm, request).await;
    if !is_polled || !response.status().is_success() {
        return response;
    }
    let id = match arm.registries.intents().keep_success().await {
        Ok(id) => id,
        // It is done, whether a client can poll for it or not.
        Err(error) => {
            tracing::warn!(%error, "the outcome of an operation could not be kept for clients that poll");
            return response;
        }
    };
    match held_back(arm, polled, way, &head, resource, id, response).await {
        Ok(response) => response,
        Err(error) => {
            let mut response = error.into_response();
            control::finish(&mut response, client_request_id);
            response
        }
    }
}

/// The answer of something that is done, as that of something that is under way.
async fn held_back(
    arm: &Arm,
    polled: &Polled,
    way: Way,
    head: &Request<()>,
    resource: String,
    id: Uuid,
    response: Response,
) -> Result<Response, ArmError> {
    let host = host_of(head).unwrap_or("localhost");
    let context = Context::of(arm, host, head.headers(), head.extensions(), head.uri())?;
    let state = way.state(response.status());
    polled.begin(id, resource, state);
    let path = head.uri().path().trim_end_matches('/');
    match way {
        Way::NewVault => {
            let mut response = in_state(response, state).await;
            operations::retry_soon(&mut response);
            Ok(response)
        }
        Way::Change => {
            let mut response = in_state(response, state).await;
            *response.status_mut() = StatusCode::CREATED;
            operations::follow(&context, &mut response, path, id);
            operations::locate_resource(&context, &mut response, path, id);
            Ok(response)
        }
        Way::Deletion => {
            let mut accepted = empty(StatusCode::ACCEPTED);
            *accepted.headers_mut() = response.headers().clone();
            accepted.headers_mut().remove(header::CONTENT_TYPE);
            accepted.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(0));
            operations::follow(&context, &mut accepted, path, id);
            operations::locate(&context, &mut accepted, id);
            Ok(accepted)
        }
    }
}

/// The same answer, with a resource that is shown in this state. An answer without a state stays as it is.
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
        // The tag is that of the resource as it is.
        if name != header::CONTENT_LENGTH && name != header::ETAG {
            changed.headers_mut().insert(name, value.clone());
        }
    }
    if state == Way::NewVault.state(StatusCode::OK) {
        operations::retry_soon(&mut changed);
    }
    changed
}

/// A path in one spelling.
fn folded(path: &str) -> String {
    let parts: Vec<String> =
        path.split('/').filter(|part| !part.is_empty()).map(str::to_ascii_lowercase).collect();
    parts.join("/")
}

/// Whether a path names a vault as a resource.
pub(super) fn is_vault(path: &str) -> bool {
    let path = folded(path);
    let parts: Vec<&str> = path.split('/').collect();
    matches!(
        parts.as_slice(),
        ["subscriptions", _, "resourcegroups", _, "providers", "microsoft.keyvault", "vaults", _]
    )
}

fn is_purge(path: &str) -> bool {
    let path = folded(path);
    let parts: Vec<&str> = path.split('/').collect();
    matches!(
        parts.as_slice(),
        [
            "subscriptions",
            _,
            "providers",
            "microsoft.keyvault",
            "locations",
            _,
            "deletedvaults",
            _,
            "purge"
        ]
    )
}
