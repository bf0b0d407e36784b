//! The client of a running emulator's admin API. [`discovery`](super::discovery) finds the emulator.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::cache;
use super::error::CliError;
use super::hints::Hints;
use super::last_run::LastRun;
use super::token::Token;
use crate::admin::{CA_PATH, ErrorBody, PREFIX, RegistryReport, StatusReport};
use crate::registry::RegistryName;

/// The timeout of a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// The timeout of a whole health check.
const HEALTH: Duration = Duration::from_secs(5);

/// How an emulator was found; a later command finds it in the same manner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// By its URL.
    ByEndpoint,
    /// By the data folder that was named.
    ByFolder,
    /// It uses the default folder.
    Default,
    /// It was the only running emulator.
    OnlyRunning,
}

/// A running emulator.
#[derive(Debug)]
pub(super) struct Emulator {
    base: Url,
    client: Client,
    token: Option<Token>,
    /// Its data folder, or `None` if it was found by a URL and may run on another machine.
    data_dir: Option<PathBuf>,
    found: Found,
    /// Whether it is known to run on this machine; only then the files that its status names are read.
    is_on_this_machine: bool,
}

impl Emulator {
    /// The emulator at a URL.
    pub(super) fn at(base: Url, token: Option<Token>) -> Result<Self, CliError> {
        install_crypto_provider();
        let mut client = Client::builder().no_proxy().connect_timeout(CONNECT);
        if base.scheme() == "http" {
            // Plain HTTP needs no roots, and loading them fails in a container without any.
            client = client.tls_certs_only([]);
        }
        let client = client.build().map_err(|error| CliError::Io(std::io::Error::other(error)))?;
        Ok(Self {
            base,
            client,
            token,
            data_dir: None,
            found: Found::ByEndpoint,
            is_on_this_machine: false,
        })
    }

    /// The same, with its data folder on this machine.
    pub(super) fn with_data_dir(self, data_dir: PathBuf, found: Found) -> Self {
        Self { data_dir: Some(data_dir), found, is_on_this_machine: true, ..self }
    }

    /// The same, marked as local if a data folder of this machine names its run.
    pub(super) fn on_this_machine(self, is_on_this_machine: bool) -> Self {
        Self { is_on_this_machine, ..self }
    }

