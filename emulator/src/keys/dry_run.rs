//! Tries whether the key could be rotated now, with the vault calls of a rotation for the newest version only.
//!
//! `diagnosis` calls it, to show what would block a rotation. It keeps nothing and leaves the state
//! as it is: an unusable new version says nothing about the version in use.

use super::audit::Purpose;
use super::error::RingError;
use super::ring::KeyRing;
use super::vault_steps::VaultSteps;
use sealed_envelope::{DataKey, DataKeyId};

impl KeyRing {
    /// Looks up the configured key, wraps under it and unwraps again, as the identity that uses it. The error is the error
    /// of a real rotation; a ring without a customer-managed key has none.
    pub async fn dry_run_rotation(&self) -> Result<(), RingError> {
        let ring = self.0.ring();
        let Some(configured) = &ring.head.configured else { return Ok(()) };
        let access = self.0.access.as_ref().ok_or(RingError::NoVault)?;
        access
            .may_rotate(ring.head.identity.as_ref())
            .map_err(|source| RingError::Vault { key: configured.clone(), source })?;
        let mut steps = VaultSteps::new(access, ring.head.identity.clone(), Purpose::Check);
        let info = steps.usable(configured).await?;
        steps.wrap(&info, DataKeyId::random()?, &DataKey::generate()?).await?;
        Ok(())
    }
}
