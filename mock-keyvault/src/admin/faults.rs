//! `/_keyvault/faults`: manages the rules that make requests fail, and throttling.
//!
//! `GET` lists the rules, `POST` adds a rule or sets throttling, `DELETE` removes one rule or everything, including throttling.

use axum::Json;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{Method, Request, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::AdminError;
use super::request::read;
use crate::app::App;
use crate::throttle::Throttling;
use azure_emulator_core::faults::{FaultReport, FaultRule};

/// The body that sets throttling.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ThrottlingRequest {
    throttling: Wanted,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Wanted {
    Word(String),
    Own(Throttling),
}

pub(super) async fn answer(
    app: &App,
    id: &str,
    request: Request<Body>,
) -> Result<Response, AdminError> {
    match (request.method().clone(), id) {
        (Method::GET, "") => Ok(listed(app)),
        (Method::POST, "") => {
            let body: Value = read(request.into_body()).await?;
            if body.get("throttling").is_some() {
                app.throttle.set(wanted(body)?);
                return Ok(listed(app));
            }
            let rule: FaultRule =
                serde_json::from_value(body).map_err(|error| AdminError::Bad(error.to_string()))?;
            let id = app.faults.add(rule).map_err(|error| AdminError::Bad(error.to_string()))?;
            Ok((StatusCode::CREATED, Json(json!({"id": id}))).into_response())
        }
        (Method::DELETE, "") => {
            app.faults.clear();
            app.throttle.set(None);
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        (Method::DELETE, id) if app.faults.remove(id) => Ok(StatusCode::NO_CONTENT.into_response()),
        (Method::DELETE, _) => Err(AdminError::NotFound(request.uri().path().to_owned())),
        _ => Err(AdminError::MethodNotAllowed(request.uri().path().to_owned())),
    }
}

fn wanted(body: Value) -> Result<Option<Throttling>, AdminError> {
    let bad = || {
        AdminError::Bad(
            "throttling must be \"published\", \"off\", or limits such as {\"transactions\":100,\"creations\":5,\"window\":\"PT10S\"}"
                .to_owned(),
        )
    };
    let request: ThrottlingRequest = serde_json::from_value(body).map_err(|_| bad())?;
    match request.throttling {
        Wanted::Word(word) if word == "published" => Ok(Some(Throttling::PUBLISHED)),
        Wanted::Word(word) if word == "off" => Ok(None),
        Wanted::Word(_) => Err(bad()),
        Wanted::Own(own) => Ok(Some(own)),
    }
}

fn listed(app: &App) -> Response {
    let rules: Vec<Value> = app.faults.rules().iter().map(rendered).collect();
    Json(json!({
        "faults": rules,
        "throttling": app.throttle.limits(),
        "classes": app.faults.classes(),
    }))
    .into_response()
}

fn rendered(report: &FaultReport) -> Value {
    let mut value = serde_json::to_value(&report.rule).unwrap_or_default();
    if let Value::Object(fields) = &mut value {
        fields.insert("id".to_owned(), json!(report.id));
        fields.insert("hits".to_owned(), json!(report.hits));
        fields.insert("left".to_owned(), json!(report.left));
    }
    value
}
