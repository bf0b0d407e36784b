//! `GET /_keyvault/events`: returns the events of keys, as Event Grid would deliver them.
//!
//! Filters: `?type=KeyNearExpiry&vault=local&key=k&since=2026-01-01T00:00:00Z&limit=10`; they can be combined.

use axum::Json;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{Method, Request};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::error::AdminError;
use super::request::{moment, only, query};
use crate::app::App;
use crate::host::Site;
use azure_emulator_core::events::KeyEvent;

#[derive(Default)]
struct Filter {
    kind: Option<String>,
    vault: Option<String>,
    key: Option<String>,
    since: Option<OffsetDateTime>,
    limit: Option<usize>,
}

pub(super) fn answer(
    app: &App,
    host: &str,
    request: &Request<Body>,
) -> Result<Response, AdminError> {
    only(&Method::GET, request)?;
    let filter = Filter::from_request(request)?;
    let site = Site::from_host(host);
    let mut events: Vec<KeyEvent> =
        app.vaults.events().events().into_iter().filter(|event| filter.matches(event)).collect();
    if let Some(limit) = filter.limit {
        events.drain(..events.len().saturating_sub(limit));
    }
    let rendered: Vec<Value> = events
        .iter()
        .map(|event| {
            let topic = event.vault.parse().map(|vault| app.vaults.resource_id(&vault));
            event.to_event_grid(&site.vault_uri(&event.vault), &topic.unwrap_or_default())
        })
        .collect();
    Ok(Json(json!({"events": rendered})).into_response())
}

impl Filter {
    fn from_request(request: &Request<Body>) -> Result<Self, AdminError> {
        let mut filter = Self::default();
        for (name, value) in query(request) {
            match name.as_str() {
                "type" => filter.kind = Some(value),
                "vault" => filter.vault = Some(value),
                "key" => filter.key = Some(value),
                "since" => filter.since = Some(moment("since", &value)?),
                "limit" => {
                    let limit = value.parse().map_err(|_| {
                        AdminError::Bad("limit must be a number, such as 100".to_owned())
                    })?;
                    filter.limit = Some(limit);
                }
                _ => {
                    return Err(AdminError::Bad(format!(
                        "unknown query parameter '{name}'; use type, vault, key, since or limit"
                    )));
                }
            }
        }
        Ok(filter)
    }

    fn matches(&self, event: &KeyEvent) -> bool {
        let same = |wanted: &Option<String>, found: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(found))
        };
        let name = event.event_type.as_str();
        let short = name.rsplit('.').next().unwrap_or(name);
        (same(&self.kind, name) || same(&self.kind, short))
            && same(&self.vault, &event.vault)
            && same(&self.key, &event.key)
            && self.since.is_none_or(|since| event.event_time >= since)
    }
}
