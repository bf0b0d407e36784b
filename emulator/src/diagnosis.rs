//! Diagnoses why pulls, pushes and rotations of a registry fail now: asks the vault, and tries the newest key version.
//!
//! `admin/diagnosis.rs` calls [`Diagnosis::run`]. It changes nothing but updates the registry's state. The caller decides how to
//! repair a problem. If the emulator has no owner's access to the vault, the diagnosis contains less, and that is no
//! error.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::keys::{
    Cause, IdentityId, KeyId, KeyOperation, MissingPermission, RingError, State, Status,
};
use crate::registry::{AssignedIdentity, Error, IdentityResource, Registries, Registry};
use crate::revocation::{RevocationContext, RevocationMethod, Revocations};

/// The timeout for trying the newest version of a key, in real time.
const LIMIT: Duration = Duration::from_secs(15);

/// The problems of a registry, with the known facts about its key.
#[derive(Clone, Debug)]
pub struct Diagnosis {
    /// The state after the vault's answer.
    pub status: Status,
    /// The key, if the registry has a customer-managed key.
    pub key: Option<DiagnosedKey>,
    /// The revocations that `restore` undoes, the newest first.
    pub revoked: Vec<RevocationMethod>,
    /// The reason why the key cannot be rotated to its newest version, if there is one.
    pub rotation: Option<BlockedRotation>,
    /// Whether the disk accepts new content.
    pub has_room: bool,
    /// The bytes on the disk that uploads in progress use.
    pub upload_bytes: u64,
}

/// The key of a registry, its vault, and the identity that uses it.
#[derive(Clone, Debug)]
pub struct DiagnosedKey {
    /// The key, in the version in use.
    pub key: KeyId,
    /// The resource id of its vault, if the vault exists and the emulator has the owner's access.
    pub vault: Option<String>,
    /// Whether the vault uses roles, if that is known.
    pub uses_rbac: Option<bool>,
    /// The client id of the identity that uses the key, or `system`.
    pub client_id: String,
    /// The resource of that identity, or `None` for a system-assigned or deleted identity.
    pub identity: Option<AssignedIdentity>,
    /// Its object id in access policies and roles, if that is known.
    pub principal: Option<String>,
    /// Whether the registry has it.
    pub is_assigned: bool,
}

/// The problem of a rotation.
#[derive(Clone, Debug)]
pub struct BlockedRotation {
    /// The kind of the problem.
    pub by: RotationObstacle,
    /// The version that cannot be used, if it was found.
    pub version: Option<KeyId>,
    /// The problem as a sentence.
    pub message: String,
}

/// The reason for programs why a key cannot be rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RotationCause {
    /// The newest version is of a type that cannot wrap keys.
    KeyType,
    /// The identity lacks permissions.
    PermissionMissing,
    /// A cause that states can have as well.
    #[serde(untagged)]
    State(Cause),
}

/// The kinds of problems of a rotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RotationObstacle {
    /// The newest version is disabled.
    Disabled,
    /// The newest version is of a type that cannot wrap keys.
    Type,
    /// The newest version is not valid yet, or has expired.
    Validity,
    /// The identity lacks these permissions.
    Permissions(Vec<KeyOperation>),
    /// The vault refuses for another reason, or does not answer.
    Vault(Cause),
    /// Another problem.
    Other,
}

impl Diagnosis {
    /// Asks the vault as the registry does, and reads the vault's resources as its owner.
    pub async fn run(
        registry: &Registry,
        context: RevocationContext<'_>,
        revocations: &Revocations,
    ) -> Result<Self, Error> {
        let ring = registry.key_ring();
        let status = ring.check().await;
        let is_silent =
            status.state != State::Active && status.cause.is_none_or(|cause| !cause.is_refusal());
        // A vault that does not answer gives no further facts.
        let rotation = if is_silent { None } else { blocked(registry).await };
        Ok(Self {
            status,
            key: DiagnosedKey::find(registry, context).await?,
            revoked: revocations.methods_of(registry.name()),
            rotation,
            has_room: registry.has_room().await?,
            upload_bytes: registry.held_by_uploads().await?.bytes,
        })
    }
}

