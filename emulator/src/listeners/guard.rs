//! Decides which clients may use the admin API and the content of `local`, on a listener with plain HTTP.
//!
//! It refuses three kinds of clients. *Other machines on the network*: if the listener is not the loopback and the network is
//! not trusted, the admin API needs `Authorization: Bearer` and content needs Basic, with secrets that were created at the
//! first start and are in the data folder, readable by its owner; a registry with its own logins needs those. A
//! *web page of another site* in the user's browser, which can reach the loopback: the browser sends its `Origin`, and
//! does not send `application/json` or `application/octet-stream` without a preflight; an origin in `--cors-origin` may use
//! content, but not the admin API. A *page whose DNS name was rebound* to this
//! machine: then `Host` is not a name of this emulator.
//!
//! It does not encrypt: a listener on an open network needs a TLS proxy.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use azure_emulator_core::authority::{Authority, host_of};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use url::Url;

use super::names::is_registry_name;
use super::secrets::{ADMIN_TOKEN_FILE, Secrets};
use crate::config::{Config, Origin};
use crate::registry::Registry;

/// How the site of the page that made a request compares to this one (W3C, Fetch Metadata Request Headers).
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The refusal of a request. The API that the guard protects renders it.
#[derive(Clone, Debug)]
pub(crate) struct GuardRefusal {
    pub(crate) status: StatusCode,
    /// The code for programs.
    pub(crate) code: &'static str,
    /// The message for people.
    pub(crate) message: String,
}

/// The rules of one listener. Clones share them.
#[derive(Clone)]
pub struct Guard(Arc<Rules>);

struct Rules {
    /// `None` if every client that can connect is trusted.
    secrets: Option<Secrets>,
    /// Host names of this emulator besides those of the loopback, in lower case.
    aliases: Vec<String>,
    /// The origins whose pages may use registries.
    origins: Vec<Origin>,
}

impl GuardRefusal {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }
}

impl Guard {
    /// The rules for a listener. Missing secrets are created in the data folder if they are needed, unless the user gave
    /// the password; all listeners of an emulator share them.
    pub fn open(config: &Config, listener: SocketAddr, data_dir: &Path) -> io::Result<Self> {
        let secrets = if config.is_open_at(listener) {
            None
        } else {
            tracing::info!(
                listener.address = %listener,
                "other machines can reach the listener: clients need the password, and the admin API needs its token"
            );
            Some(Secrets::open(&config.password, data_dir)?)
        };
        let aliases = config.hostname_alias.iter().map(|name| name.to_ascii_lowercase()).collect();
        let origins = config.cors_origin.clone();
        Ok(Self(Arc::new(Rules { secrets, aliases, origins })))
    }

    /// Whether clients need secrets.
    pub fn asks_for_secrets(&self) -> bool {
        self.0.secrets.is_some()
    }

    /// Puts the rules before the admin API.
    pub(crate) fn protect<R>(&self, routes: Router) -> Router
    where
        R: From<GuardRefusal> + IntoResponse + 'static,
    {
        routes.layer(from_fn_with_state(self.clone(), admin::<R>))
    }

    /// Refuses web pages of other sites before the routes that need no token.
    pub(crate) fn protect_public<R>(&self, routes: Router) -> Router
    where
        R: From<GuardRefusal> + IntoResponse + 'static,
    {
        routes.layer(from_fn_with_state(self.clone(), public::<R>))
    }

    /// Puts the rules before the content of `local`.
    pub fn protect_content(&self, routes: Router) -> Router {
        routes.layer(from_fn_with_state(self.clone(), content))
    }

