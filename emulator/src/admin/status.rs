//! The report of addresses and states: the same for `GET /_sealyard/status`, `sealyard status --json` and the endpoints
//! file. Names are Azure Container Registry's where it has one.

use std::path::{Path, PathBuf};

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::clock::ClockReport;
use super::error::AdminError;
use super::find::find;
use super::wire::{known, known_state};
use crate::app::App;
use crate::endpoints::{login_server, url_of};
use crate::keys::{Cause, State as KeyState};
use crate::listeners::{ADMIN_TOKEN_FILE, REGISTRY_PASSWORD_FILE};
use crate::password::PasswordSource;
use crate::registry::{Registry, RegistryName};
use crate::revocation::RevocationMethod;

/// The addresses and states of an emulator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusReport {
    /// The base URL of the registry `local` and of the admin API.
    pub registry: String,
    /// The base URL of the Azure side, or `None` with a vault in another process.
    pub azure: Option<String>,
    /// The base URL of the vault.
    pub vault: String,
    /// The base URL of the authority that issues tokens.
    pub login: Option<String>,
    /// The URL of the dashboard, if there is one.
    pub dashboard: Option<String>,
    /// The file of the authorities that clients have to trust.
    pub ca: Option<PathBuf>,
    /// The file with the owner's secret, if that is not the well-known secret.
    #[serde(default, rename = "ownerSecret", skip_serializing_if = "Option::is_none")]
    pub owner_secret: Option<PathBuf>,
    /// The file with the token of the admin API, if it needs one.
    #[serde(default, rename = "adminToken", skip_serializing_if = "Option::is_none")]
    pub admin_token: Option<PathBuf>,
    /// The place of the password that clients need, or `None` if they need none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<PasswordLocation>,
    /// The process id.
    pub pid: u32,
    /// The random id of this run, which `health` reports too.
    #[serde(default)]
    pub instance: String,
    /// The data folder in use.
    #[serde(default, rename = "dataDir")]
    pub data_dir: PathBuf,
    /// Whether that folder is removed at exit.
    #[serde(default)]
    pub ephemeral: bool,
    /// The registries, `local` first.
    pub registries: Vec<RegistryReport>,
    /// The clock.
    pub clock: ClockReport,
    /// Interrupted operations of several steps that have not ended yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unfinished: Vec<UnfinishedReport>,
    /// Messages about the stored rows since the start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<String>,
}

/// An interrupted operation of several steps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UnfinishedReport {
    /// The kind of the operation.
    pub operation: String,
    /// Its subject, if that has a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// When it began, in emulator time.
    #[serde(with = "time::serde::rfc3339")]
    pub begun: OffsetDateTime,
    /// The number of failed attempts to resume it since the start.
    pub attempts: u32,
    /// The error of the last attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The seconds of real time until the next attempt, or `None` if an attempt runs, or none will follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt_in: Option<u64>,
}

/// The place of the password of registries without their own logins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PasswordLocation {
    /// A file on the emulator's machine.
    File(PathBuf),
    /// The user who started the emulator gave it. The emulator does not store it.
    Given,
}

/// One registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegistryReport {
    /// Its name.
    pub name: String,
    /// Its base URL.
    pub url: String,
    /// The host and port before the repository in `docker push`.
    pub login_server: String,
    /// Its former port, if another program uses that now; the registry listens on another port until the next start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_port: Option<u16>,
    /// `active`, `checking` or `unavailable`.
    #[serde(deserialize_with = "known_state")]
    pub state: KeyState,
    /// The cause of the state.
    #[serde(default, deserialize_with = "known")]
    pub cause: Option<Cause>,
    /// The methods by which `revoke` has revoked its key and that `restore` has not undone, the newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revoked: Vec<RevocationMethod>,
    /// When the state began.
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
    /// The customer-managed key, if there is one.
    pub key: Option<KeyReport>,
    /// Warnings, as sentences. The Azure CLI shows no warning of the control plane.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// The number of data keys in the ring.
    pub data_keys: u64,
    /// The number of stored blobs.
    pub blobs: u64,
    /// Bytes of content.
    pub bytes: u64,
    /// The number of uploads in progress.
    #[serde(default)]
    pub uploads: u64,
    /// Bytes on the disk that they use. They are not included in the bytes of content.
    #[serde(default)]
    pub upload_bytes: u64,
}

/// The customer-managed key of a registry: `keyVaultProperties` of Azure Container Registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyReport {
    /// The key as the user chose it.
    pub key_identifier: String,
    /// The version in use.
    pub versioned_key_identifier: Option<String>,
    /// Whether the key rotates to new versions automatically.
    pub key_rotation_enabled: bool,
    /// When the registry rotated to the version in use.
    #[serde(with = "time::serde::rfc3339::option")]
    pub last_key_rotation_timestamp: Option<OffsetDateTime>,
}

