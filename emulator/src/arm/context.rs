//! Who asks the control plane, and what they may; and requests that it makes to itself in their name.
//!
//! Made by the dispatch for every request but those that need no token. A deployment, and the deletion of a group, work
//! through [`Context::call`]: the same request as if the caller had sent it, with the caller's own roles.

use axum::body::Body;
use azure_emulator_core::authorization::Scope;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::{Extensions, HeaderMap, Method, Request, StatusCode, Uri, header};
use http_body_util::BodyExt as _;
use mock_keyvault::Gate;
use mock_keyvault::control;
use mock_keyvault::vault::Caller;
use serde_json::Value;

use super::Arm;
use super::error::ArmError;

/// The version that requests to ourselves name. Any is served as the newest.
const API_VERSION: &str = "2026-01-01";

/// Who asks.
#[derive(Clone)]
pub(super) struct Context {
    pub(super) arm: Arm,
    pub(super) caller: Caller,
    /// Host and port that the client used.
    pub(super) host: String,
}

impl Context {
    /// Who asks, by the token; then the version is asked for. `host` is what the client used.
    pub(super) fn of(
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

    /// Refuses a caller who has no role for an action at a scope.
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

    /// What the control plane answers the caller to a request for a path: status and body, which is `null` if it is none
    /// that is JSON.
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
            // A token may end while there is work to do still; roles are asked for each time.
            Gate::vouch(&mut request, &self.caller);
            let response = super::respond(&self.arm, request).await;
            let status = response.status();
            let collected = response.into_body().collect().await;
            let bytes = collected.map(http_body_util::Collected::to_bytes).unwrap_or_default();
            Ok((status, serde_json::from_slice(&bytes).unwrap_or_default()))
        }
        .boxed()
    }
}