    fn admits(&self, request: &Request) -> Result<(), GuardRefusal> {
        self.refuse_foreign_pages(request)?;
        if let Some(secrets) = &self.0.secrets {
            if !secrets.is_bearer(request.headers()) {
                return Err(GuardRefusal::new(
                    StatusCode::UNAUTHORIZED,
                    "Unauthorized",
                    format!(
                        "send `Authorization: Bearer` with the content of the file {ADMIN_TOKEN_FILE} in the data folder"
                    ),
                ));
            }
        } else {
            self.refuse_foreign_hosts(request)?;
        }
        if request.method() == Method::POST && !is_from_a_program(request.headers()) {
            return Err(GuardRefusal::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "UnsupportedMediaType",
                "send `Content-Type: application/json`, or application/octet-stream with a log",
            ));
        }
        Ok(())
    }

    /// A browser sends the site of a page in `Origin` with every request that can change something, and with every request
    /// that reads from another site, unless the page may not see the answer. With each request, it compares the sites in
    /// `Sec-Fetch-Site`; `none` means that the user requested it, such as in the address bar. A link of another page may lead here
    /// (a navigation of the whole page, in the terms of Fetch Metadata): that page does not see the answer.
    fn refuse_foreign_pages(&self, request: &Request) -> Result<(), GuardRefusal> {
        let headers = request.headers();
        let is_ours = |origin: &HeaderValue| {
            let origin = Url::parse(origin.to_str().ok()?).ok()?;
            let authority = origin.port().map_or_else(
                || origin.host_str().map(str::to_owned),
                |port| origin.host_str().map(|host| format!("{host}:{port}")),
            )?;
            let host = headers.get(header::HOST)?.to_str().ok()?;
            Some(host.eq_ignore_ascii_case(&authority) && self.is_our_name(&authority))
        };
        let of_origin =
            headers.get(header::ORIGIN).is_some_and(|origin| is_ours(origin) != Some(true));
        let has = |name: &str, value: &str| headers.get(name).is_some_and(|found| found == value);
        let is_link = (request.method() == Method::GET || request.method() == Method::HEAD)
            && has("sec-fetch-mode", "navigate")
            && has("sec-fetch-dest", "document");
        let mut fetched = headers.get_all(SEC_FETCH_SITE).iter();
        let is_foreign = fetched.any(|site| site != "same-origin" && site != "none") && !is_link;
        if of_origin || is_foreign {
            return Err(GuardRefusal::new(
                StatusCode::FORBIDDEN,
                "ForeignOrigin",
                "web pages of other sites may not use this API",
            ));
        }
        Ok(())
    }

    fn refuse_foreign_hosts(&self, request: &Request) -> Result<(), GuardRefusal> {
        match host_of(request) {
            Some(host) if !self.is_our_name(host) => Err(GuardRefusal::new(
                StatusCode::FORBIDDEN,
                "ForeignHost",
                format!(
                    "{host:?} is not a name of this emulator; if it should be, start the emulator with --hostname-alias"
                ),
            )),
            _ => Ok(()),
        }
    }

    /// Names that an attacker cannot resolve to this machine: addresses, names of the loopback, names that the public DNS does not
    /// have (without a dot, or below `internal` and `local`, as containers and clusters use them), and the aliases.
    fn is_our_name(&self, authority: &str) -> bool {
        let Ok(authority) = authority.parse::<Authority>() else { return false };
        let host = authority.name();
        authority.address().is_some()
            || [".localhost", ".internal", ".local"].iter().any(|end| host.ends_with(end))
            || !host.contains('.')
            || self.0.aliases.iter().any(|alias| alias == host)
    }
}

/// Whether a request names a registry as the public service does. An attacker cannot resolve such a name to this machine, and
/// no page is served under one.
fn names_a_registry(request: &Request) -> bool {
    Authority::from_request(request).is_some_and(|authority| is_registry_name(authority.name()))
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("asks_for_secrets", &self.asks_for_secrets())
            .finish_non_exhaustive()
    }
}

