//! Passes each request of the resource providers to its handler.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use http::{Method, Request};

use super::context::Context;
use super::error::ArmError;
use super::path::Target;
use super::respond::refusal;
use super::{assignments, definitions, deleted, policies, resources, vaults};
use crate::app::App;
use crate::auth::{self, Accepted};
use crate::control::{self, Query, RequestError};
use crate::host::Site;
use crate::model::settings::LOCAL_SUBSCRIPTION;

/// Answers a request to the resource providers.
pub(crate) async fn answer(app: &App, site: &Site, request: Request<Body>) -> Response {
    let client_request_id = control::client_request_id(&request);
    let performed = perform(app, site, request).await;
    let mut response = performed.unwrap_or_else(|error| refusal(site, error));
    control::finish(&mut response, client_request_id);
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
