//! The caller of a request and their permissions, and requests that the control plane makes to itself as that caller.
//!
//! The dispatch makes one for every request that needs a token. Deployments, and the deletion of a group, use
//! [`Context::call`]: it makes the same request as the caller would, with the caller's own roles.

use axum::body::Body;
use azure_emulator_core::authorization::Scope;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::{Extensions, HeaderMap, Method, Request, StatusCode, Uri, header};
use http_body_util::BodyExt as _;
use mock_keyvault::Caller;
use mock_keyvault::Gate;
use mock_keyvault::control;
use serde_json::Value;

use super::error::ArmError;
use super::state::Arm;

/// The API version in requests to itself. Every version is served as the newest.
const API_VERSION: &str = "2026-01-01";

/// The caller of a request.
#[derive(Clone)]
pub(super) struct Context {
    pub(super) arm: Arm,
    pub(super) caller: Caller,
    /// Host and port that the client used.
    pub(super) host: String,
}

impl Context {
    /// Authenticates the caller by the token, then checks the API version. `host` is the client's `Host`.
    pub(super) fn authenticate(
        arm: &Arm,
        host: &str,
        headers: &HeaderMap,
        extensions: &Extensions,
        uri: &Uri,
    ) -> Result<Self, ArmError> {
        let caller = arm.gate.caller(host, headers, extensions)?;
        control::require_api_version(uri.query().unwrap_or_default())?;
        Ok(Self { arm: arm.clone(), caller, host: host.to_owned() })
    }

    /// Refuses a caller without a role for an action at a scope.
    pub(super) fn require(&self, action: &'static str, at: &Scope) -> Result<(), ArmError> {
        Ok(self.arm.gate.require(&self.caller, action, at)?)
    }

    /// Whether the caller has a role for an action at a scope.
    pub(super) fn may(&self, action: &str, at: &Scope) -> bool {
        self.arm.gate.may(&self.caller, action, at)
    }

    /// The URL of a path of the control plane, at the host that the client used.
    pub(super) fn url(&self, path: &str) -> String {
        format!("https://{}{path}?api-version={API_VERSION}", self.host)
    }

    /// Sends a request to the control plane as the caller. Returns the status and the body, which is `null` if it is
    /// not JSON.
    pub(super) fn call<'a>(
        &'a self,
        method: Method,
        path: &'a str,
        body: Option<&'a Value>,
    ) -> BoxFuture<'a, Result<(StatusCode, Value), ArmError>> {
        async move {
            let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
            let mut request = Request::builder()
                .method(method)
                .uri(format!("{path}?api-version={API_VERSION}"))
                .header(header::HOST, &self.host)
                .header(header::CONTENT_TYPE, "application/json")
                .body(body)
                .map_err(|_| control::RequestError::nothing_at(path))?;
            // The token may expire while work remains; roles are checked for each request.
            Gate::vouch(&mut request, &self.caller);
            let response = (self.arm.respond)(self.arm.clone(), request).await;
            let status = response.status();
            let collected = response.into_body().collect().await;
            let bytes = collected.map(http_body_util::Collected::to_bytes).unwrap_or_default();
            Ok((status, serde_json::from_slice(&bytes).unwrap_or_default()))
        }
        .boxed()
    }
}
