//! The control plane that `az` talks to, beside the resource providers of the vault.
//!
//! Called by the front of the Azure listener for the paths that [`serves`] takes. A request is parsed, its caller's token
//! and role are asked for, and the answer is rendered for the address that the client used. All that this folder does not
//! serve goes on to the vault: `Microsoft.KeyVault`, `Microsoft.Authorization`, and the refusal of what nobody serves.

mod error;
mod metadata;
mod subscriptions;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use mock_keyvault::authority::host_of;
use mock_keyvault::{Gate, GateCaller};
use serde::Serialize;
use url::form_urlencoded;
use uuid::Uuid;

pub use self::error::ArmError;

/// The name of a request in answers, of Azure and of the client's own choice.
const REQUEST_IDS: [HeaderName; 2] = [
    HeaderName::from_static("x-ms-request-id"),
    HeaderName::from_static("x-ms-correlation-request-id"),
];
const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-client-request-id");
/// Longer client request ids are not echoed.
const MAX_CLIENT_REQUEST_ID: usize = 128;

/// What a path names. Letter case does not matter, and slashes may be doubled or trail.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    /// What there is to know of this cloud before a sign-in.
    Metadata,
    Tenants,
    Subscriptions,
    Subscription(String),
}

/// What every handler needs to know.
struct Context {
    gate: Gate,
    caller: GateCaller,
}

/// Whether a path is one that this folder answers.
pub fn serves(path: &str) -> bool {
    Target::parse(path).is_some()
}

/// The routes, which say by `gate` who asks.
pub fn router(gate: Gate) -> Router {
    Router::new().fallback(dispatch).with_state(gate)
}

async fn dispatch(State(gate): State<Gate>, request: Request) -> Response {
    let client_request_id = request.headers().get(CLIENT_REQUEST_ID).cloned();
    let mut response = answer(gate, &request).unwrap_or_else(ArmError::into_response);
    let headers = response.headers_mut();
    for (name, value) in
        [(header::CACHE_CONTROL, "no-cache"), (header::PRAGMA, "no-cache"), (header::EXPIRES, "-1")]
    {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(id) = HeaderValue::from_str(&Uuid::new_v4().to_string()) {
        headers.extend(REQUEST_IDS.map(|name| (name, id.clone())));
    }
    if let Some(id) = client_request_id.filter(|id| id.len() <= MAX_CLIENT_REQUEST_ID) {
        headers.insert(CLIENT_REQUEST_ID, id);
    }
    response
}

fn answer(gate: Gate, request: &Request) -> Result<Response, ArmError> {
    let path = request.uri().path();
    let target = Target::parse(path).ok_or_else(|| ArmError::NotFound(path.to_owned()))?;
    let host = host_of(request).unwrap_or("localhost");
    if request.method() != Method::GET {
        return Err(ArmError::MethodNotAllowed(request.method().to_string()));
    }
    if target == Target::Metadata {
        // A client asks before it can have a token.
        return metadata::get(host);
    }
    let context = Context::of(gate, host, request.headers())?;
    if !has_api_version(request.uri().query().unwrap_or_default()) {
        return Err(ArmError::NoApiVersion);
    }
    match target {
        Target::Metadata => metadata::get(host),
        Target::Tenants => Ok(subscriptions::tenants()),
        Target::Subscriptions => subscriptions::list(&context),
        Target::Subscription(id) => subscriptions::get(&context, &id),
    }
}

impl Target {
    fn parse(path: &str) -> Option<Self> {
        let lower = path.to_ascii_lowercase();
        let segments: Vec<&str> = lower.split('/').filter(|segment| !segment.is_empty()).collect();
        match segments.as_slice() {
            ["metadata", "endpoints"] => Some(Self::Metadata),
            ["tenants"] => Some(Self::Tenants),
            ["subscriptions"] => Some(Self::Subscriptions),
            ["subscriptions", id] => Some(Self::Subscription((*id).to_owned())),
            _ => None,
        }
    }
}

impl Context {
    fn of(gate: Gate, host: &str, headers: &HeaderMap) -> Result<Self, ArmError> {
        let caller = gate.caller(host, headers)?;
        Ok(Self { gate, caller })
    }
}

/// Any version is served as the newest; none is refused, as Azure does.
fn has_api_version(query: &str) -> bool {
    form_urlencoded::parse(query.as_bytes())
        .any(|(name, value)| name.eq_ignore_ascii_case("api-version") && !value.is_empty())
}

fn json(body: impl Serialize) -> Response {
    axum::Json(body).into_response()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_are_read_in_any_case_and_what_is_the_vaults_is_left_to_it() {
        for path in ["/metadata/endpoints", "//Tenants/", "/SUBSCRIPTIONS", "/subscriptions/x"] {
            assert!(serves(path), "{path}");
        }
        for path in [
            "/",
            "/metadata/identity/oauth2/token",
            "/subscriptions/x/resources",
            "/subscriptions/x/providers/Microsoft.KeyVault/vaults",
            "/providers/Microsoft.Authorization/roleDefinitions",
        ] {
            assert!(!serves(path), "{path}");
        }
    }

    proptest! {
        #[test]
        fn no_path_panics(path in "\\PC{0,60}") {
            let _ = serves(&path);
        }
    }
}
