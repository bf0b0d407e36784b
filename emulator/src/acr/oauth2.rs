//! `/oauth2/exchange` and `/oauth2/token`: the tokens of a registry.
//!
//! They answer in every state of the key: a token is not content. What a client may do is decided by
//! [`Doorkeeper`](crate::registry::Doorkeeper).

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use http::header::{CACHE_CONTROL, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use serde::Serialize;
use tokio::time::timeout;
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::challenge::unauthorized;
use super::error::AcrError;
use super::gate::credentials;
use super::{json, login_server};
use crate::oci::ErrorReply;
use crate::registry::{AccessError, Credentials, Doorkeeper, Proof, Registry, Scope};

/// The longest form that is read: it carries a token of Microsoft Entra.
const MAX_FORM: usize = 128 << 10;
/// How long a form may take to arrive.
const FORM_LIMIT: Duration = Duration::from_secs(30);

/// The parameters of a request, of its body or its query.
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
pub fn router(doorkeeper: Doorkeeper) -> Router {
    Router::new()
        .route("/oauth2/exchange", post(exchange))
        .route("/oauth2/token", get(token_by_query).post(token_by_form))
        .with_state(doorkeeper)
}

/// Trades a token of Microsoft Entra for a refresh token of the registry.
async fn exchange(
    State(doorkeeper): State<Doorkeeper>,
    Extension(registry): Extension<Registry>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let form = match Form::of_body(body).await {
        Ok(form) => form,
        Err(error) => return ErrorReply::from(error).into_response(),
    };
    let service = form.service(&head);
    let grant = form.get("grant_type").unwrap_or_default();
    let made = match grant {
        "access_token" | "access_token_refresh_token" => match form.get("access_token") {
            Some(token) => {
                let token = Zeroizing::new(token.to_owned());
                doorkeeper.exchange(&registry, service, token).await
            }
            None => return missing("access_token"),
        },
        other => return unsupported(other),
    };
    answer(made, |refresh_token| json(&RefreshAnswer { refresh_token }))
}

/// `GET`: docker's way, with a name and a password in the header, or nothing.
async fn token_by_query(
    State(doorkeeper): State<Doorkeeper>,
    Extension(registry): Extension<Registry>,
    request: Request,
) -> Response {
    let (head, _) = request.into_parts();
    let form = Form::of(head.uri.query().unwrap_or_default().as_bytes());
    let proof = match credentials(&head.headers) {
        Credentials::None => Proof::None,
        Credentials::Basic { user, password } => Proof::Password { user, password },
        Credentials::Bearer(token) => Proof::Refresh(token),
    };
    issue(&doorkeeper, &registry, &head, &form, proof).await
}

/// `POST`: the way of OAuth 2, with a refresh token or a name and a password in the form.
async fn token_by_form(
    State(doorkeeper): State<Doorkeeper>,
    Extension(registry): Extension<Registry>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let form = match Form::of_body(body).await {
        Ok(form) => form,
        Err(error) => return ErrorReply::from(error).into_response(),
    };
    let proof = match form.get("grant_type").unwrap_or_default() {
        "refresh_token" => match form.get("refresh_token") {
            Some(token) => Proof::Refresh(Zeroizing::new(token.to_owned())),
            None => return missing("refresh_token"),
        },
        "password" => match (form.get("username"), form.get("password")) {
            (Some(user), Some(password)) => Proof::Password {
                user: user.to_owned(),
                password: Zeroizing::new(password.to_owned()),
            },
            // The SDKs without a credential: nobody in particular.
            (None, None) => Proof::None,
            (None, Some(_)) => return missing("username"),
            (Some(_), None) => return missing("password"),
        },
        other => return unsupported(other),
    };
    issue(&doorkeeper, &registry, &head, &form, proof).await
}

async fn issue(
    doorkeeper: &Doorkeeper,
    registry: &Registry,
    head: &Parts,
    form: &Form,
    proof: Proof,
) -> Response {
    let scopes = Scope::of_texts(form.all("scope"));
    let made = doorkeeper.access_token(registry, form.service(head), proof, scopes).await;
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
                // HTTP wants one with each 401 (RFC 9110, section 15.5.2). A name and a password would do here.
                let value = HeaderValue::from_static("Basic realm=\"Azure Container Registry\"");
                response.headers_mut().insert(WWW_AUTHENTICATE, value);
            }
            response
        }
    }
}

fn missing(name: &'static str) -> Response {
    ErrorReply::from(AcrError::MissingParameter(name)).into_response()
}

fn unsupported(grant: &str) -> Response {
    let grant = grant.chars().take(64).collect();
    ErrorReply::from(AcrError::UnsupportedGrant(grant)).into_response()
}

impl Form {
    fn of(bytes: &[u8]) -> Self {
        let pairs = form_urlencoded::parse(bytes);
        Self(pairs.map(|(name, value)| (name.into_owned(), value.into_owned().into())).collect())
    }

    async fn of_body(body: Body) -> Result<Self, AcrError> {
        match timeout(FORM_LIMIT, Limited::new(body, MAX_FORM).collect()).await {
            Ok(Ok(collected)) => {
                let bytes = Zeroizing::new(Vec::from(collected.to_bytes()));
                Ok(Self::of(&bytes))
            }
            Ok(Err(error)) => Err(AcrError::Form(error.to_string())),
            Err(_) => Err(AcrError::Form("it did not arrive".to_owned())),
        }
    }

    /// The first value of a parameter. An empty one is none.
    fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.0.iter().filter(|(known, _)| known == name);
        values.find_map(|(_, value)| (!value.is_empty()).then_some(value.as_str()))
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// How the client calls the registry.
    fn service(&self, head: &Parts) -> String {
        self.get("service").map_or_else(|| login_server(head), str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_parameter_may_come_again_and_an_empty_one_is_none() {
        let form = Form::of(b"scope=a%3Ab&scope=c+d&refresh_token=&service=x");

        assert_eq!(form.all("scope").collect::<Vec<_>>(), ["a:b", "c d"]);
        assert_eq!((form.get("refresh_token"), form.get("service")), (None, Some("x")));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(bytes: Vec<u8>) {
            let form = Form::of(&bytes);
            let _ = Scope::of_texts(form.all("scope"));
        }
    }
}
