//! The way to the running emulator: finding it, and asking it over the admin API.

use std::time::Duration;

use reqwest::{Client, RequestBuilder, Response};
use rustix::process::Pid;
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;
use zeroize::Zeroizing;

use super::GlobalArgs;
use super::error::CliError;
use crate::admin::{
    ADMIN_TOKEN_FILE, ENDPOINTS_FILE, ErrorBody, PREFIX, StatusReport, read_endpoints,
};

/// The token of an emulator that is not found by its data folder.
pub(super) const TOKEN_ENV: &str = "SEALYARD_ADMIN_TOKEN";

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a health check may take in all.
const HEALTH: Duration = Duration::from_secs(5);

/// A running emulator.
#[derive(Debug)]
pub(super) struct Emulator {
    base: Url,
    client: Client,
    token: Option<Token>,
}

/// A token that is not told.
pub(super) struct Token(Zeroizing<String>);

impl Emulator {
    /// The emulator that `--endpoint` names, else the one that runs for the data folder.
    pub(super) fn find(global: &GlobalArgs) -> Result<Self, CliError> {
        if let Some(endpoint) = &global.endpoint {
            // The token of a folder is for the emulator of that folder: it is sent to a URL only if both were named.
            let token =
                Token::of_environment().or_else(|| Token::of_folder(global.data_dir.as_deref()?));
            return Self::at(endpoint.clone(), token);
        }
        let data_dir = global.data_dir()?;
        let report = running(&data_dir).ok_or_else(|| CliError::NotRunning(data_dir.clone()))?;
        let base = report.registry.parse().map_err(|_| CliError::NotRunning(data_dir.clone()))?;
        Self::at(base, Token::of_environment().or_else(|| Token::of_folder(&data_dir)))
    }

    /// The emulator at a URL.
    pub(super) fn at(mut base: Url, token: Option<Token>) -> Result<Self, CliError> {
        // An error says that another provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut client = Client::builder().no_proxy().connect_timeout(CONNECT);
        if base.scheme() == "http" {
            // No roots are needed, and in a container made from nothing there are none, which would be an error.
            client = client.tls_certs_only([]);
        }
        let client = client.build().map_err(|error| CliError::Io(std::io::Error::other(error)))?;
        base.set_path("");
        base.set_query(None);
        Ok(Self { base, client, token })
    }

    /// The base URL.
    pub(super) fn url(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// Asks for something, such as `/status`.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<T, CliError> {
        let mut url = self.path(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.read(self.send(self.client.get(url)).await?).await
    }

    /// Asks whether it is up, with a limit.
    pub(super) async fn health<T: DeserializeOwned>(&self) -> Result<T, CliError> {
        let request = self.client.get(self.path("/health")).timeout(HEALTH);
        self.read(self.send(request).await?).await
    }

    /// Has something done.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, CliError> {
        let response = self.open(path, body).await?;
        self.read(response).await
    }

    /// Has something done, and reads the answer while it comes.
    pub(super) async fn open(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Response, CliError> {
        self.send(self.client.post(self.path(path)).json(body)).await
    }

    /// Has something changed.
    pub(super) async fn patch<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, CliError> {
        self.read(self.send(self.client.patch(self.path(path)).json(body)).await?).await
    }

    /// Has something taken away.
    pub(super) async fn delete(&self, path: &str, query: &[(&str, &str)]) -> Result<(), CliError> {
        let mut url = self.path(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.send(self.client.delete(url)).await.map(drop)
    }

    fn path(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{PREFIX}{path}"));
        url
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, CliError> {
        let request = match &self.token {
            Some(token) => request.bearer_auth(token.0.as_str()),
            None => request,
        };
        let response = request.send().await.map_err(|error| CliError::NoAnswer {
            url: self.url().to_owned(),
            source: Some(error.without_url()),
        })?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response.bytes().await.unwrap_or_default();
        match serde_json::from_slice::<ErrorBody>(&body) {
            Ok(body) => Err(CliError::Answer(body.error)),
            Err(_) => Err(CliError::NotOurs { url: self.url().to_owned(), status }),
        }
    }

    async fn read<T: DeserializeOwned>(&self, response: Response) -> Result<T, CliError> {
        let status = response.status();
        let body =
            response.bytes().await.map_err(|error| CliError::Cut(Some(error.without_url())))?;
        serde_json::from_slice(&body)
            .map_err(|_| CliError::NotOurs { url: self.url().to_owned(), status })
    }
}

impl Token {
    fn of_environment() -> Option<Self> {
        let token = Zeroizing::new(std::env::var(TOKEN_ENV).ok()?);
        (!token.trim().is_empty()).then(|| Self(Zeroizing::new(token.trim().to_owned())))
    }

    fn of_folder(folder: &std::path::Path) -> Option<Self> {
        let token = Zeroizing::new(fs_err::read_to_string(folder.join(ADMIN_TOKEN_FILE)).ok()?);
        Some(Self(Zeroizing::new(token.trim().to_owned())))
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

/// What runs for a data folder. A file whose process is gone was left behind by a crash.
pub(super) fn running(data_dir: &std::path::Path) -> Option<StatusReport> {
    let report = read_endpoints(&data_dir.join(ENDPOINTS_FILE))?;
    is_alive(report.pid).then_some(report)
}

fn is_alive(pid: u32) -> bool {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return false };
    // A process that may not be signalled is there all the same.
    rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH)
}
