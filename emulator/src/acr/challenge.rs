//! 401: the response to a client without a sufficient login, with the address of the tokens and the scope to ask for.
//!
//! The realm is the address that the client used, with http if it used http. A trusted proxy can name that address.
//! There is no space after the commas: the Azure CLI splits there.
//!
//! Every message begins with ACR's own sentence. A message that equals docker's default for its code would be worse than
//! none: docker drops it, prints only `unauthorized`, and retries for 50 seconds.

use axum::response::{IntoResponse as _, Response};
use azure_emulator_core::listen::Wire;
use http::header::{ACCESS_CONTROL_EXPOSE_HEADERS, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::forwarded::{Forwarded, login_server};
use crate::oci::{API_VERSION, Code, ErrorReply, header_value};
use crate::registry::{AccessError, Scope};

/// ACR's sentence for every request without a login, or without a sufficient one.
const AUTHENTICATION_REQUIRED: &str =
    "authentication required, visit https://aka.ms/acr/authorization for more information.";

/// The headers of a 401 that a script of another origin may read.
const EXPOSED: [&str; 4] =
    ["Docker-Content-Digest", "WWW-Authenticate", "Link", "X-Ms-Correlation-Request-Id"];

/// The challenge in the response to a refused request.
pub(super) struct Challenge {
    realm: String,
    service: String,
    scope: Option<Scope>,
}

impl Challenge {
    pub(super) fn for_request(head: &Parts, scope: Option<Scope>) -> Self {
        let service = login_server(head);
        let forwarded = head.extensions.get::<Forwarded>().and_then(|forwarded| forwarded.scheme);
        let scheme = forwarded.unwrap_or(match head.extensions.get::<Wire>() {
            Some(Wire::Tls) => "https",
            Some(Wire::Plain) | None => "http",
        });
        Self { realm: format!("{scheme}://{service}/oauth2/token"), service, scope }
    }

    /// The client was not authenticated, for this reason.
    pub(super) fn refuse(self, error: AccessError) -> Response {
        let is_token = matches!(error, AccessError::Token(_));
        let problem = is_token.then(|| ("invalid_token", with_reason(&error)));
        match unauthorized(error, self.scope.as_ref()) {
            Ok(reply) => self.with_header(reply, problem),
            Err(failed) => failed.into_response(),
        }
    }

    /// The client is authenticated, but has no permission.
    pub(super) fn insufficient(self) -> Response {
        let detail = detail(self.scope.as_ref());
        let message = with_reason("the login has no permission for this request");
        let problem = ("insufficient_scope", message.clone());
        let reply = ErrorReply::new(StatusCode::UNAUTHORIZED, Code::Unauthorized, message, detail);
        self.with_header(reply, Some(problem))
    }

    /// Adds the problem in the form of OAuth (RFC 6750, section 3), if there is one. Docker shows its description, and not the
    /// message in the body. The description comes last: the Azure CLI reads the header up to the first space.
    fn with_header(self, reply: ErrorReply, problem: Option<(&str, String)>) -> Response {
        let Self { realm, service, scope } = self;
        let scope = scope.map(|scope| format!(",scope=\"{scope}\"")).unwrap_or_default();
        let problem = problem.map(|(problem, message)| {
            let message = message.replace(['"', '\\'], "'");
            format!(",error=\"{problem}\",error_description=\"{message}\"")
        });
        let problem = problem.unwrap_or_default();
        let value = format!("Bearer realm=\"{realm}\",service=\"{service}\"{scope}{problem}");
        let mut headers = HeaderMap::new();
        headers.insert(WWW_AUTHENTICATE, header_value(value));
        (headers, reply).into_response()
    }
}

/// Adds to a 401 the headers of every 401 of ACR, in addition to the challenge (GoogleContainerTools/jib#2784): those by which
/// clients recognise a registry, and those that a script of another origin may read. Other code need not add them.
pub async fn complete_401(mut response: Response) -> Response {
    if response.status() == StatusCode::UNAUTHORIZED {
        let headers = response.headers_mut();
        headers.insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
        for name in EXPOSED {
            headers.append(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(name));
        }
    }
    response
}

/// The body of a refusal, or the response to an internal failure.
pub(super) fn unauthorized(
    error: AccessError,
    scope: Option<&Scope>,
) -> Result<ErrorReply, ErrorReply> {
    let message = match error {
        AccessError::Registry(error) => return Err(error.into()),
        AccessError::LoginRequired => AUTHENTICATION_REQUIRED.to_owned(),
        error @ (AccessError::WrongPassword
        | AccessError::AdminDisabled
        | AccessError::TokenDisabled(_)
        | AccessError::PasswordExpired(_)
        | AccessError::Token(_)
        | AccessError::Entra(_)
        | AccessError::NothingGranted) => with_reason(error),
    };
    let status = StatusCode::UNAUTHORIZED;
    Ok(ErrorReply::new(status, Code::Unauthorized, message, detail(scope)))
}

/// ACR's sentence, followed by the reason.
fn with_reason(reason: impl std::fmt::Display) -> String {
    format!("{AUTHENTICATION_REQUIRED} Reason: {reason}.")
}

/// The requested scope, with an entry for each action, in ACR's capital letters.
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
