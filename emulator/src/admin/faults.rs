//! `/_sealyard/faults`: rules that make the registry and its vault fail. `GET` lists, `POST` adds a rule or sets
//! throttling, `DELETE` takes away one rule or everything. The shape of a rule is that of the mock vault.

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

/// The rules there are, and what they can be for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultList {
    /// The rules, each with `id`, `hits`, `left`, and in `of` whose requests it strikes: the `registry`'s or the `vault`'s.
    pub faults: Vec<Value>,
    /// The limits of calls that the vault is held to, if there are any.
    pub throttling: Value,
    /// The classes of requests that a rule can be for.
    pub classes: Vec<String>,
}

/// What a new rule is removed by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultAdded {
    /// Its name.
    pub id: String,
}

/// `GET /_sealyard/faults`.
pub(super) async fn list(State(app): State<App>) -> Result<Json<FaultList>, AdminError> {
    all(&app).await.map(Json)
}

/// The rules there are: for requests, and for programs that hold the emulator.
pub(crate) async fn all(app: &App) -> Result<FaultList, AdminError> {
    Ok(FaultList::of(app.faults.rules(app.owner()).await?))
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
    fn of(all: AllRules) -> Self {
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
