//! The list of resources of any kind, in which `az` looks for a vault whose group it does not know, and lists of what there
//! is none of.

use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::error::ArmError;
use super::filter::{self, Term};
use super::wire::List;
use super::{Context, vaults};
use crate::authorization::Scope;

const VAULT_TYPE: &str = "Microsoft.KeyVault/vaults";

pub(super) fn list(
    context: &Context,
    subscription: Uuid,
    group: Option<&str>,
) -> Result<Response, ArmError> {
    let terms = filter::parse(context.query.filter.as_deref().unwrap_or_default())?;
    let mut seen = vaults::readable(context, subscription, group)?;
    for term in &terms {
        match term {
            Term::Equals { field, value } if field == "resourcetype" => {
                if !value.eq_ignore_ascii_case(VAULT_TYPE) {
                    seen.clear();
                }
            }
            Term::Equals { field, value } if field == "name" => {
                seen.retain(|view| view.path.spelling.eq_ignore_ascii_case(value));
            }
            Term::Equals { field, value } if field == "resourcegroup" => {
                seen.retain(|view| view.path.group.eq_ignore_ascii_case(value));
            }
            Term::Equals { field, value } if field == "location" => {
                seen.retain(|view| view.settings.location.eq_ignore_ascii_case(value));
            }
            other => return Err(other.not_taken()),
        }
    }
    let value: Vec<Value> = seen
        .iter()
        .map(|view| {
            json!({
                "id": view.path.to_string(),
                "name": view.path.spelling,
                "type": VAULT_TYPE,
                "location": view.settings.location,
                "tags": view.settings.tags,
            })
        })
        .collect();
    super::json(StatusCode::OK, &List { value })
}

/// Managed HSMs are not served, and `az` asks for them beside vaults.
pub(super) fn no_hsms(context: &Context, subscription: Uuid) -> Result<Response, ArmError> {
    let at = Scope::subscription(subscription);
    context.require("Microsoft.KeyVault/managedHSMs/read", &at)?;
    super::json(StatusCode::OK, &List::<Value> { value: Vec::new() })
}
