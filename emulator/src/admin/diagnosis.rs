//! `GET /_sealyard/diagnosis`: reports why pulls, pushes and rotations of each registry fail now.
//!
//! The request asks all vaults at the same time. `sealyard doctor` turns the answer into findings and repairs.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::error::AdminError;
use super::status::warnings_of;
use super::wire::{known, known_rotation_cause, known_state, wire_name};
use crate::app::App;
use crate::diagnosis::{BlockedRotation, DiagnosedKey, Diagnosis, RotationCause};
use crate::keys::{Cause, State as KeyState};
use crate::registry::Registry;
use crate::revocation::RevocationMethod;

/// The problems of all registries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DiagnosisReport {
    /// Whether the emulator may change the vault.
    pub vault_is_ours: bool,
    /// Whether the disk accepts new content.
    pub has_room: bool,
    /// The data folder in use.
    pub data_dir: String,
    /// The registries, `local` first.
    pub registries: Vec<RegistryDiagnosis>,
}

/// The problems of one registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegistryDiagnosis {
    /// Its name.
    pub name: String,
    /// `active`, `checking` or `unavailable`, after the vault's answer.
    #[serde(deserialize_with = "known_state")]
    pub state: KeyState,
    /// The cause of the state.
    #[serde(default, deserialize_with = "known")]
    pub cause: Option<Cause>,
    /// The cause as a sentence.
    #[serde(rename = "words")] // prose: the name in JSON
    pub message: Option<String>,
    /// The customer-managed key, if there is one.
    pub key: Option<KeyDiagnosis>,
    /// The revocations, the newest first.
    pub revoked: Vec<RevocationMethod>,
    /// Bytes on the disk that uploads in progress use.
    #[serde(default)]
    pub upload_bytes: u64,
    /// The reason why the key cannot be rotated to its newest version, if there is one.
    pub rotation: Option<RotationDiagnosis>,
    /// Warnings, as sentences.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// The key of a registry, and the identity that uses it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyDiagnosis {
    /// The name of the vault.
    pub vault: String,
    /// The resource id of the vault, if the vault exists and the emulator has the owner's access.
    pub vault_id: Option<String>,
    /// Whether the vault uses roles, if that is known.
    pub goes_by_roles: Option<bool>,
    /// The name of the key.
    pub name: String,
    /// The version in use.
    pub version: Option<String>,
    /// The identity that uses it.
    pub identity: IdentityDiagnosis,
}

/// The identity that uses a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IdentityDiagnosis {
    /// The client id, or `system`.
    pub client_id: String,
    /// Its object id in access policies and roles, if that is known.
    pub principal_id: Option<String>,
    /// Its resource id, or `None` for a system-assigned or deleted identity.
    pub resource_id: Option<String>,
    /// Whether the registry has it.
    pub assigned: bool,
}

/// The reason why a key cannot be rotated to its newest version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RotationDiagnosis {
    /// The reason for programs.
    #[serde(deserialize_with = "known_rotation_cause")]
    pub cause: RotationCause,
    /// The reason as a sentence.
    #[serde(rename = "words")] // prose: the name in JSON
    pub message: String,
    /// The version that cannot be used, if it was found.
    pub version: Option<String>,
    /// The permissions that the identity lacks.
    pub missing: Vec<String>,
}

/// `GET /_sealyard/diagnosis`.
pub(super) async fn diagnose(State(app): State<App>) -> Result<Json<DiagnosisReport>, AdminError> {
    let all = app.registries.all();
    let diagnoses = all
        .iter()
        .map(|registry| Diagnosis::run(registry, app.revocation_context(), &app.revocations));
    let diagnoses = futures::future::try_join_all(diagnoses).await?;
    let warnings = all.iter().map(|registry| warnings_of(&app, registry));
    let warnings = futures::future::join_all(warnings).await;
    Ok(Json(DiagnosisReport {
        vault_is_ours: app.owner().is_some(),
        has_room: diagnoses.iter().all(|diagnosis| diagnosis.has_room),
        data_dir: app.endpoints.data_dir().display().to_string(),
        registries: all
            .iter()
            .zip(diagnoses.into_iter().zip(warnings))
            .map(|(registry, (diagnosis, warnings))| {
                RegistryDiagnosis::new(registry, diagnosis, warnings)
            })
            .collect(),
    }))
}

impl RegistryDiagnosis {
    fn new(registry: &Registry, diagnosis: Diagnosis, warnings: Vec<String>) -> Self {
        let status = diagnosis.status;
        Self {
            name: registry.name().to_owned(),
            state: status.state,
            message: status
                .message
                .or_else(|| status.cause.map(|cause| cause.message().to_owned())),
            cause: status.cause,
            key: diagnosis.key.map(Into::into),
            revoked: diagnosis.revoked,
            upload_bytes: diagnosis.upload_bytes,
            rotation: diagnosis.rotation.map(Into::into),
            warnings,
        }
    }
}

impl From<DiagnosedKey> for KeyDiagnosis {
    fn from(diagnosed: DiagnosedKey) -> Self {
        let resource_id = diagnosed.resource().map(ToString::to_string);
        Self {
            vault: diagnosed.key.vault().to_string(),
            vault_id: diagnosed.vault,
            goes_by_roles: diagnosed.uses_rbac,
            name: diagnosed.key.name().to_string(),
            version: diagnosed.key.version().map(ToString::to_string),
            identity: IdentityDiagnosis {
                client_id: diagnosed.client_id,
                principal_id: diagnosed.principal,
                resource_id,
                assigned: diagnosed.is_assigned,
            },
        }
    }
}

impl From<BlockedRotation> for RotationDiagnosis {
    fn from(blocked: BlockedRotation) -> Self {
        Self {
            cause: blocked.by.cause(),
            missing: blocked.by.missing().iter().map(wire_name).collect(),
            version: blocked.version.and_then(|key| key.version().map(ToString::to_string)),
            message: blocked.message,
        }
    }
}
