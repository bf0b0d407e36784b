//! Answers that clients must poll, as in Azure: `--arm-operations polled`.
//!
//! Called by the dispatch for requests from outside. The request itself runs at once, and errors are answered at once;
//! only success is delayed. A change answers 201 and a deletion 202, and their operation is in progress until it was
//! polled [`POLLS`] times or [`LASTS`] has passed on the emulator's clock. Until then the resource is shown as being
//! created. The success of the operation is stored before the answer, so that a restart ends the operation and loses
//! nothing.
//!
//! Azure decides which types are polled, in its REST specification (Azure/azure-rest-api-specs,
//! `x-ms-long-running-operation`): registries, their tokens and scope maps, the deletion of deployments, new vaults and
//! the purge of deleted ones. Azure answers at once for identities, groups and roles, and so does the emulator. The
//! deletion of groups and the deployment of templates are operations of their own in every mode.

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

/// The number of polls until an operation has ended.
const POLLS: u32 = 2;
/// How long an operation is in progress without polls, on the emulator's clock.
const LASTS: Duration = Duration::from_secs(30);

/// The operations in progress, by id, and their resources.
#[derive(Debug)]
pub(super) struct Polled {
    clock: Clock,
    under_way: Mutex<HashMap<Uuid, UnderWay>>,
}

#[derive(Debug)]
struct UnderWay {
    /// The path of the resource, in one spelling.
    resource: String,
    /// The state that the resource is shown with.
    state: &'static str,
    polls_left: u32,
    ends: Deadline,
}

/// How Azure makes a client poll for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// 201, with both headers. The resource is shown as being created.
    Change,
    /// 202, with both headers.
    Deletion,
    /// The usual answer, without headers: the client requests the resource itself until it exists.
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

    /// Counts a poll and returns whether the operation is still in progress.
    pub(super) fn ask(&self, id: Uuid) -> bool {
        let mut entries = self.entries();
        let Some(one) = entries.get_mut(&id) else { return false };
        one.polls_left -= 1;
        true
    }

    fn begin(&self, id: Uuid, resource: String, state: &'static str) {
        let ends = self.clock.deadline(LASTS);
        let mut entries = self.entries();
        // A newer operation on the same resource replaces the older one.
        entries.retain(|_, one| one.resource != resource);
        entries.insert(id, UnderWay { resource, state, polls_left: POLLS, ends });
    }

    /// The state that a resource is shown with, if it differs from its own. For a vault, each read counts as a poll.
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
    /// How a request is polled; `None` if Azure answers it at once.
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

    /// The state that the resource is shown with until the end. `status` is that of the immediate answer.
    fn state(self, status: StatusCode) -> &'static str {
        match self {
            Self::Change if status == StatusCode::CREATED => "Creating",
            Self::Change => "Updating",
            Self::Deletion => "Deleting",
            Self::NewVault => "RegisteringDns",
        }
    }
}

/// Answers a request from outside.
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
        // Only an existing resource can be deleted. A purged vault cannot be read under this path, but must exist.
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
        // The operation is done, whether clients can poll it or not.
        Err(error) => {
            tracing::warn!(%error, "cannot store the outcome of an operation for clients that poll");
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

/// Turns the answer of a finished operation into that of one in progress.
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
