//! Finds the caller of a request: checks the bearer token, or sends the challenge that leads SDKs to the issuer.
//!
//! Called by the router before any of the body is read: SDKs send their first request without token and body to get a
//! challenge.

use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Response};

use crate::error::ApiError;
use crate::host::Site;
use crate::model::Caller;
use azure_emulator_core::identity::{
    Issuer, OWNER_CLIENT_ID, OWNER_OBJECT_ID, Principal, PrincipalKind, TENANT,
};

/// The resource of the public Key Vault.
const PUBLIC_AUDIENCE: &str = "https://vault.azure.net";
/// The resource of the local vaults, with or without a port.
const LOCAL_AUDIENCE: &str = "https://vault.localhost";
/// The resource of the public resource providers, under its current and its former name.
pub(crate) const MANAGEMENT_AUDIENCES: [&str; 2] =
    ["https://management.azure.com", "https://management.core.windows.net"];
/// The resource of the local resource providers, with or without a port.
const LOCAL_MANAGEMENT_AUDIENCE: &str = "https://management.localhost";
/// The resource of the public Graph, and of the local one, with or without a port.
const GRAPH_AUDIENCE: &str = "https://graph.microsoft.com";
const LOCAL_GRAPH_AUDIENCE: &str = "https://graph.localhost";
/// The application id of Key Vault: a token may name it as its audience instead of the address.
const APPLICATION_AUDIENCE: &str = "cfa8b339-82a2-471a-a3c9-0fc0be7a4093";

/// The warning while any token is accepted.
pub(crate) const ANY_TOKEN_WARNING: &str = "any bearer token is accepted as the owner's; turn --accept-any-token off to have tokens checked";

/// An authenticated caller in whose name the embedding program makes a request.
#[derive(Clone, Debug)]
pub(crate) struct Accepted(pub(crate) Caller);

/// The caller that the token of a request names. With `accept_any`, a token of another issuer counts as the owner's; tokens of
/// this issuer are checked as always, so that a revoked permission of a principal stays revoked.
pub(crate) fn caller(
    issuer: &Issuer,
    accept_any: bool,
    headers: &HeaderMap,
) -> Result<Caller, ApiError> {
    caller_for(issuer, accept_any, headers, is_ours)
}

/// The caller of a request to the resource providers, whose tokens have another audience.
pub(crate) fn manager(
    issuer: &Issuer,
    accept_any: bool,
    headers: &HeaderMap,
) -> Result<Caller, ApiError> {
    caller_for(issuer, accept_any, headers, is_for_management)
}

/// The caller of a request to Graph.
pub(crate) fn graph_caller(
    issuer: &Issuer,
    accept_any: bool,
    headers: &HeaderMap,
) -> Result<Caller, ApiError> {
    caller_for(issuer, accept_any, headers, is_for_graph)
}

fn caller_for(
    issuer: &Issuer,
    accept_any: bool,
    headers: &HeaderMap,
    is_ours: fn(&str) -> bool,
) -> Result<Caller, ApiError> {
    let value = headers.get(AUTHORIZATION).ok_or(ApiError::NoToken)?;
    let value = value.to_str().map_err(|_| ApiError::NoToken)?;
    let (scheme, token) = value.split_once(' ').ok_or(ApiError::NoToken)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(ApiError::NoToken);
    }
    match issuer.verify(token.trim(), is_ours) {
        Ok(verified) => Ok(caller_of(&verified.principal, issuer)),
        Err(refused) if accept_any && !token.trim().is_empty() && !refused.is_of_own_token() => {
            Ok(owner(issuer))
        }
        Err(refused) => Err(refused.into()),
    }
}

fn owner(issuer: &Issuer) -> Caller {
    Caller {
        app_id: OWNER_CLIENT_ID.to_owned(),
        object_id: OWNER_OBJECT_ID.to_owned(),
        issuer: issuer.name(),
        kind: PrincipalKind::Application,
    }
}

fn caller_of(principal: &Principal, issuer: &Issuer) -> Caller {
    Caller {
        app_id: principal.client_id().to_owned(),
        object_id: principal.object_id().to_owned(),
        issuer: issuer.name(),
        kind: principal.kind(),
    }
}

/// Tells a refused client where to get a token and for which resource. Every 401 carries it.
pub(crate) fn challenge<B>(site: &Site, response: &mut Response<B>) {
    let (authority, resource) = (site.authority(), site.resource());
    let value =
        format!("Bearer authorization=\"https://{authority}/{TENANT}\", resource=\"{resource}\"");
    // The host came in a header, so it fits in a header.
    if let Ok(value) = HeaderValue::from_str(&value) {
        response.headers_mut().insert(WWW_AUTHENTICATE, value);
    }
}

/// Whether an audience is the vaults': the public name, or the local name with any port, since ports change.
fn is_ours(audience: &str) -> bool {
    let audience = audience.strip_suffix('/').unwrap_or(audience);
    if audience == PUBLIC_AUDIENCE || audience == APPLICATION_AUDIENCE {
        return true;
    }
    is_at(audience, LOCAL_AUDIENCE)
}

/// Whether an audience is that of the resource providers.
fn is_for_management(audience: &str) -> bool {
    let audience = audience.strip_suffix('/').unwrap_or(audience);
    MANAGEMENT_AUDIENCES.contains(&audience) || is_at(audience, LOCAL_MANAGEMENT_AUDIENCE)
}

/// Whether an audience is Graph's. Some clients join an address that ends in a slash with a scope; then the audience ends in a
/// slash too.
fn is_for_graph(audience: &str) -> bool {
    let audience = audience.strip_suffix('/').unwrap_or(audience);
    audience == GRAPH_AUDIENCE || is_at(audience, LOCAL_GRAPH_AUDIENCE)
}

/// Whether an audience is this local resource, with any port or none.
fn is_at(audience: &str, local: &str) -> bool {
    match audience.strip_prefix(local) {
        Some("") => true,
        Some(rest) => rest.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok()),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_names_of_graph_are_its_audiences() {
        for audience in ["https://graph.microsoft.com/", "https://graph.localhost:8443"] {
            assert!(is_for_graph(audience) && !is_for_management(audience), "{audience}");
        }
        for audience in ["https://graph.microsoft.com.evil.example", "https://vault.azure.net"] {
            assert!(!is_for_graph(audience), "{audience}");
        }
    }

    #[test]
    fn only_the_names_of_the_resource_providers_are_their_audiences() {
        for audience in [
            "https://management.azure.com/",
            "https://management.core.windows.net",
            "https://management.localhost:8443",
        ] {
            assert!(is_for_management(audience) && !is_ours(audience), "{audience}");
        }
        for audience in ["https://vault.azure.net", "https://management.localhost.evil.example"] {
            assert!(!is_for_management(audience), "{audience}");
        }
    }

    #[test]
    fn only_the_two_names_of_the_resource_are_accepted() {
        for audience in [
            "https://vault.azure.net",
            "https://vault.azure.net/",
            "https://vault.localhost",
            "https://vault.localhost:8443",
            "cfa8b339-82a2-471a-a3c9-0fc0be7a4093",
        ] {
            assert!(is_ours(audience), "{audience}");
        }
        for audience in [
            "",
            "https://management.azure.com",
            "https://vault.azure.net.evil.example",
            "https://vault.localhost.evil.example",
            "https://vault.localhost:99999",
            "http://vault.localhost",
        ] {
            assert!(!is_ours(audience), "{audience}");
        }
    }
}
