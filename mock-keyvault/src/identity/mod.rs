//! The issuer that stands for Microsoft Entra: who may ask for a token, the tokens, and the keys that verify them.
//!
//! Called by the router, which leads the issuer's paths here, by the vault's token check, and by the emulator, whose
//! registry takes the same tokens. It imports nothing of the vault: a token is for any resource.

pub mod principals;
pub mod token;

mod api;
mod error;
mod keys;

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::clock::Clock;
use crate::sealing::SealingKey;

pub use error::{EntraError, TokenRefused};
pub use principals::{
    Credentials, MANAGED_IDENTITY_CLIENT_ID, MANAGED_IDENTITY_OBJECT_ID, OWNER_CLIENT_ID,
    OWNER_OBJECT_ID, Secret, Secrets, WELL_KNOWN_SECRET,
};
pub use token::Claims;

pub(crate) use api::answer;

use keys::SigningKey;
use principals::Principals;

/// The well-known tenant.
pub const TENANT: &str = "00000000-0000-4000-8000-00000000a001";

/// The issuer of tokens for one tenant.
pub struct Issuer {
    principals: Principals,
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
    ) -> io::Result<Self> {
        crate::durable::make_dir_durably(folder)?;
        let key = SigningKey::open(folder, sealing)?;
        let principals = Principals::open(folder, secrets)?;
        Ok(Self { principals, key, clock: clock.clone() })
    }

    /// What tokens say issued them.
    pub fn name(&self) -> String {
        format!("https://sts.windows.net/{TENANT}/")
    }

    /// The owner of everything local.
    pub fn owner(&self) -> &Credentials {
        &self.principals.owner
    }

    /// The identity that stands for a registry's managed identity.
    pub fn managed_identity(&self) -> &Credentials {
        &self.principals.managed_identity
    }
}

impl std::fmt::Debug for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issuer").finish_non_exhaustive()
    }
}