    /// The secret file that the status names, or `None` if it is on another machine: another server could name any local
    /// file and get its content.
    pub(super) fn secret_file<'a>(&self, named: &'a Path) -> Option<&'a Path> {
        self.is_on_this_machine.then_some(named)
    }

    /// Whether it is known to run on this machine.
    pub(super) fn is_on_this_machine(&self) -> bool {
        self.is_on_this_machine
    }

    /// The data folder that it was found by.
    pub(super) fn data_dir(&self) -> Option<&Path> {
        self.data_dir.as_deref()
    }

    /// Hints that select this emulator.
    pub(super) fn hints(&self, hints: &Hints) -> Hints {
        match self.found {
            // The options of this command select it.
            Found::ByEndpoint | Found::ByFolder | Found::Default => hints.clone(),
            // The next command may find several emulators.
            Found::OnlyRunning => hints.only_at(self.url()),
        }
    }

    /// How it was found.
    pub(super) fn found(&self) -> &Found {
        &self.found
    }

    /// The base URL.
    pub(super) fn url(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// Whether its files are on this machine.
    pub(super) fn is_local(&self) -> bool {
        self.data_dir.is_some()
    }

    /// The local folder for files of this emulator: its data folder, or a folder in the cache folder.
    pub(super) fn folder(&self) -> Result<PathBuf, CliError> {
        self.data_dir.clone().map_or_else(|| self.cache_folder(), Ok)
    }

    /// The local folder for files of the emulator at this URL. Creates the folder if it is missing.
    pub(super) fn cache_folder(&self) -> Result<PathBuf, CliError> {
        cache::folder(&self.base)
    }

    /// The status, with addresses that programs on this machine can use.
    pub(super) async fn status(&self) -> Result<StatusReport, CliError> {
        let mut report: StatusReport = self.get("/status", &[]).await?;
        if !self.is_local() {
            self.url().clone_into(&mut report.registry);
        }
        self.set_address_of_local(&mut report.registries);
        Ok(report)
    }

    /// Sets the address of `local` that works on this machine. The port can be published under another number than the
    /// number that the emulator knows, and another emulator can use that number here.
    pub(super) fn set_address_of_local<'a>(
        &self,
        registries: impl IntoIterator<Item = &'a mut RegistryReport>,
    ) {
        if self.is_local() {
            return;
        }
        if let Some(local) = registries.into_iter().find(|found| found.name == RegistryName::LOCAL)
        {
            self.url().clone_into(&mut local.url);
            local.login_server = login_server(&self.base);
        }
    }

    /// The certificates that clients of this emulator have to trust, PEM.
    pub(super) async fn certificates(&self) -> Result<Vec<u8>, CliError> {
        let response = self.send(self.client.get(self.path(CA_PATH))).await?;
        let status = response.status();
        let gone = |error: reqwest::Error| CliError::ConnectionLost(Some(error.without_url()));
        let bytes = response.bytes().await.map_err(gone)?;
        if bytes.starts_with(b"-----BEGIN CERTIFICATE-----") {
            Ok(bytes.to_vec())
        } else {
            Err(CliError::NotAnEmulator { url: self.url().to_owned(), status })
        }
    }

    /// Sends a `GET` request, such as `/status`.
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

    /// Asks for the health of the emulator, with a timeout.
    pub(super) async fn health<T: DeserializeOwned>(&self) -> Result<T, CliError> {
        let request = self.client.get(self.path("/health")).timeout(HEALTH);
        self.read(self.send(request).await?).await
    }

    /// Sends a `POST` request.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, CliError> {
        let response = self.open(path, body).await?;
        self.read(response).await
    }

    /// Sends a `POST` request, and reads the answer as a stream.
    pub(super) async fn open(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Response, CliError> {
        self.send(self.client.post(self.path(path)).json(body)).await
    }

    /// Sends a `PATCH` request.
    pub(super) async fn patch<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, CliError> {
        self.read(self.send(self.client.patch(self.path(path)).json(body)).await?).await
    }

    /// Sends a `DELETE` request.
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
            Some(token) => request.bearer_auth(token.expose()),
            None => request,
        };
        let response = self.answer(request).await?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response.bytes().await.unwrap_or_default();
        match serde_json::from_slice::<ErrorBody>(&body) {
            Ok(body) => Err(CliError::Answer(body.error)),
            Err(_) => Err(CliError::NotAnEmulator { url: self.url().to_owned(), status }),
        }
    }

    /// A request to the registries themselves, without the token of the admin API.
    pub(super) fn to_registries(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
    ) -> RequestBuilder {
        let mut url = self.base.clone();
        url.set_path(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.client.request(method, url)
    }

    /// The answer to a request, of any status.
    pub(super) async fn answer(&self, request: RequestBuilder) -> Result<Response, CliError> {
        request.send().await.map_err(|error| CliError::NoAnswer {
            url: self.url().to_owned(),
            failure: Some(error.without_url()),
            last: LastRun::at(&self.base, self.data_dir.as_deref()),
        })
    }

    async fn read<T: DeserializeOwned>(&self, response: Response) -> Result<T, CliError> {
        let status = response.status();
        let body = response
            .bytes()
            .await
            .map_err(|error| CliError::ConnectionLost(Some(error.without_url())))?;
        serde_json::from_slice(&body)
            .map_err(|_| CliError::NotAnEmulator { url: self.url().to_owned(), status })
    }
}

/// Chooses the implementation of TLS for this process, if none is chosen yet.
pub(super) fn install_crypto_provider() {
    // An error means that another provider is installed already, which is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A name as one segment of a path.
pub(super) fn segment(name: &str) -> String {
    percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// The host and port before the repository in `docker push` to the registry at a URL.
fn login_server(url: &Url) -> String {
    let is_loopback = match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(_)) | None => false,
    };
    let host = if is_loopback { "localhost" } else { url.host_str().unwrap_or_default() };
    format!("{host}:{}", url.port_or_known_default().unwrap_or(80))
}
