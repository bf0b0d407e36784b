//! `/oauth2/exchange` and `/oauth2/token`: the tokens of a registry.
//!
//! They answer in every state of the key: a token is not content.
//! [`Authenticator`](crate::registry::Authenticator) decides the permissions of a client.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use http::header::{CACHE_CONTROL, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::body::whole_body;
use super::challenge::unauthorized;
use super::error::AcrError;
use super::forwarded::login_server;
use super::gate::credentials;
use super::render::json;
use crate::oci::ErrorReply;
use crate::registry::{AccessError, Authenticator, Credentials, Registry, Scope, TokenGrant};

/// The longest form that is read: it contains a token of Microsoft Entra.
const MAX_FORM: usize = 128 << 10;
/// The time limit for a form to arrive.
const FORM_LIMIT: Duration = Duration::from_secs(30);

/// The parameters of a request, from its body or its query.
struct Form(Vec<(String, Zeroizing<String>)>);

#[derive(Serialize)]
struct AccessAnswer<'a> {
    access_token: &'a str,
}

#[derive(Serialize)]
struct RefreshAnswer<'a> {
    refresh_token: &'a str,
}

/// The routes of the token endpoints.
pub fn router(authenticator: Authenticator) -> Router {
    Router::new()
        .route("/oauth2/exchange", post(exchange))
        .route("/oauth2/token", get(token_by_query).post(token_by_form))
        .with_state(authenticator)
}

/// Exchanges a token of Microsoft Entra for a refresh token of the registry.
async fn exchange(
    State(authenticator): State<Authenticator>,
    Extension(registry): Extension<Registry>,
    request: Request,
) -> Result<Response, ErrorReply> {
    let (head, body) = request.into_parts();
    let form = Form::read(body).await?;
    let token = match form.get("grant_type").unwrap_or_default() {
        "access_token" | "access_token_refresh_token" => form.secret("access_token")?,
        other => return Err(unsupported(other).into()),
    };
    let made = authenticator.exchange(&registry, form.service(&head), token).await;
    Ok(answer(made, |refresh_token| json(&RefreshAnswer { refresh_token })))
}

/// `GET`: docker's method, with a name and a password in the header, or nothing.
async fn token_by_query(
    State(authenticator): State<Authenticator>,
    Extension(registry): Extension<Registry>,
    request: Request,
) -> Response {
    let (head, _) = request.into_parts();
    let form = Form::parse(head.uri.query().unwrap_or_default().as_bytes());
    let grant = match credentials(&head.headers) {
        Credentials::None => TokenGrant::None,
        Credentials::Basic { user, password } => TokenGrant::Password { user, password },
        Credentials::Bearer(token) => TokenGrant::Refresh(token),
    };
    issue(&authenticator, &registry, &head, &form, grant).await
}

/// `POST`: the method of OAuth 2, with a refresh token or a name and a password in the form.
async fn token_by_form(
    State(authenticator): State<Authenticator>,
    Extension(registry): Extension<Registry>,
    request: Request,
) -> Result<Response, ErrorReply> {
    let (head, body) = request.into_parts();
    let form = Form::read(body).await?;
    let grant = match form.get("grant_type").unwrap_or_default() {
        "refresh_token" => TokenGrant::Refresh(form.secret("refresh_token")?),
        "password" => match (form.get("username"), form.get("password")) {
            // The SDKs without a credential: an anonymous client.
            (None, None) => TokenGrant::None,
            (None, Some(_)) => return Err(AcrError::MissingParameter("username").into()),
            (Some(user), _) => {
                TokenGrant::Password { user: user.to_owned(), password: form.secret("password")? }
            }
        },
        other => return Err(unsupported(other).into()),
    };
    Ok(issue(&authenticator, &registry, &head, &form, grant).await)
}

async fn issue(
    authenticator: &Authenticator,
    registry: &Registry,
    head: &Parts,
    form: &Form,
    grant: TokenGrant,
) -> Response {
    let scopes = Scope::parse_all(form.all("scope"));
    let made = authenticator.access_token(registry, form.service(head), grant, scopes).await;
    answer(made, |access_token| json(&AccessAnswer { access_token }))
}

fn answer(
    made: Result<Zeroizing<String>, AccessError>,
    render: impl FnOnce(&str) -> Response,
) -> Response {
    match made {
        Ok(token) => {
            let mut response = render(&token);
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        }
        Err(error) => {
            tracing::debug!(%error, "a token was refused");
            let (Ok(reply) | Err(reply)) = unauthorized(error, None);
            let mut response = reply.into_response();
            if response.status() == StatusCode::UNAUTHORIZED {
                // HTTP requires a challenge with each 401 (RFC 9110, section 15.5.2). A name and a password would be accepted here.
                let value = HeaderValue::from_static("Basic realm=\"Azure Container Registry\"");
                response.headers_mut().insert(WWW_AUTHENTICATE, value);
            }
            response
        }
    }
}

fn unsupported(grant: &str) -> AcrError {
    AcrError::UnsupportedGrant(grant.chars().take(64).collect())
}

impl Form {
    fn parse(bytes: &[u8]) -> Self {
        let pairs = form_urlencoded::parse(bytes);
        Self(pairs.map(|(name, value)| (name.into_owned(), value.into_owned().into())).collect())
    }

    async fn read(body: Body) -> Result<Self, AcrError> {
        let bytes = whole_body(body, MAX_FORM, FORM_LIMIT).await.map_err(AcrError::Form)?;
        let bytes = Zeroizing::new(Vec::from(bytes));
        Ok(Self::parse(&bytes))
    }

    /// The first value of a parameter. An empty value counts as missing.
    fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.0.iter().filter(|(known, _)| known == name);
        values.find_map(|(_, value)| (!value.is_empty()).then_some(value.as_str()))
    }

    /// A required secret.
    fn secret(&self, name: &'static str) -> Result<Zeroizing<String>, AcrError> {
        let value = self.get(name).ok_or(AcrError::MissingParameter(name))?;
        Ok(Zeroizing::new(value.to_owned()))
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The client's name for the registry.
    fn service(&self, head: &Parts) -> String {
        self.get("service").map_or_else(|| login_server(head), str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_parameter_may_be_repeated_and_an_empty_one_counts_as_missing() {
        let form = Form::parse(b"scope=a%3Ab&scope=c+d&refresh_token=&service=x");

        assert_eq!(form.all("scope").collect::<Vec<_>>(), ["a:b", "c d"]);
        assert_eq!((form.get("refresh_token"), form.get("service")), (None, Some("x")));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(bytes: Vec<u8>) {
            let form = Form::parse(&bytes);
            let _ = Scope::parse_all(form.all("scope"));
        }
    }
}
