//! What runs where, and in which state: one shape for `GET /_sealyard/status`, `sealyard status --json` and the file of
//! endpoints. Names are Azure Container Registry's where it has one.

use std::path::{Path, PathBuf};

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::clock::ClockReport;
use super::endpoints::{login_server, url_of};
use super::error::AdminError;
use super::guard::{ADMIN_TOKEN_FILE, REGISTRY_PASSWORD_FILE};
use super::wire_name;
use crate::app::App;
use crate::password::PasswordSource;
use crate::registry::Registry;
use crate::revocation::Way;
use crate::serve::LOCAL;

/// What runs where, and in which state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusReport {
    /// The base URL of the registry `local` and of the admin API.
    pub registry: String,
    /// The base URL of the Azure side; none with a vault in another process.
    pub azure: Option<String>,
    /// The base URL of the vault.
    pub vault: String,
    /// The base URL of the authority that issues tokens.
    pub login: Option<String>,
    /// The URL of the dashboard, where there is one.
    pub dashboard: Option<String>,
    /// The file of the authorities that clients are to trust.
    pub ca: Option<PathBuf>,
    /// The file that holds the secret of the owner, where that is not the well-known one.
    #[serde(default, rename = "ownerSecret", skip_serializing_if = "Option::is_none")]
    pub owner_secret: Option<PathBuf>,
    /// The file that holds the token of the admin API, where one is asked for.
    #[serde(default, rename = "adminToken", skip_serializing_if = "Option::is_none")]
    pub admin_token: Option<PathBuf>,
    /// Where the password is that clients need; none where nobody is asked for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<PasswordPlace>,
    /// The process.
    pub pid: u32,
    /// The random id of this run, which `health` answers too.
    #[serde(default)]
    pub instance: String,
    /// The data folder in use.
    #[serde(default, rename = "dataDir")]
    pub data_dir: PathBuf,
    /// Whether that folder is removed at the exit.
    #[serde(default)]
    pub ephemeral: bool,
    /// The registries, `local` first.
    pub registries: Vec<RegistryReport>,
    /// The clock.
    pub clock: ClockReport,
    /// Operations of several steps that were cut short and have not ended yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unfinished: Vec<UnfinishedReport>,
    /// What people should know about the stored rows since the start, in sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<String>,
}

/// An operation of several steps that was cut short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UnfinishedReport {
    /// What it does.
    pub operation: String,
    /// What it is done to, where that has a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// When it began, in emulator time.
    #[serde(with = "time::serde::rfc3339")]
    pub begun: OffsetDateTime,
    /// How many attempts to go on with it have failed since the start.
    pub attempts: u32,
    /// Why the last one failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How many seconds of real time it is to the next attempt. None: one is under way, or there will be none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt_in: Option<u64>,
}

/// Where the password of registries without logins of their own is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PasswordPlace {
    /// In this file on the emulator's machine.
    File(PathBuf),
    /// With the person who started the emulator. The emulator does not keep it.
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
    /// What goes before the repository in `docker push`.
    pub login_server: String,
    /// The port that it had before, if another program has it now: it listens on another one until the next start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_port: Option<u16>,
    /// `active`, `checking` or `unavailable`.
    pub state: String,
    /// Why.
    pub cause: Option<String>,
    /// In which ways `revoke` has taken its key and `restore` has not given it back, the newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revoked: Vec<Way>,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
    /// The customer-managed key, if it has one.
    pub key: Option<KeyReport>,
    /// What should make somebody think, in sentences. The Azure CLI shows no warning of the control plane.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// How many data keys are in the ring.
    pub data_keys: u64,
    /// How many blobs are stored.
    pub blobs: u64,
    /// Bytes of content.
    pub bytes: u64,
    /// Uploads under way.
    #[serde(default)]
    pub uploads: u64,
    /// Bytes of the disk that they hold. They are not among the bytes of content.
    #[serde(default)]
    pub upload_bytes: u64,
}

/// The customer-managed key of a registry: `keyVaultProperties` of Azure Container Registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyReport {
    /// The key as it was chosen.
    pub key_identifier: String,
    /// The version in use.
    pub versioned_key_identifier: Option<String>,
    /// Whether new versions are taken by themselves.
    pub key_rotation_enabled: bool,
    /// When the version in use was taken.
    #[serde(with = "time::serde::rfc3339::option")]
    pub last_key_rotation_timestamp: Option<OffsetDateTime>,
}

/// `GET /_sealyard/status`.
pub(super) async fn status(State(app): State<App>) -> Result<Json<StatusReport>, AdminError> {
    app.state_watch.refresh().await;
    Ok(Json(StatusReport::of(&app).await?))
}

impl StatusReport {
    /// The report of a running emulator.
    pub async fn of(app: &App) -> Result<Self, crate::registry::Error> {
        let endpoints = &app.endpoints;
        let mut registries = Vec::new();
        for registry in app.registries.all() {
            registries.push(RegistryReport::of(app, &registry).await?);
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
            password: PasswordPlace::of(app),
            pid: std::process::id(),
            instance: endpoints.instance().to_owned(),
            data_dir: endpoints.data_dir().to_owned(),
            ephemeral: app.config.ephemeral,
            registries,
            clock: ClockReport::of(&app.clock),
            unfinished: unfinished(app),
            notices: app.events.notices(),
        })
    }

    /// The registry of this name.
    pub fn find(&self, name: &str) -> Option<&RegistryReport> {
        self.registries.iter().find(|registry| registry.name == name)
    }
}

/// What was cut short and has not ended yet.
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

impl PasswordPlace {
    fn of(app: &App) -> Option<Self> {
        app.config.asks_for_password().then(|| match &app.config.password {
            PasswordSource::Generated => {
                Self::File(app.endpoints.data_dir().join(REGISTRY_PASSWORD_FILE))
            }
            PasswordSource::File(file) => Self::File(file.clone()),
            PasswordSource::Given(_) => Self::Given,
        })
    }
}

impl RegistryReport {
    pub(super) async fn of(app: &App, registry: &Registry) -> Result<Self, crate::registry::Error> {
        // One that was made a moment ago has its port then.
        app.ports.settle(app).await;
        let own = app.ports.of(registry.name());
        let (url, login_server) = match own {
            Some(own) => (url_of(own.address), login_server(own.address)),
            None if registry.name() == LOCAL => {
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
            state: wire_name(status.state),
            cause: status.cause.map(wire_name),
            revoked: app.revocations.of(registry.name()),
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

/// What a registry is warned of, in sentences.
pub(super) async fn warnings_of(app: &App, registry: &Registry) -> Vec<String> {
    app.registries.warnings(registry).await.iter().map(ToString::to_string).collect()
}

/// Where a registry is that could have no port of its own: at that of `local`, by its name.
fn by_name(app: &App, registry: &str) -> (String, String) {
    let server = format!("{registry}.azurecr.localhost:{}", app.config.listen.port());
    (format!("http://{server}"), server)
}