/// `GET /_sealyard/status`.
pub(super) async fn status(State(app): State<App>) -> Result<Json<StatusReport>, AdminError> {
    app.state_watch.refresh().await;
    Ok(Json(StatusReport::collect(&app).await?))
}

impl StatusReport {
    /// The report of a running emulator.
    pub async fn collect(app: &App) -> Result<Self, crate::registry::Error> {
        let endpoints = &app.endpoints;
        let mut registries = Vec::new();
        for registry in app.registries.all() {
            registries.push(RegistryReport::collect(app, &registry).await?);
        }
        Ok(Self {
            registry: endpoints.registry().to_owned(),
            azure: endpoints.azure().map(str::to_owned),
            vault: endpoints.vault().to_owned(),
            login: endpoints.login().map(str::to_owned),
            dashboard: None,
            ca: Some(endpoints.ca().to_owned()),
            owner_secret: endpoints.owner_secret().map(Path::to_owned),
            admin_token: app
                .guard
                .asks_for_secrets()
                .then(|| endpoints.data_dir().join(ADMIN_TOKEN_FILE)),
            password: PasswordLocation::from_app(app),
            pid: std::process::id(),
            instance: endpoints.instance().to_owned(),
            data_dir: endpoints.data_dir().to_owned(),
            ephemeral: app.config.ephemeral,
            registries,
            clock: ClockReport::from_clock(&app.clock),
            unfinished: unfinished(app),
            notices: app.events.notices(),
        })
    }
}

/// The interrupted operations that have not ended yet.
fn unfinished(app: &App) -> Vec<UnfinishedReport> {
    let all = app.registries.intents().unfinished().into_iter();
    all.filter(|one| one.was_cut_short)
        .map(|one| UnfinishedReport {
            operation: one.operation,
            subject: one.subject,
            begun: one.begun,
            attempts: one.attempts,
            error: one.error,
            next_attempt_in: one.next.map(|rest| rest.as_secs()),
        })
        .collect()
}

impl PasswordLocation {
    fn from_app(app: &App) -> Option<Self> {
        app.config.asks_for_password().then(|| match &app.config.password {
            PasswordSource::Generated => {
                Self::File(app.endpoints.data_dir().join(REGISTRY_PASSWORD_FILE))
            }
            PasswordSource::File(file) => Self::File(file.clone()),
            PasswordSource::Given(_) => Self::Given,
        })
    }
}

/// The report of one registry, with its current state.
pub(crate) async fn registry_status(app: &App, name: &str) -> Result<RegistryReport, AdminError> {
    let registry = find(app, name)?;
    app.state_watch.refresh().await;
    Ok(RegistryReport::collect(app, &registry).await?)
}

impl RegistryReport {
    pub(super) async fn collect(
        app: &App,
        registry: &Registry,
    ) -> Result<Self, crate::registry::Error> {
        // A registry that was just created has its port by then.
        app.ports.reconcile(app).await;
        let own = app.ports.get(registry.name());
        let (url, login_server) = match own {
            Some(own) => (url_of(own.address), login_server(own.address)),
            None if registry.name() == RegistryName::LOCAL => {
                (app.endpoints.registry().to_owned(), app.endpoints.login_server().to_owned())
            }
            None => by_name(app, registry.name()),
        };
        let ring = registry.key_ring();
        let (status, description) = (ring.status(), ring.describe());
        let stats = registry.stats().await?;
        let held = registry.held_by_uploads().await?;
        let key = description.configured.map(|configured| KeyReport {
            key_identifier: app.endpoints.key_identifier(&configured),
            versioned_key_identifier: description
                .versioned
                .map(|key| app.endpoints.key_identifier(&key)),
            key_rotation_enabled: description.automatic,
            last_key_rotation_timestamp: description.last_rotation,
        });
        Ok(Self {
            name: registry.name().to_owned(),
            url,
            login_server,
            taken_port: own.and_then(|own| own.taken),
            state: status.state,
            cause: status.cause,
            revoked: app.revocations.methods_of(registry.name()),
            since: status.since,
            key,
            warnings: warnings_of(app, registry).await,
            data_keys: u64::try_from(description.data_keys).unwrap_or(u64::MAX),
            blobs: stats.blobs,
            bytes: stats.bytes,
            uploads: held.uploads,
            upload_bytes: held.bytes,
        })
    }
}

/// The warnings about a registry, as sentences.
pub(super) async fn warnings_of(app: &App, registry: &Registry) -> Vec<String> {
    app.registries.warnings(registry).await.iter().map(ToString::to_string).collect()
}

/// The address of a registry that could not get its own port: the port of `local`, with the registry's host name.
fn by_name(app: &App, registry: &str) -> (String, String) {
    let server = format!("{registry}.azurecr.localhost:{}", app.config.listen.port());
    (format!("http://{server}"), server)
}
