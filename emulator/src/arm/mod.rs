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
use http::Method;
use mock_keyvault::Gate;
use mock_keyvault::authority::host_of;
use mock_keyvault::control::{self, RequestError};
use mock_keyvault::vault::Caller;
use serde::Serialize;

pub use self::error::ArmError;

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
    caller: Caller,
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
    let client_request_id = control::client_request_id(&request);
    let mut response = answer(gate, &request).unwrap_or_else(ArmError::into_response);
    control::finish(&mut response, client_request_id);
    response
}

fn answer(gate: Gate, request: &Request) -> Result<Response, ArmError> {
    let path = request.uri().path();
    let target = Target::parse(path).ok_or_else(|| RequestError::nothing_at(path))?;
    if request.method() != Method::GET {
        return Err(RequestError::MethodNotAllowed(request.method().to_string()).into());
    }
    let host = host_of(request).unwrap_or("localhost");
    let context = || Context::of(gate, host, request);
    match target {
        // A client asks before it can have a token.
        Target::Metadata => metadata::get(host),
        Target::Tenants => context().map(|_| subscriptions::tenants()),
        Target::Subscriptions => Ok(subscriptions::list(&context()?)),
        Target::Subscription(id) => subscriptions::get(&context()?, &id),
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
    /// Who asks, by the token; then the version is asked for.
    fn of(gate: Gate, host: &str, request: &Request) -> Result<Self, ArmError> {
        let caller = gate.caller(host, request.headers())?;
        control::require_api_version(request.uri().query().unwrap_or_default())?;
        Ok(Self { gate, caller })
    }
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
