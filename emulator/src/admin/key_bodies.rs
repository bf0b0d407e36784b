//! The bodies of the routes of a registry's key, which the command line uses as well.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::json_body::RequestBody;
use super::wire::{known, known_state};
use crate::app::App;
use crate::keys::{Cause, Rotation, State as KeyState};

/// An owner's operation on a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum KeyOperation {
    /// Create a new version, to which the registry rotates by itself later.
    NewVersion,
    /// Create a new version, and rotate the registry to it at once.
    Rotate,
    /// Disable a version.
    Disable,
    /// Enable a version.
    Enable,
    /// Delete the key with all its versions, which stays recoverable.
    Delete,
    /// Recover the deleted key.
    Recover,
}

/// The body of `POST /_sealyard/registries/NAME/key`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRequest {
    /// The operation.
    pub operation: KeyOperation,
    /// The vault, if it is not the vault of the registry's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault: Option<String>,
    /// The key, if it is not the registry's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The version to disable or enable, if it is not the version in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Whether to answer only when the registry has seen the change.
    #[serde(default = "yes")]
    pub wait: bool,
}

/// The result of an operation, and the state after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyReply {
    /// The operation.
    pub operation: KeyOperation,
    /// The key, with the version if the operation was for a version.
    pub key_identifier: String,
    /// The registry.
    pub registry: String,
    /// The registry's state.
    #[serde(deserialize_with = "known_state")]
    pub state: KeyState,
    /// The cause of the state.
    #[serde(default, deserialize_with = "known")]
    pub cause: Option<Cause>,
    /// The result of the rotation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<RotationReport>,
}

/// The result of a rotation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RotationReport {
    /// The version before.
    pub from: String,
    /// The version after.
    pub to: String,
    /// The number of data keys that the new version wraps.
    pub data_keys: u64,
    /// The number of calls to the vault.
    pub vault_calls: u64,
}

/// The versions of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyList {
    /// The key, without a version.
    pub key_identifier: String,
    /// Its versions, oldest first.
    pub versions: Vec<KeyVersionReport>,
}

/// One version of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyVersionReport {
    /// Its name.
    pub version: String,
    /// Whether it may be used.
    pub enabled: bool,
    /// When it was created.
    #[serde(with = "time::serde::rfc3339")]
    pub created: OffsetDateTime,
    /// Whether it wraps the registry's data keys.
    pub current: bool,
}

fn yes() -> bool {
    true
}

impl RequestBody for KeyRequest {
    const SHAPE: &'static str = r#"{"operation": "newVersion", "rotate", "disable", "enable", "delete" or "recover", "vault"?: NAME, "key"?: NAME, "version"?: VERSION, "wait"?: true or false}"#;
}

impl RotationReport {
    pub(super) fn new(app: &App, rotation: &Rotation) -> Self {
        Self {
            from: app.endpoints.key_identifier(&rotation.from),
            to: app.endpoints.key_identifier(&rotation.to),
            data_keys: u64::try_from(rotation.data_keys).unwrap_or(u64::MAX),
            vault_calls: rotation.vault_calls,
        }
    }
}

impl KeyOperation {
    pub(super) fn is_for_one_version(self) -> bool {
        matches!(self, Self::Disable | Self::Enable)
    }
}
