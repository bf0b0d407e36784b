//! The routes of a registry's key: its versions, and the owner's changes of them in the vault.
//!
//! They change the vault over the Key Vault protocol with the owner's credential, never with the registry's
//! identity. With `wait`, the registry then asks the vault, so that the answer contains the current state. A vault
//! that the emulator may not change is refused with a message.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use http::StatusCode;
use serde::Deserialize;

use super::error::AdminError;
use super::find::find;
use super::json_body::JsonBody;
use super::key_bodies::{
    KeyList, KeyOperation, KeyReply, KeyRequest, KeyVersionReport, RotationReport,
};
use crate::app::App;
use crate::keys::{Cause, InvalidKeyId, KeyId, Rotation, VaultError};
use crate::registry::{Registries, Registry};
use crate::revocation::wait::{self, Expected};
use crate::vault::{KeyVersionInfo, OwnerVault};

/// The query parameters of a list.
#[derive(Debug, Deserialize)]
pub(super) struct KeyQuery {
    vault: Option<String>,
    key: Option<String>,
}

/// A key of the vault, related to a registry.
struct KeySelection<'a> {
    registries: &'a Registries,
    registry: Registry,
    owner: &'a OwnerVault,
    /// The key, without a version.
    key: KeyId,
    /// Whether it is the registry's own key.
    is_own: bool,
    /// The version that the registry uses, if it is a version of this key.
    in_use: Option<KeyId>,
}

/// `GET /_sealyard/registries/{name}/key`.
pub(super) async fn list(
    State(app): State<App>,
    Path(name): Path<String>,
    query: Result<Query<KeyQuery>, QueryRejection>,
) -> Result<Json<KeyList>, AdminError> {
    let Query(query) = query?;
    let chosen = KeySelection::new(&app, &name, query.vault.as_deref(), query.key.as_deref())?;
    let versions = chosen.versions().await?.into_iter().map(|info| KeyVersionReport {
        version: info.id.version().map(ToString::to_string).unwrap_or_default(),
        enabled: info.enabled,
        created: info.created,
        current: chosen.in_use.as_ref() == Some(&info.id),
    });
    Ok(Json(KeyList {
        key_identifier: app.endpoints.key_identifier(&chosen.key),
        versions: versions.collect(),
    }))
}

/// `POST /_sealyard/registries/{name}/key`.
pub(super) async fn operate(
    State(app): State<App>,
    Path(name): Path<String>,
    JsonBody(request): JsonBody<KeyRequest>,
) -> Result<Json<KeyReply>, AdminError> {
    change(&app, &name, request).await.map(Json)
}

/// Performs an operation on a key, and returns the state after it, for requests and for programs with a `Sealyard` value.
pub(crate) async fn change(
    app: &App,
    name: &str,
    request: KeyRequest,
) -> Result<KeyReply, AdminError> {
    let chosen = KeySelection::new(app, name, request.vault.as_deref(), request.key.as_deref())?;
    if request.version.is_some() && !request.operation.is_for_one_version() {
        return Err(AdminError::bad_request("only disable and enable accept a version"));
    }
    let (key, rotation) = chosen.apply(&request).await?;
    let has_to_ask = request.wait && rotation.is_none();
    let expected = if has_to_ask { Expected::Answered } else { Expected::Current };
    let status = wait::wait_for_state(&chosen.registry, expected).await?;
    let identifier = |key: &KeyId| app.endpoints.key_identifier(key);
    Ok(KeyReply {
        operation: request.operation,
        key_identifier: identifier(&key),
        registry: name.to_owned(),
        state: status.state,
        cause: status.cause,
        rotation: rotation.map(|rotation| RotationReport::new(app, &rotation)),
    })
}

impl<'a> KeySelection<'a> {
    fn new(
        app: &'a App,
        name: &str,
        vault: Option<&str>,
        key: Option<&str>,
    ) -> Result<Self, AdminError> {
        let registry = find(app, name)?;
        let description = registry.key_ring().describe();
        let own = description.configured.ok_or_else(|| {
            AdminError::conflict(format!("the registry {name} has no customer-managed key"))
        })?;
        let owner = app.owner().ok_or_else(|| {
            AdminError::conflict(format!(
                "the emulator may not change the vault at {}: use Azure's tools, such as the Azure CLI",
                app.endpoints.vault()
            ))
        })?;
        let key = named(
            vault.unwrap_or(&own.vault().to_string()),
            key.unwrap_or(&own.name().to_string()),
            None,
        )?;
        let is_own = own.vault() == key.vault() && own.name() == key.name();
        let in_use = description.versioned.filter(|_| is_own);
        Ok(Self { registries: &app.registries, registry, owner, key, is_own, in_use })
    }

