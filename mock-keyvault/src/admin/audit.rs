//! `GET /_keyvault/audit`: returns the last calls, in the form of the diagnostic log.
//!
//! Filters: `?operation=unwrapKey&vault=local&key=k&status=403&since=2026-01-01T00:00:00Z&limit=10`; they can be combined.
//! An operation has its name in the API or its name in the log. The answer covers the calls since the start; the file in the
//! data folder also has earlier calls.

use axum::Json;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{Method, Request};
use serde_json::json;
use time::OffsetDateTime;

use super::error::AdminError;
use super::request::{moment, only, query};
use crate::app::App;
use crate::audit::{Call, diagnostic_name};
use crate::operation::OPERATIONS;

#[derive(Default)]
struct Filter {
    operation: Option<String>,
    vault: Option<String>,
    key: Option<String>,
    status: Option<u16>,
    since: Option<OffsetDateTime>,
    limit: Option<usize>,
}

pub(super) fn answer(app: &App, request: &Request<Body>) -> Result<Response, AdminError> {
    only(&Method::GET, request)?;
    let filter = Filter::from_request(request)?;
    let mut calls: Vec<Call> =
        app.audit.calls().into_iter().filter(|call| filter.matches(call)).collect();
    if let Some(limit) = filter.limit {
        calls.drain(..calls.len().saturating_sub(limit));
    }
    let records: Vec<_> = calls.iter().map(Call::record).collect();
    Ok(Json(json!({"records": records})).into_response())
}

impl Filter {
    fn from_request(request: &Request<Body>) -> Result<Self, AdminError> {
        let mut filter = Self::default();
        for (name, value) in query(request) {
            let number = |message: &str| AdminError::Bad(format!("{name} must be {message}"));
            match name.as_str() {
                "operation" => filter.operation = Some(known_operation(value)?),
                "vault" => filter.vault = Some(value),
                "key" => filter.key = Some(value),
                "status" => {
                    filter.status =
                        Some(value.parse().map_err(|_| number("an HTTP status, such as 403"))?);
                }
                "since" => filter.since = Some(moment("since", &value)?),
                "limit" => {
                    filter.limit =
                        Some(value.parse().map_err(|_| number("a number, such as 100"))?);
                }
                _ => {
                    return Err(AdminError::Bad(format!(
                        "unknown query parameter '{name}'; use operation, vault, key, status, since or limit"
                    )));
                }
            }
        }
        Ok(filter)
    }

    fn matches(&self, call: &Call) -> bool {
        let same = |wanted: &Option<String>, found: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(found))
        };
        (same(&self.operation, call.operation.as_str())
            || same(&self.operation, diagnostic_name(call.operation)))
            && same(&self.vault, &call.vault)
            && same(&self.key, call.key.as_deref().unwrap_or_default())
            && self.status.is_none_or(|status| status == call.status)
            && self.since.is_none_or(|since| call.time >= since)
    }
}

/// A misspelt operation would match no call, which reads as if no such call was made.
fn known_operation(name: String) -> Result<String, AdminError> {
    let is_known = OPERATIONS.iter().any(|route| {
        name.eq_ignore_ascii_case(route.operation.as_str())
            || name.eq_ignore_ascii_case(diagnostic_name(route.operation))
    });
    if is_known {
        return Ok(name);
    }
    Err(AdminError::Bad(format!(
        "unknown operation '{name}'; use a name such as unwrapKey or KeyUnwrap"
    )))
}
