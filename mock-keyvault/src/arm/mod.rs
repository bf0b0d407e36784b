//! The resource providers over HTTP: `Microsoft.KeyVault`, and the roles and role assignments of `Microsoft.Authorization`.
//!
//! Called by the router for requests that manage resources. A handler parses the request, checks the caller's role, makes one
//! domain call and renders the answer for the address that the client used. Every operation is complete when it is answered, so
//! clients never poll. Network rules of a vault do not apply here, so that a closed vault can be opened again.

mod assignments;
mod body;
mod definitions;
mod deleted;
mod error;
pub(crate) mod filter;
mod path;
mod policies;
mod query;
mod resources;
mod vaults;
mod wire;

use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, Request, StatusCode};
use serde::Serialize;

use crate::auth;
use crate::control::{self, RequestError};
use crate::error::JSON;
use crate::host::Site;
use crate::model::Caller;
use crate::model::settings::LOCAL_SUBSCRIPTION;
use crate::router::App;
use crate::server::Accepted;
use crate::vault::Vaults;
use crate::vault::lifecycle::VaultChangeError;
use azure_emulator_core::authorization::{Action, AssignmentQuery, Scope};
use azure_emulator_core::identity::TENANT;

pub(crate) use error::ArmError;
use path::Target;
pub(crate) use query::Query;
pub(crate) use resources::all as all_resources;

/// The request's facts that every handler needs.
struct Context {
    vaults: Arc<Vaults>,
    site: Site,
    caller: Caller,
    query: Query,
    /// Whether a new vault uses access policies even if it asks for roles.
    legacy_access_policies: bool,
}

/// Answers a request to the resource providers.
pub(crate) async fn answer(app: &App, site: &Site, request: Request<Body>) -> Response {
    let client_request_id = control::client_request_id(&request);
    let performed = perform(app, site, request).await;
    let mut response = performed.unwrap_or_else(|error| refusal(site, error));
    control::finish(&mut response, client_request_id);
    response
}

/// The answer to a refused request, for a client that used this site.
pub(crate) fn refusal(site: &Site, error: ArmError) -> Response {
    let mut response = error.into_response();
    if response.status() == StatusCode::UNAUTHORIZED {
        challenge(site, &mut response);
    }
    response
}

async fn perform(app: &App, site: &Site, request: Request<Body>) -> Result<Response, ArmError> {
    let (head, body) = request.into_parts();
    let caller = match head.extensions.get() {
        Some(Accepted(caller)) => caller.clone(),
        None => auth::manager(&app.issuer, app.accept_any_token, &head.headers)
            .map_err(ArmError::from_auth)?,
    };
    let query = Query::parse(head.uri.query().unwrap_or_default());
    if query.api_version.is_none() {
        return Err(RequestError::NoApiVersion.into());
    }
    let target = Target::parse(head.uri.path())?;
    if let Some(subscription) = target.subscription().filter(|id| *id != LOCAL_SUBSCRIPTION) {
        return Err(RequestError::NoSubscription(subscription).into());
    }
    let context = Context {
        vaults: Arc::clone(&app.vaults),
        site: site.clone(),
        caller,
        query,
        legacy_access_policies: app.legacy_access_policies,
    };
    let method = head.method;
    let not_allowed = || RequestError::MethodNotAllowed(method.to_string()).into();
    match (target, &method) {
        (Target::Vault(path), &Method::PUT) => vaults::put(&context, path, body).await,
        (Target::Vault(path), &Method::PATCH) => vaults::patch(&context, path, body).await,
        (Target::Vault(path), &Method::GET) => vaults::get(&context, &path),
        (Target::Vault(path), &Method::DELETE) => vaults::delete(&context, path).await,
        (Target::Vaults { subscription, group }, &Method::GET) => {
            vaults::list(&context, subscription, group.as_deref())
        }
        (Target::Policies { path, change }, &Method::PUT) => {
            policies::change(&context, path, change, body).await
        }
        (Target::CheckName { subscription }, &Method::POST) => {
            vaults::check_name(&context, subscription, body).await
        }
        (Target::CheckHsmName { subscription }, &Method::POST) => {
            vaults::check_hsm_name(&context, subscription, body).await
        }
        (Target::DeletedVaults { subscription }, &Method::GET) => {
            deleted::list(&context, subscription).await
        }
        (Target::DeletedVault(at), &Method::GET) => deleted::get(&context, at).await,
        (Target::Purge(at), &Method::POST) => deleted::purge(&context, at).await,
        (Target::ManagedHsms { subscription }, &Method::GET) => {
            resources::no_hsms(&context, subscription)
        }
        (Target::Resources { subscription, group }, &Method::GET) => {
            resources::list(&context, subscription, group.as_deref(), &head.uri)
        }
        (Target::Definitions(scope), &Method::GET) => definitions::list(&context, &scope),
        (Target::Definition { scope, id }, &Method::GET) => definitions::get(&context, &scope, &id),
        (Target::Assignments(scope), &Method::GET) => assignments::list(&context, &scope),
        (Target::Assignment { scope, name }, &Method::GET) => {
            assignments::get(&context, &scope, &name)
        }
        (Target::Assignment { scope, name }, &Method::PUT) => {
            assignments::put(&context, scope, &name, body).await
        }
        (Target::Assignment { scope, name }, &Method::DELETE) => {
            assignments::delete(&context, scope, &name).await
        }
        _ => Err(not_allowed()),
    }
}

