//! The list of resources of any type, in which `az` looks for a vault whose group it does not know, and the empty lists of
//! managed HSMs.
//!
//! Here all resources are vaults. A control plane that embeds the vault gets them from [`all`] and adds its own resources.

use axum::response::Response;
use http::StatusCode;
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use super::context::Context;
use super::documents::List;
use super::error::ArmError;
use super::{respond, vaults};
use crate::model::Caller;
use crate::vault::Vaults;
use crate::vault::lifecycle::VaultView;
use azure_emulator_core::authorization::Scope;
use azure_emulator_core::listing::{Resource, ResourceList};

const VAULT_TYPE: &str = "Microsoft.KeyVault/vaults";

pub(super) fn list(
    context: &Context,
    subscription: Uuid,
    group: Option<&str>,
    uri: &http::Uri,
) -> Result<Response, ArmError> {
    let list = ResourceList::from_query(uri.query().unwrap_or_default())?;
    let all = all(&context.vaults, &context.caller, subscription, group)?;
    let url = format!("https://{}{}", context.site.authority(), uri.path());
    respond::json(StatusCode::OK, &list.answer(all, &url))
}

/// The vaults that a caller may see, in the form of a list of resources.
pub(crate) fn all(
    vaults: &Vaults,
    caller: &Caller,
    subscription: Uuid,
    group: Option<&str>,
) -> Result<Vec<Resource>, ArmError> {
    let seen = vaults::readable(vaults, caller, subscription, group)?;
    Ok(seen.into_iter().map(resource).collect())
}

fn resource(view: VaultView) -> Resource {
    let moment = |seconds: Option<i64>| OffsetDateTime::from_unix_timestamp(seconds?).ok();
    let settings = view.settings;
    Resource {
        id: view.path.to_string(),
        name: view.path.spelling,
        kind: VAULT_TYPE.to_owned(),
        group: view.path.group,
        location: settings.location,
        tags: settings.tags,
        sku: None,
        identity: None,
        created: moment(settings.created),
        changed: moment(settings.modified.or(settings.created)),
    }
}

/// Answers with an empty list: managed HSMs are not supported, and `az` asks for them in addition to vaults.
pub(super) fn no_hsms(context: &Context, subscription: Uuid) -> Result<Response, ArmError> {
    let at = Scope::subscription(subscription);
    context.require("Microsoft.KeyVault/managedHSMs/read", &at)?;
    respond::json(StatusCode::OK, &List::<Value> { value: Vec::new() })
}