    async fn versions(&self) -> Result<Vec<KeyVersionInfo>, AdminError> {
        self.checked(self.owner.list_versions(&self.key).await).await
    }

    /// The changed key, and the rotation if there was one.
    async fn apply(&self, request: &KeyRequest) -> Result<(KeyId, Option<Rotation>), AdminError> {
        match request.operation {
            KeyOperation::NewVersion => {
                // The vault creates a key of any name, so without this check a mistyped name would create a key.
                self.versions().await?;
                let made = self.checked(self.owner.create_version(&self.key).await).await?;
                Ok((made, None))
            }
            KeyOperation::Rotate => self.rotate(request.wait).await,
            KeyOperation::Disable | KeyOperation::Enable => {
                let version = self.version(request.version.as_deref()).await?;
                let enabled = request.operation == KeyOperation::Enable;
                self.checked(self.owner.set_enabled(&version, enabled).await).await?;
                Ok((version, None))
            }
            KeyOperation::Delete => {
                self.checked(self.owner.delete(&self.key).await).await?;
                Ok((self.key.clone(), None))
            }
            KeyOperation::Recover => {
                self.checked(self.owner.recover(&self.key).await).await?;
                Ok((self.key.clone(), None))
            }
        }
    }

    /// The error for the vault's answer. For the registry's own key it contains the cause that the registry sees, so that the
    /// caller can name the repair.
    async fn checked<T>(&self, answer: Result<T, VaultError>) -> Result<T, AdminError> {
        let error = match answer {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let message = format!("the vault did not make the change: {}", with_causes(&error));
        let refused = AdminError::from_vault(&error, message);
        if !self.is_own || !error.cause().is_some_and(Cause::is_refusal) {
            return Err(refused);
        }
        let cause = self.registry.key_ring().check().await.cause;
        Err(refused.with_registry(self.registry.name()).with_cause(cause))
    }

    async fn rotate(&self, wait: bool) -> Result<(KeyId, Option<Rotation>), AdminError> {
        if self.in_use.is_none() {
            return Err(AdminError::conflict(format!(
                "cannot rotate: the registry {} does not use the key {}; to create a new version of another key, use the operation newVersion (`key new-version`)",
                self.registry.name(),
                self.key
            )));
        }
        let made = self.checked(self.owner.create_version(&self.key).await).await?;
        // A registry with a fixed version gets the next fixed version; it does not begin to rotate automatically.
        let key = (!self.registry.key_ring().describe().automatic).then(|| made.clone());
        let registries = self.registries.clone();
        let intent = registries.begin_rotation(&self.registry, key).await?;
        intent.passed().await?;
        let rotating = tokio::spawn(async move { registries.adopt_version(intent).await });
        if !wait {
            return Ok((made, None));
        }
        match rotating.await {
            Ok(Ok(rotation)) => Ok((made, Some(rotation))),
            Ok(Err(error)) => {
                let why = with_causes(&error);
                let message = format!(
                    "the version {made} was created, but the registry cannot rotate to it: {why}"
                );
                Err(AdminError::not_rotated(error, message))
            }
            Err(error) => {
                Err(AdminError::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal", error))
            }
        }
    }

    /// The named version, otherwise the version in use, otherwise (for a key that the registry does not use) the newest one.
    async fn version(&self, named_version: Option<&str>) -> Result<KeyId, AdminError> {
        if let Some(version) = named_version {
            return named(
                &self.key.vault().to_string(),
                &self.key.name().to_string(),
                Some(version),
            );
        }
        if let Some(in_use) = &self.in_use {
            return Ok(in_use.clone());
        }
        let newest = self.versions().await?.pop();
        newest
            .map(|info| info.id)
            .ok_or_else(|| AdminError::conflict(format!("the key {} has no version", self.key)))
    }
}

/// A key from the parts that a client named.
fn named(vault: &str, name: &str, version: Option<&str>) -> Result<KeyId, AdminError> {
    let parsed = || -> Result<KeyId, InvalidKeyId> {
        Ok(KeyId::new(vault.parse()?, name.parse()?, version.map(str::parse).transpose()?))
    };
    parsed().map_err(AdminError::bad_request)
}

fn with_causes(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
