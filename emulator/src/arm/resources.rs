//! Lists resources of every type, registries, vaults and identities, of the subscription or of a group.
//!
//! Called by the dispatch. Parts of a registry, such as tokens, are not in this list, as in Azure.

use axum::response::Response;
use azure_emulator_core::listing::ResourceList;
use http::Uri;
use mock_keyvault::control::RequestError;

use super::context::Context;
use super::error::ArmError;
use super::{identities, json as answer, registries};
use crate::registry::ResourceGroup;

/// All resources of the subscription or of a group that the filter selects and the caller may see.
pub(super) async fn list(
    context: &Context,
    group: Option<&ResourceGroup>,
    uri: &Uri,
) -> Result<Response, ArmError> {
    let list = ResourceList::of(uri.query().unwrap_or_default()).map_err(RequestError::from)?;
    let mut all = context.arm.gate.vaults(&context.caller, group.map(ResourceGroup::as_str))?;
    all.extend(registries::resources(context, group)?);
    all.extend(identities::resources(context, group).await?);
    let url = format!("https://{}{}", context.host, uri.path());
    Ok(answer(list.answer(all, &url)))
}
