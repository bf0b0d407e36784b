//! The issuer that stands for Microsoft Entra: who may ask for a token, the tokens, and the keys that verify them.
//!
//! Called by the router, which leads the issuer's paths here, by the vault's token check, and by the emulator, whose
//! registry takes the same tokens. It imports nothing of the vault: a token is for any resource.

pub mod token;

mod admin;
mod api;
mod error;
mod form;
mod keys;
mod managed;
mod principal;
mod principals;
mod secret;
mod well_known;

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::changes::Changes;
use crate::clock::Clock;
use crate::sealing::SealingKey;

pub use error::{EntraError, TokenRefused};
pub use managed::{APP_SERVICE_PATH, IMDS_PATH};
pub use principal::{NewPrincipal, Principal, PrincipalError, PrincipalKind};
pub use principals::{MadePrincipal, MadeSecret};
pub use secret::Secret;
pub use token::{Claims, Verified};
pub use well_known::{
    Credentials, MANAGED_IDENTITY_CLIENT_ID, MANAGED_IDENTITY_OBJECT_ID,
    MANAGED_IDENTITY_RESOURCE_ID, OWNER_CLIENT_ID, OWNER_OBJECT_ID, SUBSCRIPTION, Secrets,
    WELL_KNOWN_SECRET,
};

pub use admin::{PATH as PRINCIPALS_PATH, answer as answer_principals};
pub use api::answer;
pub use managed::Endpoint as ManagedEndpoint;

use keys::SigningKey;
use principals::Principals;
use well_known::WellKnown;

/// The well-known tenant.
pub const TENANT: &str = "00000000-0000-4000-8000-00000000a001";

/// The issuer of tokens for one tenant.
pub struct Issuer {
    principals: Principals,
    well_known: WellKnown,
    key: SigningKey,
    clock: Clock,
}

impl Issuer {
    /// Opens the issuer in `folder`, or makes one there. Blocks, at first for as long as RSA takes to find primes.
    pub fn open(
        folder: &Path,
        secrets: Secrets,
        sealing: &Arc<SealingKey>,
        clock: &Clock,
        changes: &Changes,
    ) -> io::Result<Self> {
        crate::durable::make_dir_durably(folder)?;
        let key = SigningKey::open(folder, sealing)?;
        let well_known = WellKnown::open(folder, secrets)?;
        let principals = Principals::open(folder.join("principals"), &well_known, changes)?;
        Ok(Self { principals, well_known, key, clock: clock.clone() })
    }

    /// What tokens say issued them.
    pub fn name(&self) -> String {
        format!("https://sts.windows.net/{TENANT}/")
    }

    /// The owner of everything local.
    pub fn owner(&self) -> &Credentials {
        &self.well_known.owner
    }

    /// The identity that stands for a registry's managed identity.
    pub fn managed_identity(&self) -> &Credentials {
        &self.well_known.managed_identity
    }

    /// What a request to the App Service endpoint carries as `X-IDENTITY-HEADER`.
    pub fn identity_header(&self) -> &Secret {
        &self.well_known.identity_header
    }

    /// All principals, the well-known ones among them, by name.
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

    /// Makes a principal, and a secret if it is an application. Blocks.
    pub fn add_principal(&self, new: NewPrincipal) -> Result<MadePrincipal, PrincipalError> {
        self.principals.add(new)
    }

    /// Removes a principal: it gets no more tokens, and those it has are refused. Blocks.
    pub fn remove_principal(&self, client_id: &str) -> Result<(), PrincipalError> {
        self.principals.remove(client_id)
    }

    /// Gives an application a further secret. Blocks.
    pub fn add_secret(&self, client_id: &str) -> Result<MadeSecret, PrincipalError> {
        self.principals.add_secret(client_id)
    }

    /// Takes a secret of an application away: it is good for no further token. Blocks.
    pub fn remove_secret(&self, client_id: &str, secret_id: &str) -> Result<(), PrincipalError> {
        self.principals.remove_secret(client_id, secret_id)
    }

    /// The ids of the secrets of an application that was made.
    pub fn secret_ids(&self, client_id: &str) -> Vec<String> {
        self.principals.secret_ids(client_id)
    }
}

impl std::fmt::Debug for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issuer").finish_non_exhaustive()
    }
}
