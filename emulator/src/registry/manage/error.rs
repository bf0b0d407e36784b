//! Why a registry or an identity is not created, changed or deleted, in Azure's wording where it is known.
//!
//! `admin/` and `arm/` map these to status and code, each in one match without a rest arm. Azure publishes few of its
//! texts: the comments below say which are Azure's; the others are ours.

use thiserror::Error;

use crate::keys::{Cause, KeyId, MissingPermission, RingError, Severity, VaultName, no_access};
use crate::names::RegistryName;
use crate::registry::error::Error;
use crate::registry::resources::{
    DeploymentName, IdentityRef, IdentityResource, PlatformError, Profile, ResourceError,
    ResourceGroup, Sku, not_assigned,
};
use crate::store::StoreError;

/// Why the request is refused. Nothing was changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ManageError {
    /// A name, a location, tags or an identity is invalid.
    #[error(transparent)]
    Resource(#[from] ResourceError),
    /// A registry of this name exists already.
    #[error("there is a registry {0} already")]
    NameTaken(RegistryName),
    /// There is no registry of this name.
    #[error("there is no registry {0}")]
    NoRegistry(RegistryName),
    /// `local` always exists.
    #[error("the registry local always exists and cannot be deleted")]
    LocalStays,
    /// There is no group of this name.
    #[error("there is no resource group {0}")]
    NoGroup(ResourceGroup),
    /// The group contains the resources of the emulator's start.
    #[error(
        "the resource group {0} cannot be deleted: it contains resources that the emulator needs at its start"
    )]
    GroupStays(ResourceGroup),
    /// The group still has resources.
    #[error("the resource group {0} is not empty")]
    GroupInUse(ResourceGroup),
    /// The group has an identity of this name already.
    #[error("there is an identity {0} already")]
    IdentityTaken(IdentityResource),
    /// There is no such identity.
    #[error("there is no identity {0}")]
    NoIdentity(String),
    /// There is no such deployment.
    #[error("there is no deployment {0}")]
    NoDeployment(DeploymentName),
    /// Registries use the identity.
    #[error(
        "the identity {identity} is assigned to {}: remove it there first, or force it",
        list(registries)
    )]
    IdentityInUse {
        /// The identity.
        identity: IdentityResource,
        /// The registries that use it.
        registries: Vec<RegistryName>,
    },
    /// The start identity cannot be deleted.
    #[error("the identity {0} cannot be deleted: the emulator was started with it")]
    StartIdentityStays(IdentityResource),
    /// Only the Premium SKU supports customer-managed keys.
    #[error("a customer-managed key needs the Premium SKU, not {0}")]
    PremiumOnly(Sku),
    /// The Basic SKU has no anonymous pull.
    #[error("anonymous pull needs the Standard or Premium SKU, not {0}")]
    NoAnonymousPull(Sku),
    /// Creation needs a user-assigned identity.
    #[error(
        "a customer-managed key needs a user-assigned identity when the registry is created; the system-assigned one can take over afterwards"
    )]
    NoUserAssignedIdentity,
    /// A key can only be set at creation.
    #[error(
        "a customer-managed key can only be chosen when a registry is created, and {0} was created without one"
    )]
    EnabledLater(RegistryName),
    /// A key cannot be turned off.
    #[error("the customer-managed key of the registry {0} cannot be turned off")]
    CannotBeDisabled(RegistryName),
    /// There is no key to rotate. The second half is the message of Azure's command line.
    #[error(
        "the registry {0} has no customer-managed key: key rotation is only applicable to registries with CMK enabled"
    )]
    NothingToRotate(RegistryName),
    /// The registry does not have the identity. The text is Azure's.
    #[error("{}", not_assigned(resource_id, registry, identity))]
    IdentityNotAssigned {
        /// The registry.
        registry: RegistryName,
        /// Its resource id.
        resource_id: String,
        /// The identity that was named.
        identity: String,
    },
    /// An elliptic-curve key. The first sentence is reportedly Azure's.
    #[error(
        "Invalid key type. Azure Container Registry supports only RSA or RSA-HSM keys. The key '{key}' is of type {kty}, which only signs and cannot wrap."
    )]
    KeyType {
        /// The identifier of the key.
        key: String,
        /// Its type.
        kty: String,
    },
    /// The identity lacks a permission on the key. The text is Azure's, with one more sentence.
    #[error("{0}")]
    MissingPermission(Box<MissingPermission>),
    /// The vault refuses the identity's use of the key. The first three sentences are Azure's.
    #[error("{}", refused_key(key, identity, *cause, why))]
    NoAccess {
        /// The identifier of the key.
        key: String,
        /// The identity that asked.
        identity: String,
        /// The cause, as key states name it; `None` if the vault refuses the operation and not the registry.
        cause: Option<Cause>,
        /// The vault's message.
        why: String,
    },
    /// The vault or the issuer does not answer.
    #[error("cannot try the key '{key}': {why}")]
    NoAnswer {
        /// The identifier of the key.
        key: String,
        /// The error.
        why: String,
    },
    /// The vault has no purge protection.
    #[error(
        "the vault {0} has no purge protection, so that its keys can be destroyed with everything that they seal: turn it on, which cannot be undone"
    )]
    NoPurgeProtection(VaultName),
    /// Content trust and a customer-managed key exclude each other. The text is Azure's, verbatim.
    #[error(
        "this feature 'ContenTrust' is currently not supported when encryption is enable for the resource {0}. For more information on customer-managed keys, please visit 'https://aka.ms/acr/cmk'."
    )]
    ContentTrust(String),
    /// Nothing here signs or verifies images.
    #[error(
        "Sealyard does not emulate content trust: leave the property 'properties.policies.trustPolicy.status' out, or set it to 'disabled'. Nothing signs or verifies images."
    )]
    NoContentTrust,
    /// A platform service failed.
    #[error(transparent)]
    Platform(#[from] PlatformError),
    /// Any other error.
    #[error(transparent)]
    Registry(#[from] Error),
}

/// A risk that does not stop the operation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// The vault has no purge protection.
    NoPurgeProtection(VaultName),
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoPurgeProtection(vault) => write!(
                f,
                "the vault {vault} has no purge protection: if the key is purged, everything that it encrypts is lost"
            ),
        }
    }
}

