//! The steps of making a ring and of wrapping it anew: look a key up, unwrap, wrap and unwrap again.
//!
//! They count their calls, and know the permissions that the registry needs on a key: get, wrapKey and unwrapKey for the
//! identity that asks. If one is missing, the others are tried as well, so that the error names all missing permissions
//! at once, in Azure's own sentence.

use std::sync::Arc;

use super::audit::{AuditedAccess, AuditedVault, KeyOperation, Purpose};
use super::error::{MissingPermission, RingError};
use super::stored::{Entry, Wrapped};
use super::vault::{KeyInfo, VaultError};
use super::{Cause, IdentityId, KeyId};
use sealed_envelope::{DataKey, DataKeyId};

/// Unwrapped if there is nothing to unwrap, only to learn whether that is permitted. No vault opens it.
const NOTHING: [u8; 256] = [0; 256];

/// A key whose list of operations is wrong returns this code; no permission is missing.
const OPERATION_FORBIDDEN: &str = "KeyOperationForbidden";

/// Asks the vault and counts the calls.
pub(super) struct VaultSteps {
    vault: AuditedVault,
    purpose: Purpose,
    pub(super) calls: u64,
}

impl VaultSteps {
    /// The steps of an identity.
    pub(super) fn new(
        access: &Arc<AuditedAccess>,
        identity: Option<IdentityId>,
        purpose: Purpose,
    ) -> Self {
        Self { vault: access.for_identity(identity), purpose, calls: 0 }
    }

    /// The key to wrap with, in its version.
    pub(super) async fn usable(&mut self, key: &KeyId) -> Result<KeyInfo, RingError> {
        self.calls += 1;
        let info = match self.vault.get(key, self.purpose).await {
            Ok(info) => info,
            Err(source) => return Err(self.denied(key, KeyOperation::Get, source).await),
        };
        if !info.is_rsa() {
            return Err(RingError::KeyType { key: info.id, kty: info.kty });
        }
        if info.id.version().is_none() {
            return Err(failed(key, VaultError::new(None, "the vault named no version")));
        }
        if info.enabled { Ok(info) } else { Err(RingError::KeyDisabled(info.id)) }
    }

    /// Unwraps an entry, and checks that it is the key that was wrapped.
    pub(super) async fn unwrap(
        &mut self,
        entry: &Wrapped,
        id: DataKeyId,
    ) -> Result<DataKey, RingError> {
        self.calls += 1;
        let unwrapped = self.vault.unwrap(&entry.kek, id, &entry.wrapped, self.purpose).await;
        let key = unwrapped.map_err(|source| failed(&entry.kek, source))?;
        if entry.is_proven_by(id, &key) { Ok(key) } else { Err(RingError::DamagedDataKey(id)) }
    }

    /// Wraps a data key under a key that was looked up, and checks that it unwraps to the same key.
    pub(super) async fn wrap(
        &mut self,
        kek: &KeyInfo,
        id: DataKeyId,
        key: &DataKey,
    ) -> Result<Entry, RingError> {
        self.calls += 2;
        let wrapped = match self.vault.wrap(&kek.id, id, key, self.purpose).await {
            Ok(wrapped) => wrapped,
            Err(source) if source.cause() == Some(Cause::KeyExpired) => {
                let (key, from, until) = (kek.id.clone(), kek.not_before, kek.expires);
                return Err(RingError::OutsideValidity { key, from, until });
            }
            Err(source) => return Err(self.denied(&kek.id, KeyOperation::WrapKey, source).await),
        };
        let back = match self.vault.unwrap(&kek.id, id, &wrapped, self.purpose).await {
            Ok(back) => back,
            Err(source) => return Err(self.denied(&kek.id, KeyOperation::UnwrapKey, source).await),
        };
        if !back.ct_eq(key) {
            return Err(RingError::Mismatch(kek.id.clone()));
        }
        Ok(Entry::Wrapped(Wrapped::new(kek.id.clone(), wrapped, id, key)?))
    }

    /// The error of a failed step, with the missing permissions if that is the reason.
    async fn denied(
        &mut self,
        key: &KeyId,
        operation: KeyOperation,
        source: VaultError,
    ) -> RingError {
        let firewall = source.cause() == Some(Cause::VaultFirewall);
        if !firewall && !is_denied(&source) {
            return failed(key, source);
        }
        let mut missing = Vec::new();
        if !firewall {
            missing.push(operation);
            // The earlier steps were permitted, or this one would not have run.
            if operation == KeyOperation::Get && self.is_denied_to_wrap(key).await {
                missing.push(KeyOperation::WrapKey);
            }
            if operation != KeyOperation::UnwrapKey && self.is_denied_to_unwrap(key).await {
                missing.push(KeyOperation::UnwrapKey);
            }
        }
        RingError::MissingPermission(Box::new(MissingPermission {
            key: key.clone(),
            identifier: self.vault.identifier(key),
            identity: self.vault.caller(),
            missing,
            source,
        }))
    }

    async fn is_denied_to_wrap(&mut self, key: &KeyId) -> bool {
        let (Ok(id), Ok(nothing)) = (DataKeyId::random(), DataKey::generate()) else {
            return false;
        };
        self.calls += 1;
        let wrapped = self.vault.wrap(key, id, &nothing, self.purpose).await;
        wrapped.is_err_and(|error| is_denied(&error))
    }

    async fn is_denied_to_unwrap(&mut self, key: &KeyId) -> bool {
        let Ok(id) = DataKeyId::random() else { return false };
        self.calls += 1;
        let unwrapped = self.vault.unwrap(key, id, &NOTHING, self.purpose).await;
        unwrapped.is_err_and(|error| is_denied(&error))
    }
}

fn failed(key: &KeyId, source: VaultError) -> RingError {
    RingError::Vault { key: key.clone(), source }
}

/// Whether the vault says that the identity lacks a permission.
fn is_denied(error: &VaultError) -> bool {
    matches!(error.cause(), Some(Cause::PolicyRemoved | Cause::RoleRemoved))
        && error.code() != OPERATION_FORBIDDEN
}