async fn admin<R>(State(guard): State<Guard>, request: Request, next: Next) -> Response
where
    R: From<GuardRefusal> + IntoResponse,
{
    match guard.admits(&request) {
        Ok(()) => next.run(request).await,
        Err(refusal) => {
            let mut response = R::from(refusal).into_response();
            if response.status() == StatusCode::UNAUTHORIZED {
                response
                    .headers_mut()
                    .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            response
        }
    }
}

async fn public<R>(State(guard): State<Guard>, request: Request, next: Next) -> Response
where
    R: From<GuardRefusal> + IntoResponse,
{
    match guard.refuse_foreign_pages(&request) {
        Ok(()) => next.run(request).await,
        Err(refusal) => R::from(refusal).into_response(),
    }
}

async fn content(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let names = |origin| guard.0.origins.iter().any(|named| named.value() == origin);
    let is_named = request.headers().get(header::ORIGIN).is_some_and(names);
    if !is_named && guard.refuse_foreign_pages(&request).is_err() {
        return content_refusal(
            StatusCode::FORBIDDEN,
            "DENIED",
            "web pages of other sites may not use the registries",
        );
    }
    // If a password is needed, a page whose name was rebound does not have it.
    let is_foreign = !guard.asks_for_secrets()
        && guard.refuse_foreign_hosts(&request).is_err()
        && !names_a_registry(&request);
    if is_foreign {
        let message = "the host is not a name of this emulator; if it should be, start the emulator with --hostname-alias";
        return content_refusal(StatusCode::FORBIDDEN, "DENIED", message);
    }
    let has_logins =
        request.extensions().get::<Registry>().is_some_and(|registry| !registry.is_open());
    let secrets = guard.0.secrets.as_ref().filter(|_| !has_logins);
    if secrets.is_some_and(|secrets| !secrets.is_basic(request.headers())) {
        let message = "log in with any user name and the password in the file registry.password of the data folder";
        let mut response = content_refusal(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", message);
        let challenge = HeaderValue::from_static("Basic realm=\"sealyard\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        return response;
    }
    next.run(request).await
}

/// The error body of the distribution specification.
fn content_refusal(status: StatusCode, code: &str, message: &str) -> Response {
    let body =
        serde_json::json!({ "errors": [{ "code": code, "message": message, "detail": null }] });
    (status, axum::Json(body)).into_response()
}

/// Whether a browser needs a preflight before a page of another site can send this type of content.
fn is_from_a_program(headers: &HeaderMap) -> bool {
    let value =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = value.split(';').next().unwrap_or_default().trim();
    ["application/json", "application/octet-stream"]
        .iter()
        .any(|known| kind.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::routing::any;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use fs_err as fs;
    use tower::ServiceExt as _;

    use super::super::secrets::{REGISTRY_PASSWORD_FILE, password_of};
    use super::*;
    use crate::password::{Password, PasswordSource};

    /// The refusal as its status.
    struct Refused(StatusCode);

    impl From<GuardRefusal> for Refused {
        fn from(refusal: GuardRefusal) -> Self {
            Self(refusal.status)
        }
    }

    impl IntoResponse for Refused {
        fn into_response(self) -> Response {
            self.0.into_response()
        }
    }

    fn guard(listen: &str, folder: &Path) -> Guard {
        let config = Config {
            listen: listen.parse().unwrap(),
            hostname_alias: vec!["registry.corp.test".to_owned()],
            ..Config::default()
        };
        Guard::open(&config, config.listen, folder).unwrap()
    }

    async fn status_of(routes: Router, request: http::request::Builder) -> StatusCode {
        routes.oneshot(request.uri("/x").body(Body::empty()).unwrap()).await.unwrap().status()
    }

    fn routes() -> Router {
        Router::new().route("/x", any(|| async { "reached" }))
    }

    async fn on_loopback(request: http::request::Builder) -> StatusCode {
        let folder = tempfile::tempdir().unwrap();
        status_of(guard("127.0.0.1:5000", folder.path()).protect::<Refused>(routes()), request)
            .await
    }

    fn post() -> http::request::Builder {
        Request::post("/x")
            .header(header::HOST, "localhost:5000")
            .header(header::CONTENT_TYPE, "application/json")
    }

    #[tokio::test]
    async fn a_web_page_of_another_site_is_refused() {
        for origin in [
            "https://evil.test",
            "null",
            "http://localhost:3000",
            "http://localhost",
            "http://evil.test:5000",
            "junk",
        ] {
            assert_eq!(
                on_loopback(post().header(header::ORIGIN, origin)).await,
                StatusCode::FORBIDDEN,
                "{origin}"
            );
        }
        assert_eq!(
            on_loopback(post().header(header::ORIGIN, "http://localhost:5000")).await,
            StatusCode::OK
        );
    }

    #[tokio::test]
    async fn a_name_that_was_rebound_to_this_machine_is_refused() {
        let of = |host: &str| Request::get("/x").header(header::HOST, host);

        for host in ["evil.test:5000", "localhost.evil.test", "127.0.0.1.evil.test:5000"] {
            assert_eq!(on_loopback(of(host)).await, StatusCode::FORBIDDEN, "{host}");
            let with_origin = of(host).header(header::ORIGIN, format!("http://{host}"));
            assert_eq!(on_loopback(with_origin).await, StatusCode::FORBIDDEN, "{host}");
        }
        let ours = [
            "localhost:5000",
            "127.0.0.1:5000",
            "[::1]:5000",
            "local.azurecr.localhost",
            "registry:5000",
            "host.docker.internal:5000",
            "registry.default.svc.cluster.local",
        ];
        for host in ours.into_iter().chain(["Registry.Corp.Test:5000"]) {
            assert_eq!(on_loopback(of(host)).await, StatusCode::OK, "{host}");
        }
    }

    #[tokio::test]
    async fn a_post_must_be_json() {
        let forms =
            ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"];
        for kind in forms {
            let request = Request::post("/x")
                .header(header::HOST, "localhost")
                .header(header::CONTENT_TYPE, kind);
            assert_eq!(on_loopback(request).await, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{kind}");
        }
        let bare = Request::post("/x").header(header::HOST, "localhost");
        assert_eq!(on_loopback(bare).await, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        let with_charset =
            Request::post("/x").header(header::CONTENT_TYPE, "application/json; charset=utf-8");
        assert_eq!(on_loopback(with_charset).await, StatusCode::OK);
    }

    #[tokio::test]
    async fn a_listener_off_the_loopback_needs_the_token() {
        let folder = tempfile::tempdir().unwrap();
        let guard = guard("0.0.0.0:5000", folder.path());
        let token = fs::read_to_string(folder.path().join(ADMIN_TOKEN_FILE)).unwrap();
        let password = fs::read_to_string(folder.path().join(REGISTRY_PASSWORD_FILE)).unwrap();
        let get = |value: Option<String>| {
            let request = Request::get("/x").header(header::HOST, "anything.test:5000");
            let request = match value {
                Some(value) => request.header(header::AUTHORIZATION, value),
                None => request,
            };
            status_of(guard.protect::<Refused>(routes()), request)
        };

        assert_eq!(get(None).await, StatusCode::UNAUTHORIZED);
        assert_eq!(get(Some("Bearer".to_owned())).await, StatusCode::UNAUTHORIZED);
        assert_eq!(get(Some("Bearer wrong".to_owned())).await, StatusCode::UNAUTHORIZED);
        assert_eq!(get(Some(format!("Bearer {password}"))).await, StatusCode::UNAUTHORIZED);
        assert_eq!(get(Some(format!("bearer {token}"))).await, StatusCode::OK);
    }

    #[tokio::test]
    async fn content_off_the_loopback_needs_the_password() {
        let folder = tempfile::tempdir().unwrap();
        let guard = guard("0.0.0.0:5000", folder.path());
        let password = fs::read_to_string(folder.path().join(REGISTRY_PASSWORD_FILE)).unwrap();
        let basic = |pair: &str| {
            Request::get("/x")
                .header(header::AUTHORIZATION, format!("Basic {}", STANDARD.encode(pair)))
        };

        let bare = guard
            .protect_content(routes())
            .oneshot(Request::get("/x").body(Body::empty()).unwrap())
            .await;

        let bare = bare.unwrap();
        assert_eq!(bare.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(bare.headers()[header::WWW_AUTHENTICATE], "Basic realm=\"sealyard\"");
        for wrong in ["", "u", "u:", "u:wrong", &password] {
            let status = status_of(guard.protect_content(routes()), basic(wrong)).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{wrong}");
        }
        let right = basic(&format!("anybody:{password}"));
        assert_eq!(status_of(guard.protect_content(routes()), right).await, StatusCode::OK);
    }

    #[tokio::test]
    async fn a_given_password_is_needed_and_not_stored() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret.txt");
        fs::write(&file, "from a file\n").unwrap();
        let given = PasswordSource::Given(Password::new("given").unwrap());
        let of_file = PasswordSource::File(file.clone());

        for (source, password) in [(given, "given"), (of_file.clone(), "from a file")] {
            let config = Config { password: source, ..Config::default() };
            let listener = "0.0.0.0:5000".parse().unwrap();
            let guard = Guard::open(&config, listener, folder.path()).unwrap();
            let basic = |pair: &str| {
                let value = format!("Basic {}", STANDARD.encode(pair));
                let request = Request::get("/x").header(header::AUTHORIZATION, value);
                status_of(guard.protect_content(routes()), request)
            };

            assert_eq!(basic(&format!("anybody:{password}")).await, StatusCode::OK);
            assert_eq!(basic("anybody:other").await, StatusCode::UNAUTHORIZED);
            assert!(!folder.path().join(REGISTRY_PASSWORD_FILE).exists());
        }
        fs::write(&file, "\n").unwrap();
        let error = password_of(&of_file, folder.path()).unwrap_err().to_string();
        assert_eq!(error, format!("the password file {} is empty", file.display()));
    }

    #[tokio::test]
    async fn content_on_the_loopback_needs_no_password_but_refuses_foreign_pages() {
        let folder = tempfile::tempdir().unwrap();
        let guard = guard("127.0.0.1:5000", folder.path());

        assert_eq!(
            status_of(guard.protect_content(routes()), Request::put("/x")).await,
            StatusCode::OK
        );
        let page = Request::post("/x")
            .header(header::HOST, "localhost:5000")
            .header(header::ORIGIN, "https://evil.test");
        assert_eq!(status_of(guard.protect_content(routes()), page).await, StatusCode::FORBIDDEN);
        let rebound = Request::get("/x").header(header::HOST, "evil.test:5000");
        assert_eq!(
            status_of(guard.protect_content(routes()), rebound).await,
            StatusCode::FORBIDDEN
        );
        let ours = Request::get("/x").header(header::HOST, "registry.corp.test:5000");
        assert_eq!(status_of(guard.protect_content(routes()), ours).await, StatusCode::OK);
        // A public name of a registry is accepted; the admin API works under it as well.
        let public = || Request::get("/x").header(header::HOST, "team1.azurecr.io");
        assert_eq!(status_of(guard.protect_content(routes()), public()).await, StatusCode::OK);
        assert_eq!(
            status_of(guard.protect::<Refused>(routes()), public()).await,
            StatusCode::FORBIDDEN
        );
        assert!(
            fs::read_dir(folder.path()).unwrap().next().is_none(),
            "no secret is created if none is needed"
        );
    }
}