impl ManageError {
    /// The error for an identity that the registry does not have.
    pub(super) fn not_assigned(
        registry: &RegistryName,
        profile: &Profile,
        named: &IdentityRef,
    ) -> Self {
        Self::IdentityNotAssigned {
            registry: registry.clone(),
            resource_id: profile.group.registry_id(registry),
            identity: named.to_string(),
        }
    }

    /// The ring's error for a key that was tried. `identifier` renders a key.
    pub(super) fn from_ring_error(
        error: RingError,
        registry: &RegistryName,
        identity: &str,
        identifier: impl Fn(&KeyId) -> String,
    ) -> Self {
        match error {
            RingError::KeyType { key, kty } => Self::KeyType { key: identifier(&key), kty },
            RingError::Vault { key, source } => {
                let (key, why) = (identifier(&key), source.to_string());
                match source.cause() {
                    Some(cause) if cause.severity() == Severity::Outage => {
                        Self::NoAnswer { key, why }
                    }
                    cause => Self::NoAccess { key, identity: identity.to_owned(), cause, why },
                }
            }
            RingError::KeyDisabled(key) => Self::NoAccess {
                key: identifier(&key),
                identity: identity.to_owned(),
                cause: Some(Cause::KeyDisabled),
                why: "The key version is disabled.".to_owned(),
            },
            RingError::MissingPermission(missing) => Self::MissingPermission(missing),
            RingError::OutsideValidity { ref key, .. } => Self::NoAccess {
                key: identifier(key),
                identity: identity.to_owned(),
                cause: Some(Cause::KeyExpired),
                why: error.to_string(),
            },
            RingError::NoCustomerManagedKey => Self::NothingToRotate(registry.clone()),
            other => Self::Registry(other.into()),
        }
    }
}

impl ManageError {
    /// The same error, with keys in the form that the reader knows.
    #[must_use]
    pub(crate) fn naming_keys(mut self, name: impl Fn(&KeyId) -> String) -> Self {
        match &mut self {
            Self::KeyType { key, .. } | Self::NoAccess { key, .. } | Self::NoAnswer { key, .. } => {
                if let Ok(id) = key.parse() {
                    *key = name(&id);
                }
            }
            Self::MissingPermission(missing) => missing.identifier = name(&missing.key),
            _ => (),
        }
        self
    }
}

impl From<StoreError> for ManageError {
    fn from(error: StoreError) -> Self {
        Self::Registry(error.into())
    }
}

/// If the identity itself is missing, the message does not point to permissions on the key.
fn refused_key(key: &str, identity: &str, cause: Option<Cause>, why: &str) -> String {
    if cause == Some(Cause::IdentityRemoved) {
        return why.to_owned();
    }
    format!("{} {why}", no_access(key, identity))
}

fn list(names: &[RegistryName]) -> String {
    names.iter().map(RegistryName::as_str).collect::<Vec<_>>().join(", ")
}