impl DiagnosedKey {
    async fn find(
        registry: &Registry,
        context: RevocationContext<'_>,
    ) -> Result<Option<Self>, Error> {
        let description = registry.key_ring().describe();
        let Some(key) = description.versioned.or(description.configured) else { return Ok(None) };
        let key_identity = description.identity.as_ref();
        let vault = match context.owner {
            Some(owner) => owner.vault_named(key.vault()).await.ok().flatten(),
            None => None,
        };
        let profile = registry.profile();
        let identity = identity(registry, context.registries, key_identity).await;
        let system = profile
            .system_identity
            .as_ref()
            .filter(|_| key_identity.is_some_and(IdentityId::is_system));
        let is_assigned = system.is_some()
            || identity.as_ref().is_some_and(|own| profile.assigned(&own.resource).is_some());
        let principal = identity.as_ref().map(|own| &own.principal).or(system);
        let principal = principal.map(|own| own.principal_id.clone()).filter(|id| !id.is_empty());
        let start = &context.registries.start_identity().principal.client_id;
        Ok(Some(Self {
            key,
            uses_rbac: vault
                .as_ref()
                .map(|vault| vault["properties"]["enableRbacAuthorization"] == true),
            vault: vault.and_then(|vault| vault["id"].as_str().map(str::to_owned)),
            client_id: key_identity.map_or_else(|| start.clone(), ToString::to_string),
            identity,
            principal,
            is_assigned,
        }))
    }

    /// The resource of the identity that uses the key.
    pub fn resource(&self) -> Option<&IdentityResource> {
        self.identity.as_ref().map(|identity| &identity.resource)
    }
}

/// The user-assigned identity that uses the key, even if the registry no longer has it.
async fn identity(
    registry: &Registry,
    registries: &Registries,
    key_identity: Option<&IdentityId>,
) -> Option<AssignedIdentity> {
    let client_id = match key_identity {
        None => return Some(registries.start_identity().clone()),
        Some(id) if id.is_system() => return None,
        Some(id) => id.as_str(),
    };
    // The profile may name a deleted identity; if the store cannot be read, the profile is trusted.
    let Ok(all) = registries.identities().await else {
        return registry.profile().by_client_id(client_id).cloned();
    };
    let is_it = |client: &str| client.eq_ignore_ascii_case(client_id);
    all.into_iter().find(|identity| is_it(&identity.principal.client_id)).map(Into::into)
}

/// The reason why the newest version of the key cannot be used.
async fn blocked(registry: &Registry) -> Option<BlockedRotation> {
    let attempt = tokio::time::timeout(LIMIT, registry.key_ring().dry_run_rotation()).await;
    match attempt {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(BlockedRotation::from_error(&error)),
        Err(_) => Some(BlockedRotation {
            by: RotationObstacle::Vault(Cause::VaultUnreachable),
            version: None,
            message: Cause::VaultUnreachable.message().to_owned(),
        }),
    }
}

impl BlockedRotation {
    fn from_error(error: &RingError) -> Self {
        let (by, version) = match error {
            RingError::KeyDisabled(key) => (RotationObstacle::Disabled, Some(key)),
            RingError::KeyType { key, .. } => (RotationObstacle::Type, Some(key)),
            RingError::OutsideValidity { key, .. } => (RotationObstacle::Validity, Some(key)),
            RingError::MissingPermission(missing) => {
                (RotationObstacle::lacking(missing), Some(&missing.key))
            }
            RingError::Vault { key, source } => match source.cause() {
                Some(Cause::KeyDisabled) => (RotationObstacle::Disabled, Some(key)),
                Some(cause) => (RotationObstacle::Vault(cause), Some(key)),
                None => (RotationObstacle::Other, Some(key)),
            },
            _ => (RotationObstacle::Other, None),
        };
        Self { by, version: version.cloned(), message: error.to_string() }
    }
}

impl RotationObstacle {
    fn lacking(missing: &MissingPermission) -> Self {
        if missing.missing.is_empty() {
            Self::Vault(Cause::VaultFirewall)
        } else {
            Self::Permissions(missing.missing.clone())
        }
    }

    /// The reason for programs.
    pub fn cause(&self) -> RotationCause {
        RotationCause::State(match self {
            Self::Disabled => Cause::KeyDisabled,
            Self::Type => return RotationCause::KeyType,
            Self::Validity => Cause::KeyExpired,
            Self::Permissions(_) => return RotationCause::PermissionMissing,
            Self::Vault(cause) => *cause,
            Self::Other => Cause::RotationBlocked,
        })
    }

    /// The permissions that are missing.
    pub fn missing(&self) -> &[KeyOperation] {
        match self {
            Self::Permissions(missing) => missing,
            _ => &[],
        }
    }
}

#[cfg(feature = "command-line")]
impl RotationCause {
    /// The name, as it is serialized.
    pub fn name(self) -> &'static str {
        match self {
            Self::KeyType => "keyType",
            Self::PermissionMissing => "permissionMissing",
            Self::State(cause) => cause.name(),
        }
    }
}
