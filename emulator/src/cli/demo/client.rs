//! The client of the demo: sends plain HTTP requests, and records each with the status of its answer.

use std::time::Duration;

use reqwest::{Client, Method, StatusCode};
use serde::Serialize;
use serde_json::Value;

use super::image::{Blob, MANIFEST};
use crate::cli::client::install_crypto_provider;
use crate::cli::error::CliError;

/// The timeout of a request.
const LIMIT: Duration = Duration::from_mins(1);

/// A client of one emulator.
#[derive(Debug)]
pub(super) struct Requests {
    /// The emulator: its own API.
    base: String,
    /// The registry for content.
    registry: String,
    http: Client,
    sent: Vec<SentRequest>,
}

/// A request and the status of its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct SentRequest {
    /// Method and path.
    pub(super) request: String,
    /// The status, as a number.
    pub(super) status: u16,
}

/// An answer with its complete body.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Vec<u8>,
    location: Option<String>,
}

impl Requests {
    pub(super) fn new(base: &str) -> Result<Self, CliError> {
        install_crypto_provider();
        let http = Client::builder().no_proxy().timeout(LIMIT).tls_certs_only([]).build();
        let http = http.map_err(|error| CliError::Io(std::io::Error::other(error)))?;
        Ok(Self { base: base.to_owned(), registry: base.to_owned(), http, sent: Vec::new() })
    }

    /// Sends content to this registry from now on.
    pub(super) fn use_registry(&mut self, url: &str) {
        url.clone_into(&mut self.registry);
    }

    /// The requests since the last call.
    pub(super) fn take_sent(&mut self) -> Vec<SentRequest> {
        std::mem::take(&mut self.sent)
    }

    pub(super) async fn get(&mut self, path: &str) -> Result<Answer, CliError> {
        self.send(Method::GET, path, None, Vec::new()).await
    }

    pub(super) async fn post(&mut self, path: &str, body: &Value) -> Result<Answer, CliError> {
        self.send(Method::POST, path, Some("application/json"), body.to_string().into_bytes()).await
    }

    /// Pushes a blob as docker does: begin, send, name the digest.
    pub(super) async fn push(&mut self, repository: &str, blob: &Blob) -> Result<Answer, CliError> {
        let begun = format!("/v2/{repository}/blobs/uploads/");
        let begun = self.send(Method::POST, &begun, None, Vec::new()).await?;
        let Some(location) = begun.location.clone() else { return Ok(begun) };
        let octets = Some("application/octet-stream");
        let sent = self.send(Method::PATCH, &location, octets, blob.bytes.clone()).await?;
        if !sent.status.is_success() {
            return Ok(sent);
        }
        let finish = format!("{location}?digest={}", blob.digest);
        self.send(Method::PUT, &finish, None, Vec::new()).await
    }

    pub(super) async fn put_manifest(
        &mut self,
        path: &str,
        manifest: &[u8],
    ) -> Result<Answer, CliError> {
        self.send(Method::PUT, path, Some(MANIFEST), manifest.to_vec()).await
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        content_type: Option<&str>,
        body: Vec<u8>,
    ) -> Result<Answer, CliError> {
        let base = if path.starts_with("/_sealyard/") { &self.base } else { &self.registry };
        let mut request = self.http.request(method.clone(), format!("{base}{path}"));
        if let Some(content_type) = content_type {
            request = request.header(http::header::CONTENT_TYPE, content_type);
        }
        let gone = |error: reqwest::Error| CliError::NoAnswer {
            url: base.clone(),
            failure: Some(error.without_url()),
            last: None,
        };
        let response = request.body(body).send().await.map_err(gone)?;
        let status = response.status();
        let location = response.headers().get(http::header::LOCATION);
        let location = location.and_then(|value| value.to_str().ok()).map(str::to_owned);
        let body = response.bytes().await.map_err(gone)?.to_vec();
        self.sent
            .push(SentRequest { request: format!("{method} {path}"), status: status.as_u16() });
        Ok(Answer { status, body, location })
    }
}

impl Answer {
    /// The body as JSON, or `null` if it is not JSON.
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}
