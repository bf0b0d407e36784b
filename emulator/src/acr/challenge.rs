//! 401: who may not come in is told where to get a token, and what to ask for.
//!
//! The realm is the address that the client used, with http where it used http. There is no space behind the commas: the
//! Azure CLI splits there.

use axum::response::{IntoResponse as _, Response};
use http::header::WWW_AUTHENTICATE;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use mock_keyvault::listen::Wire;
use serde_json::{Value, json};

use super::login_server;
use crate::oci::{Code, ErrorReply, header_value};
use crate::registry::{AccessError, Scope};

/// What a refused request is answered with.
pub(super) struct Challenge {
    realm: String,
    service: String,
    scope: Option<Scope>,
}

impl Challenge {
    pub(super) fn of(head: &Parts, scope: Option<Scope>) -> Self {
        let service = login_server(head);
        let scheme = match head.extensions.get::<Wire>() {
            Some(Wire::Tls) => "https",
            Some(Wire::Plain) | None => "http",
        };
        Self { realm: format!("{scheme}://{service}/oauth2/token"), service, scope }
    }

    /// Nobody was let in, for this reason.
    pub(super) fn refuse(self, error: AccessError) -> Response {
        let problem = matches!(error, AccessError::Token(_)).then_some("invalid_token");
        match unauthorized(error, self.scope.as_ref()) {
            Ok(reply) => self.with_header(reply, problem),
            Err(failed) => failed.into_response(),
        }
    }

    /// Somebody is known, and may not do this.
    pub(super) fn insufficient(self) -> Response {
        let detail = detail(self.scope.as_ref());
        let words = "authentication required: the login is not allowed to do this";
        let reply = ErrorReply::new(StatusCode::UNAUTHORIZED, Code::Unauthorized, words, detail);
        self.with_header(reply, Some("insufficient_scope"))
    }

    fn with_header(self, reply: ErrorReply, problem: Option<&str>) -> Response {
        let Self { realm, service, scope } = self;
        let scope = scope.map(|scope| format!(",scope=\"{scope}\"")).unwrap_or_default();
        let problem = problem.map(|problem| format!(",error=\"{problem}\"")).unwrap_or_default();
        let value = format!("Bearer realm=\"{realm}\",service=\"{service}\"{scope}{problem}");
        let mut headers = HeaderMap::new();
        headers.insert(WWW_AUTHENTICATE, header_value(value));
        (headers, reply).into_response()
    }
}

/// The body of a refusal; or the answer to a failure that is not the client's doing.
pub(super) fn unauthorized(
    error: AccessError,
    scope: Option<&Scope>,
) -> Result<ErrorReply, ErrorReply> {
    let words = match error {
        AccessError::Registry(error) => return Err(error.into()),
        // The one sentence that ACR has for it.
        AccessError::Nobody => "authentication required".to_owned(),
        error @ (AccessError::WrongPassword
        | AccessError::AdminDisabled
        | AccessError::TokenDisabled(_)
        | AccessError::PasswordExpired(_)
        | AccessError::Token(_)
        | AccessError::Entra(_)
        | AccessError::NothingGranted) => format!("authentication required: {error}"),
    };
    let status = StatusCode::UNAUTHORIZED;
    Ok(ErrorReply::new(status, Code::Unauthorized, words, detail(scope)))
}

/// What was wanted, an entry for each action, with ACR's capital letters.
fn detail(scope: Option<&Scope>) -> Value {
    let entry = |kind: &str, name: &str, action: &str| json!({ "Type": kind, "Name": name, "Action": action });
    match scope {
        None => Value::Null,
        Some(Scope::Catalog) => json!([entry("registry", "catalog", "*")]),
        Some(Scope::Repository { name, actions }) => actions
            .iter()
            .map(|action| entry("repository", name.as_str(), action.as_str()))
            .collect(),
    }
}
