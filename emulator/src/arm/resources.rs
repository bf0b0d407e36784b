//! The types of resources, and the list of the resources of every type, of the subscription or of a group.
//!
//! Called by the router. Parts of a registry, such as tokens, are not in this list, as in Azure.

use axum::response::Response;
use azure_emulator_core::listing::ResourceList;
use http::Uri;
use mock_keyvault::control::RequestError;

use super::context::Context;
use super::error::ArmError;
use super::identities::Identities;
use super::registries::AllRegistries;
use super::reply::json as answer;
use super::resource_type::ResourceType;
use super::vaults::Vaults;
use crate::registry::ResourceGroup;

/// All types of resources. A type whose resources use others comes before them, because a deletion of a group deletes
/// in this order.
pub(super) const TYPES: [&dyn ResourceType; 3] = [&AllRegistries, &Vaults, &Identities];

/// All resources of the subscription or of a group that the filter selects and the caller may see.
pub(super) async fn list(
    context: &Context,
    group: Option<&ResourceGroup>,
    uri: &Uri,
) -> Result<Response, ArmError> {
    let list =
        ResourceList::from_query(uri.query().unwrap_or_default()).map_err(RequestError::from)?;
    let mut all = Vec::new();
    for of_type in TYPES {
        all.extend(of_type.shown(context, group).await?);
    }
    let url = format!("https://{}{}", context.host, uri.path());
    Ok(answer(list.answer(all, &url)))
}
