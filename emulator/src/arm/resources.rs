//! The list of resources of any type, in which `az` looks for a registry or a vault whose group it does not know.
//!
//! Called by the dispatch, which has asked the vault before: what the vault lists comes first, then what is ours.

use axum::body::Body;
use axum::response::Response;
use http::Request;
use mock_keyvault::control;
use serde_json::{Value, json};

use super::context::Context;
use super::error::ArmError;
use super::{identities, json as answer, registries};
use crate::registry::ResourceGroup;

/// All resources of the subscription or of a group that the filter takes and the caller may see.
pub(super) async fn list(
    context: &Context,
    group: Option<&ResourceGroup>,
    request: Request<Body>,
) -> Result<Response, ArmError> {
    let query = request.uri().query().unwrap_or_default().to_owned();
    let theirs = context.arm.gate.answer(request).await;
    let Some(terms) = control::equalities(&query).filter(|_| theirs.status().is_success()) else {
        return Ok(theirs);
    };
    let theirs = super::body::read(theirs.into_body()).await?;
    let mut value = theirs["value"].as_array().cloned().unwrap_or_default();
    let mut ours = registries::summaries(context, group)?;
    ours.extend(identities::summaries(context, group).await?);
    value.extend(ours.into_iter().filter(|one| is_taken(one, &terms)));
    Ok(answer(json!({ "value": value })))
}

/// Whether a resource fulfils every condition. The vault has refused those that it does not know.
fn is_taken(resource: &Value, terms: &[(String, String)]) -> bool {
    terms.iter().all(|(field, wanted)| {
        let told = match field.as_str() {
            "resourcetype" => &resource["type"],
            "name" => &resource["name"],
            _ => return false,
        };
        told.as_str().is_some_and(|told| told.eq_ignore_ascii_case(wanted))
    })
}
