//! A principal: an application or a managed identity, which can get tokens.
//!
//! [`super::principals`] makes principals; tokens, access policies, role assignments and the audit log name them. A
//! principal is always valid: its ids are unique and its name was checked. Secrets are not part of it.

use serde::{Deserialize, Serialize};

use super::well_known::SUBSCRIPTION;

/// The longest display name. Entra has the same limit.
const MAX_DISPLAY_NAME: usize = 120;
/// The longest resource id.
const MAX_RESOURCE_ID: usize = 1024;

/// The kind of a principal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PrincipalKind {
    /// An application, which authenticates with a secret.
    Application,
    /// A managed identity that is itself a resource.
    UserAssignedIdentity,
    /// The managed identity of one resource.
    SystemAssignedIdentity,
}

impl PrincipalKind {
    /// Whether it is a managed identity of either kind: those get tokens without a secret.
    pub fn is_managed_identity(self) -> bool {
        match self {
            Self::Application => false,
            Self::UserAssignedIdentity | Self::SystemAssignedIdentity => true,
        }
    }
}

/// An application or a managed identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Principal {
    pub(super) client_id: String,
    pub(super) object_id: String,
    pub(super) kind: PrincipalKind,
    pub(super) display_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) resource_id: Option<String>,
}

impl Principal {
    /// The client id, also called application id: the claim `appid` of tokens.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The object id of the service principal, which access policies and role assignments use.
    pub fn object_id(&self) -> &str {
        &self.object_id
    }

    /// Its kind.
    pub fn kind(&self) -> PrincipalKind {
        self.kind
    }

    /// Its display name.
    pub fn display_name(&self) -> &str {
        &self.display_name
    }

    /// The resource that it is or belongs to, if it is a managed identity.
    pub fn resource_id(&self) -> Option<&str> {
        self.resource_id.as_deref()
    }

    /// Whether this is its resource. Resource ids are compared without regard to case, as in Azure.
    pub(super) fn is_of(&self, resource_id: &str) -> bool {
        self.resource_id.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(resource_id))
    }
}

/// A request to create a principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPrincipal {
    pub(super) kind: PrincipalKind,
    pub(super) display_name: String,
    pub(super) resource_id: Option<String>,
}

impl NewPrincipal {
    /// An application of this name. Names need not be unique.
    pub fn application(display_name: &str) -> Result<Self, PrincipalError> {
        let display_name = checked_name(display_name)?;
        Ok(Self { kind: PrincipalKind::Application, display_name, resource_id: None })
    }

    /// A user-assigned managed identity of this name, in the resource group `sealyard`.
    pub fn user_assigned_identity(name: &str) -> Result<Self, PrincipalError> {
        Self::user_assigned_identity_at(&format!(
            "/subscriptions/{SUBSCRIPTION}/resourcegroups/sealyard/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}"
        ))
    }

    /// The user-assigned managed identity that has this resource id. Its name is the last part of it.
    pub fn user_assigned_identity_at(resource_id: &str) -> Result<Self, PrincipalError> {
        Self::from_resource(PrincipalKind::UserAssignedIdentity, resource_id)
    }

    /// The system-assigned managed identity of the resource that has this id, such as a registry.
    pub fn system_assigned_identity(resource_id: &str) -> Result<Self, PrincipalError> {
        Self::from_resource(PrincipalKind::SystemAssignedIdentity, resource_id)
    }

    /// The kind of the new principal.
    pub fn kind(&self) -> PrincipalKind {
        self.kind
    }

    /// The resource that the new principal is or belongs to, if it is a managed identity.
    pub fn resource_id(&self) -> Option<&str> {
        self.resource_id.as_deref()
    }

    /// Sets the display name.
    pub fn called(self, display_name: &str) -> Result<Self, PrincipalError> {
        Ok(Self { display_name: checked_name(display_name)?, ..self })
    }