impl Context {
    fn require(&self, action: &'static str, at: &Scope) -> Result<(), ArmError> {
        require(&self.vaults, &self.caller, action, at)
    }

    /// Calls the domain on a thread that may block, with the caller's object id.
    async fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Vaults, &str) -> Result<T, VaultChangeError> + Send + 'static,
    ) -> Result<T, ArmError> {
        let (vaults, by) = (Arc::clone(&self.vaults), self.caller.object_id.clone());
        let called = tokio::task::spawn_blocking(move || call(&vaults, &by)).await;
        Ok(called.map_err(|error| VaultChangeError::Internal(error.to_string()))??)
    }
}

/// Whether a caller has a role for an action at a scope.
pub(crate) fn may(vaults: &Vaults, caller: &Caller, action: &str, at: &Scope) -> bool {
    vaults.authorization().decide(&caller.object_id, Action::Control(action), at).is_some()
}

/// Whether a caller has any role in the subscription: at it, above it, or at something in it.
pub(crate) fn has_any_role(vaults: &Vaults, caller: &Caller) -> bool {
    let query = AssignmentQuery {
        at: Scope::subscription(LOCAL_SUBSCRIPTION),
        at_or_above: false,
        principal: Some(caller.object_id.clone()),
    };
    !vaults.authorization().assignments(&query).is_empty()
}

/// Whether there is a vault below a scope, or a role at it or below it.
pub(crate) fn is_in_use(vaults: &Vaults, at: &Scope) -> bool {
    let is_below = |path: &str| path.parse().is_ok_and(|path: Scope| at.contains(&path));
    let has_vault = || {
        vaults.vaults_in(LOCAL_SUBSCRIPTION, None).iter().any(|one| is_below(&one.path.to_string()))
    };
    vaults.authorization().has_assignment_under(at) || has_vault()
}

/// Deletes every role assignment at a scope or below it.
pub(crate) async fn forget_roles(vaults: &Arc<Vaults>, at: Scope) -> Result<(), ArmError> {
    let vaults = Arc::clone(vaults);
    let forgotten = tokio::task::spawn_blocking(move || {
        vaults.authorization().remove_under(&at).map_err(VaultChangeError::from)
    });
    Ok(forgotten.await.map_err(|error| VaultChangeError::Internal(error.to_string()))??)
}

/// Refuses a caller who has no role for an action at a scope.
pub(crate) fn require(
    vaults: &Vaults,
    caller: &Caller,
    action: &'static str,
    at: &Scope,
) -> Result<(), ArmError> {
    if may(vaults, caller, action, at) {
        return Ok(());
    }
    Err(ArmError::AuthorizationFailed {
        app_id: caller.app_id.clone(),
        object_id: caller.object_id.clone(),
        action,
        scope: at.as_str().to_owned(),
    })
}

/// Tells a client without a token where to get a token.
fn challenge(site: &Site, response: &mut Response) {
    let value = format!(
        "Bearer authorization_uri=\"https://{}/{TENANT}\", error=\"invalid_token\", error_description=\"The access token is missing or does not hold.\"",
        site.authority()
    );
    // The host came in a header, so it fits in a header.
    if let Ok(value) = HeaderValue::from_str(&value) {
        response.headers_mut().insert(WWW_AUTHENTICATE, value);
    }
}

fn json(status: StatusCode, body: &impl Serialize) -> Result<Response, ArmError> {
    let bytes =
        serde_json::to_vec(body).map_err(|error| VaultChangeError::Internal(error.to_string()))?;
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    Ok(response)
}

fn empty(status: StatusCode) -> Response {
    status.into_response()
}

/// Parses a path as a scope. It is one, unless it is longer than a scope may be.
fn scope(path: &str) -> Result<Scope, ArmError> {
    path.parse().map_err(ArmError::from)
}
