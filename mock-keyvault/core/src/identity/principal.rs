//! A principal: who can hold a token. An application, or the managed identity of a resource.
//!
//! Made by [`super::principals`], named in tokens, access policies, role assignments and the audit log. A principal here
//! is whole: its ids are unique and what it is called was checked. Secrets are not part of it.

use serde::{Deserialize, Serialize};

use super::well_known::SUBSCRIPTION;

/// Longer names are refused, as Entra refuses them.
const MAX_DISPLAY_NAME: usize = 120;
/// Longer resource ids are refused.
const MAX_RESOURCE_ID: usize = 1024;

/// What kind of principal one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PrincipalKind {
    /// An application, which proves itself with a secret.
    Application,
    /// A managed identity that is a resource of its own.
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

/// Who can hold a token.
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
    /// The client id, also called application id: whom tokens name as `appid`.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The object id of the service principal: what access policies and role assignments go by.
    pub fn object_id(&self) -> &str {
        &self.object_id
    }

    /// What kind it is.
    pub fn kind(&self) -> PrincipalKind {
        self.kind
    }

    /// What people call it.
    pub fn display_name(&self) -> &str {
        &self.display_name
    }

    /// The resource that it is, or whose it is, if it is a managed identity.
    pub fn resource_id(&self) -> Option<&str> {
        self.resource_id.as_deref()
    }

    /// Whether this is its resource. Resource ids are compared without regard to case, as Azure does.
    pub(super) fn is_of(&self, resource_id: &str) -> bool {
        self.resource_id.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(resource_id))
    }
}

/// A principal that is to be made.
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
        Self::of_resource(PrincipalKind::UserAssignedIdentity, resource_id)
    }

    /// The system-assigned managed identity of the resource that has this id, such as a registry.
    pub fn system_assigned_identity(resource_id: &str) -> Result<Self, PrincipalError> {
        Self::of_resource(PrincipalKind::SystemAssignedIdentity, resource_id)
    }

    /// What kind it is going to be.
    pub fn kind(&self) -> PrincipalKind {
        self.kind
    }

    /// The resource that it is going to be, or whose.
    pub fn resource_id(&self) -> Option<&str> {
        self.resource_id.as_deref()
    }

    /// Calls it by this name.
    pub fn called(self, display_name: &str) -> Result<Self, PrincipalError> {
        Ok(Self { display_name: checked_name(display_name)?, ..self })
    }

    fn of_resource(kind: PrincipalKind, resource_id: &str) -> Result<Self, PrincipalError> {
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

/// Why a principal cannot be made, changed or found.
#[derive(Debug, thiserror::Error)]
pub enum PrincipalError {
    /// Nobody has this client id.
    #[error("there is no principal with the client id '{0}'")]
    NotFound(String),
    /// The two well-known principals stay.
    #[error("the principal '{0}' is a well-known one: it stays, and so does its secret")]
    WellKnown(String),
    /// The name cannot be one.
    #[error(
        "a display name has 1 to {MAX_DISPLAY_NAME} characters, none of them a control character"
    )]
    DisplayName,
    /// The resource id cannot be one.
    #[error(
        "'{0}' is no resource id: expected /subscriptions/ID/resourceGroups/GROUP/providers/NAMESPACE/TYPE/NAME"
    )]
    ResourceId(String),
    /// Another managed identity has the resource id.
    #[error("there is a managed identity of '{0}' already")]
    ResourceTaken(String),
    /// A managed identity has no secrets.
    #[error("'{0}' is a managed identity, which has no secrets")]
    HasNoSecrets(String),
    /// The principal has no such secret.
    #[error("there is no secret with the id '{0}'")]
    SecretNotFound(String),
    /// It cannot be kept.
    #[error("the principals cannot be kept: {0}")]
    Io(#[from] std::io::Error),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_managed_identity_is_called_after_its_resource() {
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
    fn names_and_resource_ids_that_cannot_be_ones_are_refused() {
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
