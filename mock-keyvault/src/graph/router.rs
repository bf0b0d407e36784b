//! Passes each request of Graph to its answer.

use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use http::{Method, Request, header};
use http_body_util::{BodyExt as _, Limited};
use serde::Deserialize;
use serde_json::Value;

use super::documents;
use super::error::GraphError;
use super::filter::Filter;
use super::path::Target;
use crate::app::App;
use crate::auth;
use crate::control::Query;
use crate::error::JSON;
use azure_emulator_core::identity::Principal;

/// The largest body that is read: a thousand ids are far below it.
const MAX_BODY: usize = 1 << 20;
/// The most ids in one request.
const MAX_IDS: usize = 1000;

#[derive(Deserialize)]
struct ByIds {
    ids: Vec<String>,
    #[serde(default)]
    types: Vec<String>,
}

/// Answers a request to Graph.
pub(crate) async fn answer(app: &App, request: Request<Body>) -> Response {
    match perform(app, request).await {
        Ok(body) => ([(header::CONTENT_TYPE, JSON)], body.to_string()).into_response(),
        Err(error) => error.into_response(),
    }
}

async fn perform(app: &App, request: Request<Body>) -> Result<Value, GraphError> {
    let (head, body) = request.into_parts();
    auth::graph_caller(&app.issuer, app.accept_any_token, &head.headers)
        .map_err(|error| GraphError::Token(error.wire().message))?;
    let all = app.issuer.principals();
    let query = Query::parse(head.uri.query().unwrap_or_default());
    match (Target::parse(head.uri.path())?, &head.method) {
        (Target::Me, &Method::GET) => Err(GraphError::OnlyDelegated),
        (Target::ServicePrincipals, &Method::GET) => list(&all, &query, documents::principal),
        (Target::Applications, &Method::GET) => {
            let is_application = |one: &&Arc<Principal>| !one.kind().is_managed_identity();
            let all: Vec<Arc<Principal>> = all.iter().filter(is_application).cloned().collect();
            list(&all, &query, documents::application)
        }
        // There are no users and no groups in this tenant.
        (Target::Nobody, &Method::GET) => Ok(documents::list(&[])),
        (Target::Object(id) | Target::ServicePrincipal(id), &Method::GET) => {
            let found = all.iter().find(|one| one.object_id().eq_ignore_ascii_case(&id));
            found.map(|one| documents::object(one)).ok_or(GraphError::NoObject(id))
        }
        (Target::ServicePrincipalOf(app_id), &Method::GET) => {
            let found = all.iter().find(|one| one.client_id().eq_ignore_ascii_case(&app_id));
            found.map(|one| documents::principal(one)).ok_or(GraphError::NoObject(app_id))
        }
        (Target::ByIds, &Method::POST) => by_ids(&all, body).await,
        (target, _) if target.is_written_in_graph() => Err(GraphError::ReadOnly),
        (_, method) => Err(GraphError::Method(method.to_string())),
    }
}

fn list(
    all: &[Arc<Principal>],
    query: &Query,
    document: fn(&Principal) -> Value,
) -> Result<Value, GraphError> {
    let filter = query.filter.as_deref().map(Filter::parse).transpose()?;
    let taken = all.iter().filter(|one| filter.as_ref().is_none_or(|filter| filter.matches(one)));
    let taken: Vec<Value> = taken.map(|one| document(one)).collect();
    Ok(documents::list(&taken))
}

/// The existing objects with these ids. Unknown ids are omitted, as in Graph.
async fn by_ids(all: &[Arc<Principal>], body: Body) -> Result<Value, GraphError> {
    let collected = Limited::new(body, MAX_BODY).collect().await;
    let bytes = collected.map_err(|error| GraphError::Body(error.to_string()))?.to_bytes();
    let request: ByIds =
        serde_json::from_slice(&bytes).map_err(|error| GraphError::Body(error.to_string()))?;
    if request.ids.len() > MAX_IDS {
        return Err(GraphError::Body(format!("more than {MAX_IDS} ids")));
    }
    let is_wanted = request.types.is_empty()
        || request.types.iter().any(|kind| {
            ["serviceprincipal", "directoryobject"].contains(&kind.to_ascii_lowercase().as_str())
        });
    let is_asked = |one: &&Arc<Principal>| {
        is_wanted && request.ids.iter().any(|id| id.eq_ignore_ascii_case(one.object_id()))
    };
    let found: Vec<Value> = all.iter().filter(is_asked).map(|one| documents::object(one)).collect();
    Ok(documents::list(&found))
}
