//! The seam to Microsoft Entra and to Azure's roles: who somebody is, and what roles allow them.
//!
//! The program fills it with the issuer and the role assignments of the embedded vault. With a vault elsewhere there is
//! none, and nobody can log in with an identity.

use super::action::Action;

/// A principal that the directory vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vouched {
    /// Its client id.
    pub client_id: String,
    /// Its object id, by which roles are assigned.
    pub object_id: String,
}

/// Who somebody is, and what roles allow them.
pub trait Directory: Send + Sync {
    /// Whose access token this is, if it is for Azure's resource manager or for registries. The error is words.
    fn of_token(&self, token: &str) -> Result<Vouched, String>;

    /// Whose secret this is.
    fn of_secret(&self, client_id: &str, secret: &str) -> Option<Vouched>;

    /// Whether a principal is still there.
    fn has(&self, principal: &Vouched) -> bool;

    /// Whether a role lets the principal do an operation of the control plane on a resource.
    fn allows(&self, object_id: &str, operation: &str, resource_id: &str) -> bool;
}

/// There is nobody to ask.
#[derive(Clone, Copy, Debug)]
pub struct NoDirectory;

impl Directory for NoDirectory {
    fn of_token(&self, _token: &str) -> Result<Vouched, String> {
        Err("the vault is not the embedded one, so its issuer's tokens are not known here"
            .to_owned())
    }

    fn of_secret(&self, _client_id: &str, _secret: &str) -> Option<Vouched> {
        None
    }

    fn has(&self, _principal: &Vouched) -> bool {
        false
    }

    fn allows(&self, _object_id: &str, _operation: &str, _resource_id: &str) -> bool {
        false
    }
}

/// The operation that a role has to allow for the catalogue. `AcrPull` lists it.
pub(super) const CATALOG: &str = "Microsoft.ContainerRegistry/registries/pull/read";

/// The operation that a role has to allow for an action.
///
/// `AcrPull` and `AcrPush` have no operations of their own for metadata. That whoever may pull reads them, and whoever may push
/// changes them, is what the clients need; it is written down nowhere.
pub(super) fn operation(action: Action) -> &'static str {
    match action {
        Action::Pull | Action::MetadataRead => "Microsoft.ContainerRegistry/registries/pull/read",
        Action::Push | Action::MetadataWrite => "Microsoft.ContainerRegistry/registries/push/write",
        Action::Delete => "Microsoft.ContainerRegistry/registries/artifacts/delete",
    }
}
