//! `/_sealyard/faults`: rules that inject faults into the registry and its vault. `GET` lists, `POST` adds a rule or sets
//! throttling, `DELETE` removes one rule or all. A rule has the same fields as in the mock vault.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use azure_emulator_core::faults::FaultReport;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::AdminError;
use crate::app::App;
use crate::faults::AllRules;

/// The rules, and the classes of requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultList {
    /// The rules, each with `id`, `hits`, `left`, and in `of` whose requests get the fault: those of the `registry` or the `vault`.
    pub faults: Vec<Value>,
    /// The limits of calls to the vault, if there are any.
    pub throttling: Value,
    /// The classes of requests that a rule can be for.
    pub classes: Vec<String>,
}

/// The name of a new rule, with which it can be removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultAdded {
    /// Its name.
    pub id: String,
}

/// `GET /_sealyard/faults`.
pub(super) async fn list(State(app): State<App>) -> Result<Json<FaultList>, AdminError> {
    all(&app).await.map(Json)
}

/// Lists the rules, for requests and for programs with a `Sealyard` value.
pub(crate) async fn all(app: &App) -> Result<FaultList, AdminError> {
    Ok(FaultList::new(app.faults.rules(app.owner()).await?))
}

/// `POST /_sealyard/faults`.
pub(super) async fn add(
    State(app): State<App>,
    request: Result<Json<Value>, JsonRejection>,
) -> Result<(StatusCode, Json<Value>), AdminError> {
    let Json(mut request) = request?;
    if let Some(limits) = request.get_mut("throttling") {
        app.faults.throttle(limits.take(), app.owner()).await?;
        return Ok((StatusCode::OK, Json(json!(all(&app).await?))));
    }
    let id = app.faults.add(request, app.owner()).await?;
    Ok((StatusCode::CREATED, Json(json!(FaultAdded { id }))))
}

/// `DELETE /_sealyard/faults`.
pub(super) async fn clear(State(app): State<App>) -> Result<StatusCode, AdminError> {
    app.faults.clear(app.owner()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /_sealyard/faults/{id}`.
pub(super) async fn remove(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<StatusCode, AdminError> {
    app.faults.remove(&id, app.owner()).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl FaultList {
    fn new(all: AllRules) -> Self {
        let own = all.registry.iter().map(|report| marked(rendered(report), "registry"));
        let mut faults: Vec<Value> = own.collect();
        let (mut throttling, mut classes) = (Value::Null, all.classes);
        if let Some(vault) = all.vault {
            faults.extend(vault.rules.into_iter().map(|rule| marked(rule, "vault")));
            throttling = vault.throttling;
            classes.extend(vault.classes);
        }
        Self { faults, throttling, classes }
    }
}

fn rendered(report: &FaultReport) -> Value {
    let mut rule = json!(report.rule);
    rule["id"] = json!(report.id);
    rule["hits"] = json!(report.hits);
    rule["left"] = json!(report.left);
    rule
}

fn marked(mut rule: Value, of: &str) -> Value {
    rule["of"] = json!(of);
    rule
}
