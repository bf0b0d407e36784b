//! The issuer of tokens for one tenant.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::keys::SigningKey;
use super::principal::{NewPrincipal, Principal, PrincipalError};
use super::principals::{CreatedPrincipal, CreatedSecret, Principals};
use super::secret::Secret;
use super::well_known::{Credentials, Secrets, TENANT, WellKnown};
use crate::changes::Changes;
use crate::clock::Clock;
use crate::folders::make_dir_durably;
use crate::sealing::SealingKey;

/// The issuer of tokens for one tenant.
pub struct Issuer {
    pub(super) principals: Principals,
    well_known: WellKnown,
    pub(super) key: SigningKey,
    pub(super) clock: Clock,
}

impl Issuer {
    /// Opens the issuer in `folder`, or creates one there. Blocks; the first time for as long as an RSA key takes to generate.
    pub fn open(
        folder: &Path,
        secrets: Secrets,
        sealing: &Arc<SealingKey>,
        clock: &Clock,
        changes: &Changes,
    ) -> io::Result<Self> {
        make_dir_durably(folder)?;
        let key = SigningKey::open(folder, sealing)?;
        let well_known = WellKnown::open(folder, secrets)?;
        let principals = Principals::open(folder.join("principals"), &well_known, changes)?;
        Ok(Self { principals, well_known, key, clock: clock.clone() })
    }

    /// The name of the issuer in tokens.
    pub fn name(&self) -> String {
        format!("https://sts.windows.net/{TENANT}/")
    }

    /// The owner of all local resources.
    pub fn owner(&self) -> &Credentials {
        &self.well_known.owner
    }

    /// The identity that stands for a registry's managed identity.
    pub fn managed_identity(&self) -> &Credentials {
        &self.well_known.managed_identity
    }

    /// The value of `X-IDENTITY-HEADER` in requests to the App Service endpoint.
    pub fn identity_header(&self) -> &Secret {
        &self.well_known.identity_header
    }

    /// All principals, including the well-known ones, by name.
    pub fn principals(&self) -> Vec<Arc<Principal>> {
        self.principals.all()
    }

    /// The principal of this client id.
    pub fn principal(&self, client_id: &str) -> Result<Arc<Principal>, PrincipalError> {
        let entry = self.principals.find(client_id);
        let entry = entry.ok_or_else(|| PrincipalError::NotFound(client_id.to_owned()))?;
        Ok(entry.principal)
    }

    /// The application that has this secret.
    pub fn proven(&self, client_id: &str, secret: &str) -> Option<Arc<Principal>> {
        let entry = self.principals.find(client_id)?;
        entry.proves(secret).then_some(entry.principal)
    }

    /// Creates a principal, and a secret if it is an application. Blocks.
    pub fn add_principal(&self, new: NewPrincipal) -> Result<CreatedPrincipal, PrincipalError> {
        self.principals.add(new)
    }

    /// Removes a principal. It gets no more tokens, and its existing tokens are refused. Blocks.
    pub fn remove_principal(&self, client_id: &str) -> Result<(), PrincipalError> {
        self.principals.remove(client_id)
    }

    /// Adds a secret to an application. Blocks.
    pub fn add_secret(&self, client_id: &str) -> Result<CreatedSecret, PrincipalError> {
        self.principals.add_secret(client_id)
    }

    /// Removes a secret of an application. It can no longer be used to get tokens. Blocks.
    pub fn remove_secret(&self, client_id: &str, secret_id: &str) -> Result<(), PrincipalError> {
        self.principals.remove_secret(client_id, secret_id)
    }

    /// The ids of the secrets of an application, other than a well-known one.
    pub fn secret_ids(&self, client_id: &str) -> Vec<String> {
        self.principals.secret_ids(client_id)
    }
}

impl std::fmt::Debug for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issuer").finish_non_exhaustive()
    }
}
