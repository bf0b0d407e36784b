//! `GET /_sealyard/diagnosis`: why pulls, pushes and rotations fail now, registry by registry.
//!
//! Each vault is asked at that moment, all of them at once. `sealyard doctor` makes findings and repairs of it.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::error::AdminError;
use super::status::warnings_of;
use super::wire_name;
use crate::app::App;
use crate::diagnosis::{Blocked, DiagnosedKey, Diagnosis};
use crate::registry::Registry;
use crate::revocation::Way;

/// What is in the way of the registries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DiagnosisReport {
    /// Whether the vault is one that this emulator may change.
    pub vault_is_ours: bool,
    /// Whether the disk takes new content.
    pub has_room: bool,
    /// The data folder in use.
    pub data_dir: String,
    /// The registries, `local` first.
    pub registries: Vec<RegistryDiagnosis>,
}

/// What is in the way of one registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegistryDiagnosis {
    /// Its name.
    pub name: String,
    /// `active`, `checking` or `unavailable`, as the vault says now.
    pub state: String,
    /// Why.
    pub cause: Option<String>,
    /// The cause in words.
    pub words: Option<String>,
    /// The customer-managed key, if it has one.
    pub key: Option<KeyDiagnosis>,
    /// What `revoke` took, the newest first.
    pub revoked: Vec<Way>,
    /// Bytes of the disk that uploads under way hold.
    #[serde(default)]
    pub upload_bytes: u64,
    /// Why the key cannot be rotated to its newest version, if it cannot.
    pub rotation: Option<RotationDiagnosis>,
    /// What should make somebody think, in sentences.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// The key of a registry, and who asks for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyDiagnosis {
    /// The name of the vault.
    pub vault: String,
    /// The vault as a resource, if it is there and ours to look into.
    pub vault_id: Option<String>,
    /// Whether the vault goes by roles, if that is known.
    pub goes_by_roles: Option<bool>,
    /// The name of the key.
    pub name: String,
    /// The version in use.
    pub version: Option<String>,
    /// Who asks for it.
    pub identity: IdentityDiagnosis,
}

/// Who asks for a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IdentityDiagnosis {
    /// The client id, or `system`.
    pub client_id: String,
    /// What access policies and roles know it by, where that is known.
    pub principal_id: Option<String>,
    /// The identity as a resource; none for the one that a registry has by itself, and for one that is gone.
    pub resource_id: Option<String>,
    /// Whether the registry has it.
    pub assigned: bool,
}

/// Why a key cannot be rotated to its newest version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RotationDiagnosis {
    /// `keyDisabled`, `keyType`, `keyExpired`, `permissionMissing`, or a cause of a state.
    pub cause: String,
    /// In a sentence.
    pub words: String,
    /// The version that cannot be taken into use, as far as it was found.
    pub version: Option<String>,
    /// The permissions that the identity lacks.
    pub missing: Vec<String>,
}

/// `GET /_sealyard/diagnosis`.
pub(super) async fn diagnose(State(app): State<App>) -> Result<Json<DiagnosisReport>, AdminError> {
    let all = app.registries.all();
    let diagnoses =
        all.iter().map(|registry| Diagnosis::of(registry, app.hand(), &app.revocations));
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
            state: wire_name(status.state),
            words: status.words.or_else(|| status.cause.map(|cause| cause.words().to_owned())),
            cause: status.cause.map(wire_name),
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
            goes_by_roles: diagnosed.goes_by_roles,
            name: diagnosed.key.name().to_string(),
            version: diagnosed.key.version().map(ToString::to_string),
            identity: IdentityDiagnosis {
                client_id: diagnosed.asker,
                principal_id: diagnosed.principal,
                resource_id,
                assigned: diagnosed.is_assigned,
            },
        }
    }
}

impl From<Blocked> for RotationDiagnosis {
    fn from(blocked: Blocked) -> Self {
        Self {
            cause: blocked.by.name().to_owned(),
            missing: blocked.by.missing().iter().map(wire_name).collect(),
            version: blocked.version.and_then(|key| key.version().map(ToString::to_string)),
            words: blocked.words,
        }
    }
}
