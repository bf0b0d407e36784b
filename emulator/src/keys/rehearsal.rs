//! Trying whether the key could be rotated now: what a rotation asks of the newest version, and nothing after it.
//!
//! `diagnosis` calls it, for who wants to know what is in the way before it is needed. Nothing is kept, and the state stays
//! as it is: a version that cannot be taken into use says nothing of the one that is.

use super::audit::Purpose;
use super::error::RingError;
use super::ring::KeyRing;
use super::steps::Steps;
use sealed_envelope::{DataKey, DataKeyId};

impl KeyRing {
    /// Looks the configured key up, wraps under it and unwraps back, as the identity that uses it. The error is the one
    /// that a rotation would meet; a ring without a customer-managed key has none.
    pub async fn rehearse(&self) -> Result<(), RingError> {
        let ring = self.0.ring();
        let Some(configured) = &ring.head.configured else { return Ok(()) };
        let access = self.0.access.as_ref().ok_or(RingError::NoVault)?;
        access
            .may_rotate(ring.head.identity.as_ref())
            .map_err(|source| RingError::Vault { key: configured.clone(), source })?;
        let mut steps = Steps::new(access, ring.head.identity.clone(), Purpose::Check);
        let info = steps.usable(configured).await?;
        steps.wrap(&info, DataKeyId::random()?, &DataKey::generate()?).await?;
        Ok(())
    }
}