    fn from_resource(kind: PrincipalKind, resource_id: &str) -> Result<Self, PrincipalError> {
        let bad = || PrincipalError::ResourceId(resource_id.chars().take(80).collect());
        let is_plain = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.()".contains(&byte))
        };
        let parts = resource_id.strip_prefix('/').ok_or_else(bad)?;
        let parts: Vec<&str> = parts.split('/').collect();
        let begins = parts.first().is_some_and(|part| part.eq_ignore_ascii_case("subscriptions"));
        let sound = resource_id.len() <= MAX_RESOURCE_ID
            && begins
            && parts.len() >= 2
            && parts.len().is_multiple_of(2)
            && parts.iter().all(|part| is_plain(part));
        let name = parts.last().filter(|_| sound).ok_or_else(bad)?;
        let resource_id = Some(resource_id.to_owned());
        Ok(Self { kind, display_name: checked_name(name)?, resource_id })
    }
}

fn checked_name(name: &str) -> Result<String, PrincipalError> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > MAX_DISPLAY_NAME || name.contains(char::is_control)
    {
        return Err(PrincipalError::DisplayName);
    }
    Ok(name.to_owned())
}

/// The reason that a principal cannot be created, changed or found.
#[derive(Debug, thiserror::Error)]
pub enum PrincipalError {
    /// No principal has this client id.
    #[error("there is no principal with the client id '{0}'")]
    NotFound(String),
    /// The two well-known principals cannot be changed.
    #[error("the principal '{0}' is well known: neither it nor its secret can be changed")]
    WellKnown(String),
    /// The display name is not valid.
    #[error(
        "a display name has 1 to {MAX_DISPLAY_NAME} characters, none of them a control character"
    )]
    DisplayName,
    /// The resource id is not valid.
    #[error(
        "'{0}' is not a resource id: expected /subscriptions/ID/resourceGroups/GROUP/providers/NAMESPACE/TYPE/NAME"
    )]
    ResourceId(String),
    /// Another managed identity has the resource id.
    #[error("the resource '{0}' already has a managed identity")]
    ResourceTaken(String),
    /// A managed identity has no secrets.
    #[error("'{0}' is a managed identity, which has no secrets")]
    HasNoSecrets(String),
    /// The principal has no such secret.
    #[error("there is no secret with the id '{0}'")]
    SecretNotFound(String),
    /// The change cannot be stored.
    #[error("the principals cannot be stored: {0}")]
    Io(#[from] std::io::Error),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_managed_identity_is_named_after_its_resource() {
        let made = NewPrincipal::user_assigned_identity("puller").unwrap();
        let of =
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/r";

        let of_registry = NewPrincipal::system_assigned_identity(of).unwrap();

        assert_eq!(made.display_name, "puller");
        assert!(made.resource_id.unwrap().ends_with("/userAssignedIdentities/puller"));
        assert_eq!(of_registry.display_name, "r");
        assert_eq!(of_registry.called("mine").unwrap().display_name, "mine");
    }

    #[test]
    fn names_and_resource_ids_that_are_not_valid_are_refused() {
        for name in ["", " ", "a\nb", &"x".repeat(121)] {
            assert!(NewPrincipal::application(name).is_err(), "{name:?}");
        }
        for id in [
            "",
            "/",
            "x",
            "/subscriptions",
            "/subscriptions/",
            "/subscriptions/a/b",
            "/a/b",
            "/subscriptions/a b",
        ] {
            assert!(NewPrincipal::system_assigned_identity(id).is_err(), "{id:?}");
        }
        assert!(NewPrincipal::user_assigned_identity("a/b").is_err());
        assert!(NewPrincipal::user_assigned_identity("").is_err());
    }

    proptest! {
        #[test]
        fn no_resource_id_panics(id in "(/subscriptions/)?\\PC{0,40}") {
            let _ = NewPrincipal::system_assigned_identity(&id);
        }
    }
}
