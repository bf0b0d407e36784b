//! The gate before the content of a registry: authenticates the client of a request, and authorizes the request.
//!
//! A registry with anonymous access accepts all requests, with any credentials: a client may still send an old login.
//! The access that a request has goes with it, for the source of a mount. A refusal does not ask for the key of the registry.

use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::{Extension, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use zeroize::Zeroizing;

use super::challenge::Challenge;
use super::required_access::RequestRequirements;
use crate::oci::{ParsedPath, Route};
use crate::registry::{Access, AccessError, Authenticator, Credentials, Registry};

/// The response of a listener to `GET /v2/` without a login, if the registry has anonymous access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ping {
    /// 200: so that docker needs no login.
    Open,
    /// 401 with a challenge, as ACR does with anonymous pull as well: the Azure CLI accepts no other response. The challenge
    /// leads to a token for everything.
    Challenge,
}

/// Adds the gate before content routes.
pub fn protect(content: Router, authenticator: Authenticator, ping: Ping) -> Router {
    content.layer(from_fn_with_state((authenticator, ping), gate))
}

async fn gate(
    State((authenticator, ping)): State<(Authenticator, Ping)>,
    Extension(registry): Extension<Registry>,
    mut request: Request,
    next: Next,
) -> Response {
    if registry.is_open() {
        let path = request.extensions().get::<ParsedPath>();
        let is_base = path.and_then(ParsedPath::route).is_some_and(|route| *route == Route::Base);
        if ping == Ping::Challenge && is_base && !request.headers().contains_key(AUTHORIZATION) {
            return Challenge::for_request(&request.into_parts().0, None)
                .refuse(AccessError::LoginRequired);
        }
        request.extensions_mut().insert(Access::Everything);
        return next.run(request).await;
    }
    let (mut head, body) = request.into_parts();
    let required = RequestRequirements::from_parts(&head);
    let given = credentials(&head.headers);
    match authenticator.authorize(&registry, given, required.scopes()).await {
        Ok(access) if access.allows(&required.access) => {
            head.extensions.insert(access);
            next.run(Request::from_parts(head, body)).await
        }
        Ok(_) => Challenge::for_request(&head, required.access.scope()).insufficient(),
        Err(error) => {
            if !matches!(error, AccessError::LoginRequired) {
                tracing::debug!(registry.name = registry.name(), %error, "a login was refused");
            }
            Challenge::for_request(&head, required.access.scope()).refuse(error)
        }
    }
}

/// The credentials in the header. An unreadable header counts as a wrong password, not as a missing one.
pub(super) fn credentials(headers: &HeaderMap) -> Credentials {
    let Some(value) = headers.get(AUTHORIZATION) else { return Credentials::None };
    let value = value.to_str().unwrap_or_default();
    let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
    if scheme.eq_ignore_ascii_case("bearer") {
        return Credentials::Bearer(Zeroizing::new(rest.trim().to_owned()));
    }
    let (user, password) = basic(rest).unwrap_or_default();
    Credentials::Basic { user, password }
}

/// A user name and a password (RFC 7617).
fn basic(encoded: &str) -> Option<(String, Zeroizing<String>)> {
    let decoded = Zeroizing::new(STANDARD.decode(encoded.trim()).ok()?);
    let (user, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((user.to_owned(), Zeroizing::new(password.to_owned())))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(value: &str) -> Credentials {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, value.parse().unwrap());
        credentials(&headers)
    }

    #[test]
    fn an_unreadable_header_counts_as_a_wrong_login_and_not_as_a_missing_one() {
        for value in ["Basic", "Basic !", "Digest x", "Basic dXNlcg==", ""] {
            assert!(
                matches!(read(value), Credentials::Basic { user, .. } if user.is_empty()),
                "{value}"
            );
        }
        assert!(matches!(credentials(&HeaderMap::new()), Credentials::None));
    }

    proptest! {
        #[test]
        fn names_and_passwords_survive_a_round_trip(user in r"[^:\x00-\x1f]{0,20}", password in r"\PC{0,40}") {
            let encoded = STANDARD.encode(format!("{user}:{password}"));
            match read(&format!("bAsIc {encoded}")) {
                Credentials::Basic { user: read, password: read_password } => {
                    prop_assert_eq!(read, user);
                    prop_assert_eq!(read_password.as_str(), password);
                }
                other => prop_assert!(false, "{:?}", other),
            }
        }

        #[test]
        fn no_header_makes_the_parser_panic(value in r"[ -~]{0,80}") {
            let _ = read(&value);
        }
    }
}
