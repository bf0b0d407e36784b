//! Vaults. The vault itself answers their requests; the control plane checks their location, and includes them in its
//! lists.

use axum::body::Body;
use azure_emulator_core::listing::Resource;
use futures::FutureExt as _;
use futures::future::{self, BoxFuture};
use http::{Method, Request};
use serde_json::Value;

use super::body;
use super::context::Context;
use super::error::ArmError;
use super::path::is_vault;
use super::resource_type::ResourceType;
use super::state::Arm;
use crate::registry::ResourceGroup;

/// The type of vaults.
const TYPE: &str = "Microsoft.KeyVault/vaults";

/// All vaults, as a resource type.
pub(super) struct Vaults;

impl ResourceType for Vaults {
    fn shown<'a>(
        &self,
        context: &'a Context,
        group: Option<&'a ResourceGroup>,
    ) -> BoxFuture<'a, Result<Vec<Resource>, ArmError>> {
        let group = group.map(ResourceGroup::as_str);
        let shown = context.arm.gate.vaults(&context.caller, group).map_err(ArmError::from);
        future::ready(shown).boxed()
    }

    fn ids<'a>(
        &self,
        arm: &'a Arm,
        group: &'a ResourceGroup,
    ) -> BoxFuture<'a, Result<Vec<String>, ArmError>> {
        future::ready(arm.gate.vault_ids(group.as_str()).map_err(ArmError::from)).boxed()
    }
}

/// Returns the request for the vault, unless it asks for a vault in a location unknown to Azure.
pub(super) async fn checked(arm: &Arm, request: Request<Body>) -> Result<Request<Body>, ArmError> {
    let makes_vault = request.method() == Method::PUT && is_vault(request.uri().path());
    if !arm.strict || !makes_vault {
        return Ok(request);
    }
    let (head, body) = request.into_parts();
    let text = body::read_text(body).await?;
    let described: Value = serde_json::from_str(&text).unwrap_or_default();
    // The vault reports any other problem.
    let named = body::text(&described, "location").ok().flatten();
    if let Some(location) = named.and_then(|named| named.parse().ok()) {
        arm.check_location(&location, Some(TYPE))?;
    }
    Ok(Request::from_parts(head, text.into()))
}
