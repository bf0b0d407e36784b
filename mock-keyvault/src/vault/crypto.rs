//! Using keys: wrapKey and unwrapKey, and the rules that say when a version may be used.
//!
//! Called by the routes on blocking threads. Outside its period of validity a version still unwraps but wraps no more,
//! as Azure documents it.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::error::VaultError;
use super::key::KeyOperation;
use super::manage::context;
use super::names::VaultName;
use super::rsa::{RsaError, RsaKey, WrapAlgorithm};
use super::view::KeyView;
use super::{KeyReference, Vaults};
use crate::store::VersionAt;

/// Whether a disabled version refuses the operations that need its public part alone: wrapKey, encrypt and verify.
///
/// Azure's documents say that a disabled key is not usable for cryptographic operations. A table in a thread about the
/// Python SDK (azure-sdk-for-python#45342) has them allowed, but that SDK does those three on the client's side, so it
/// shows nothing of the service. The stricter reading is taken; unwrapKey, decrypt and sign are refused in any case.
const DISABLED_REFUSES_PUBLIC_OPERATIONS: bool = true;

/// The result of wrapKey, with the version that was used.
#[derive(Debug)]
pub(crate) struct Wrapped {
    pub(crate) by: KeyView,
    pub(crate) value: Vec<u8>,
}

/// The result of unwrapKey, with the version that was used.
pub(crate) struct Unwrapped {
    pub(crate) by: KeyView,
    pub(crate) value: Zeroizing<Vec<u8>>,
}

impl Vaults {
    /// Wraps `value` under a version, or the newest.
    pub(crate) fn wrap(
        &self,
        vault: &VaultName,
        at: &KeyReference,
        algorithm: WrapAlgorithm,
        value: &[u8],
    ) -> Result<Wrapped, VaultError> {
        let by = self.usable(vault, at, KeyOperation::WrapKey)?;
        let value = by.version.public.wrap(algorithm, value).map_err(|error| match error {
            RsaError::TooLong { max } => VaultError::ValueTooLong { max, len: value.len() },
            RsaError::Failed => VaultError::Internal(error.to_string()),
        })?;
        Ok(Wrapped { by, value })
    }

    /// Unwraps what a version, or the newest, has wrapped.
    pub(crate) fn unwrap(
        &self,
        vault: &VaultName,
        at: &KeyReference,
        algorithm: WrapAlgorithm,
        wrapped: &[u8],
    ) -> Result<Unwrapped, VaultError> {
        let by = self.usable(vault, at, KeyOperation::UnwrapKey)?;
        let private = self.private(&by)?;
        let value = private.unwrap(algorithm, wrapped).map_err(|_| VaultError::UnwrapFailed)?;
        Ok(Unwrapped { by, value })
    }

    /// The version to be used, if the rules allow this operation now.
    fn usable(
        &self,
        vault: &VaultName,
        at: &KeyReference,
        operation: KeyOperation,
    ) -> Result<KeyView, VaultError> {
        let view = self.key(vault, at)?;
        let version = &view.version;
        let permission = operation.permission();
        let is_public = matches!(
            operation,
            KeyOperation::Encrypt | KeyOperation::Verify | KeyOperation::WrapKey
        );
        if !version.attributes.enabled && (!is_public || DISABLED_REFUSES_PUBLIC_OPERATIONS) {
            return Err(VaultError::KeyDisabled(permission));
        }
        if !version.operations.contains(&operation) {
            return Err(VaultError::OperationNotPermitted(permission));
        }
        let is_timed =
            matches!(operation, KeyOperation::Encrypt | KeyOperation::Sign | KeyOperation::WrapKey);
        if is_timed {
            let now = self.clock.unix_now();
            if version.attributes.not_before.is_some_and(|start| now < start) {
                return Err(VaultError::KeyNotYetValid(permission));
            }
            if version.attributes.expires.is_some_and(|end| end <= now) {
                return Err(VaultError::KeyExpired(permission));
            }
        }
        Ok(view)
    }

    /// The private part, opened at its first use.
    fn private(&self, view: &KeyView) -> Result<Arc<RsaKey>, VaultError> {
        let slot = &view.version.private.0;
        if let Some(key) = slot.get() {
            return Ok(Arc::clone(key));
        }
        let at = VersionAt { vault: &view.vault, key: &view.name, version: &view.version.id };
        let sealed = self.store.private(at)?.ok_or_else(|| internal("a private key is missing"))?;
        let der = self
            .sealing
            .open_sealed(&context(at), &sealed)
            .map_err(|_| internal("a private key does not open"))?;
        let key = RsaKey::from_pkcs8(&der).map_err(|_| internal("a private key cannot be read"))?;
        Ok(Arc::clone(slot.get_or_init(|| Arc::new(key))))
    }
}

fn internal(words: &str) -> VaultError {
    VaultError::Internal(words.to_owned())
}
