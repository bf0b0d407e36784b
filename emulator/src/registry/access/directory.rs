//! The interface to Microsoft Entra and Azure's roles: it authenticates principals and evaluates their roles.
//!
//! The program implements it with the issuer and the role assignments of the embedded vault. With an external vault
//! there is no implementation, and no identity can log in.

use super::action::Action;

/// A principal that the directory has authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedPrincipal {
    /// Its client id.
    pub client_id: String,
    /// Its object id, which role assignments name.
    pub object_id: String,
}

/// Authenticates principals and evaluates their roles.
pub trait Directory: Send + Sync {
    /// The principal of an access token, if the token is for Azure Resource Manager or for registries. The error is a
    /// message.
    fn verify_token(&self, token: &str) -> Result<VerifiedPrincipal, String>;

    /// The principal of a client secret.
    fn verify_secret(&self, client_id: &str, secret: &str) -> Option<VerifiedPrincipal>;

    /// Whether a principal still exists.
    fn has(&self, principal: &VerifiedPrincipal) -> bool;

    /// Whether a role allows the principal an operation of the control plane on a resource.
    fn allows(&self, object_id: &str, operation: &str, resource_id: &str) -> bool;
}

/// No directory: no principal is known.
#[derive(Clone, Copy, Debug)]
pub struct NoDirectory;

impl Directory for NoDirectory {
    fn verify_token(&self, _token: &str) -> Result<VerifiedPrincipal, String> {
        Err("the vault is not the embedded one, so its issuer's tokens are not known here"
            .to_owned())
    }

    fn verify_secret(&self, _client_id: &str, _secret: &str) -> Option<VerifiedPrincipal> {
        None
    }

    fn has(&self, _principal: &VerifiedPrincipal) -> bool {
        false
    }

    fn allows(&self, _object_id: &str, _operation: &str, _resource_id: &str) -> bool {
        false
    }
}

/// The operation that a role must allow for the catalog. `AcrPull` lists it.
pub(super) const CATALOG: &str = "Microsoft.ContainerRegistry/registries/pull/read";

/// The operation that a role must allow for an action.
///
/// `AcrPull` and `AcrPush` have no operations of their own for metadata. Clients need that pulling includes reading it
/// and pushing includes changing it; this is not documented.
pub(super) fn operation(action: Action) -> &'static str {
    match action {
        Action::Pull | Action::MetadataRead => "Microsoft.ContainerRegistry/registries/pull/read",
        Action::Push | Action::MetadataWrite => "Microsoft.ContainerRegistry/registries/push/write",
        Action::Delete => "Microsoft.ContainerRegistry/registries/artifacts/delete",
    }
}
