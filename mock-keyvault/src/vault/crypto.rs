//! Operations that use keys: encrypt and decrypt, wrapKey and unwrapKey, sign and verify, and when a version may be used.
//!
//! Called by the routes on blocking threads. Outside its period of validity a version still decrypts, unwraps and verifies, but no
//! longer encrypts, wraps and signs, as Azure documents it.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::manage::context;
use super::vaults::Vaults;
use super::view::KeyView;
use crate::model::KeyReference;
use crate::model::algorithm::{EncryptionAlgorithm, SignatureAlgorithm};
use crate::model::error::{AlgorithmMismatch, VaultError};
use crate::model::key::KeyOperation;
use crate::model::material::{PrivateKey, PublicKey};
use crate::model::names::VaultName;
use crate::model::rsa::RsaError;
use crate::store::VersionAt;

/// Whether a disabled version refuses the operations that only need its public part: wrapKey, encrypt and verify.
///
/// Azure's documents say that a disabled key is not usable for cryptographic operations. A table in a thread about the Python SDK
/// (azure-sdk-for-python#45342) lists them as allowed, but that SDK does those three on the client's side, so the table shows
/// nothing about the service. This vault uses the stricter reading; it refuses unwrapKey, decrypt and sign in any case.
const DISABLED_REFUSES_PUBLIC_OPERATIONS: bool = true;

/// The content that is encrypted: data or another key. The operations are the same, but each name has its own permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// encrypt and decrypt.
    Data,
    /// wrapKey and unwrapKey.
    Key,
}

/// A result that is not secret, with the version that was used.
#[derive(Debug)]
pub(crate) struct CryptoOutput {
    pub(crate) by: KeyView,
    pub(crate) value: Vec<u8>,
}

/// The result of decrypting, with the version that was used.
pub(crate) struct Decrypted {
    pub(crate) by: KeyView,
    pub(crate) value: Zeroizing<Vec<u8>>,
}

impl Vaults {
    /// Encrypts or wraps `value` under a version, or the newest.
    pub(crate) fn encrypt(
        &self,
        vault: &VaultName,
        at: &KeyReference,
        purpose: Purpose,
        algorithm: EncryptionAlgorithm,
        value: &[u8],
    ) -> Result<CryptoOutput, VaultError> {
        let operation = match purpose {
            Purpose::Data => KeyOperation::Encrypt,
            Purpose::Key => KeyOperation::WrapKey,
        };
        let by = self.usable(vault, at, operation)?;
        let PublicKey::Rsa(public) = &by.version.public else {
            return Err(needs_rsa(&by, algorithm));
        };
        let value = public.encrypt(algorithm, value).map_err(|error| match error {
            RsaError::TooLong { max } => VaultError::ValueTooLong { max, len: value.len() },
            RsaError::Algorithm | RsaError::Failed => VaultError::Internal(error.to_string()),
        })?;
        Ok(CryptoOutput { by, value })
    }

    /// Decrypts or unwraps a value with a version, or the newest.
    pub(crate) fn decrypt(
        &self,
        vault: &VaultName,
        at: &KeyReference,
        purpose: Purpose,
        algorithm: EncryptionAlgorithm,
        value: &[u8],
    ) -> Result<Decrypted, VaultError> {
        let operation = match purpose {
            Purpose::Data => KeyOperation::Decrypt,
            Purpose::Key => KeyOperation::UnwrapKey,
        };
        let by = self.usable(vault, at, operation)?;
        let private = self.private(&by)?;
        let PrivateKey::Rsa(private) = &*private else {
            return Err(needs_rsa(&by, algorithm));
        };
        let value = private.decrypt(algorithm, value).map_err(|_| VaultError::DecryptionFailed)?;
        Ok(Decrypted { by, value })
    }

    /// Signs a digest under a version, or the newest.
    pub(crate) fn sign(
        &self,
        vault: &VaultName,
        at: &KeyReference,
        algorithm: SignatureAlgorithm,
        digest: &[u8],
    ) -> Result<CryptoOutput, VaultError> {
        let by = self.usable(vault, at, KeyOperation::Sign)?;
        refuse_mismatch(&by, algorithm, "value", digest)?;
        let value = match &*self.private(&by)? {
            PrivateKey::Rsa(key) => key.sign(algorithm, digest).map_err(|error| failed(&error))?,
            PrivateKey::Ec(key) => key.sign(digest).map_err(|error| failed(&error))?,
        };
        Ok(CryptoOutput { by, value })
    }

    /// Whether this is a signature of the digest by a version, or the newest.
    pub(crate) fn verify(
        &self,
        vault: &VaultName,
        at: &KeyReference,
        algorithm: SignatureAlgorithm,
        digest: &[u8],
        signature: &[u8],
    ) -> Result<bool, VaultError> {
        let by = self.usable(vault, at, KeyOperation::Verify)?;
        refuse_mismatch(&by, algorithm, "digest", digest)?;
        match &by.version.public {
            PublicKey::Rsa(key) => {
                key.verify(algorithm, digest, signature).map_err(|error| failed(&error))
            }
            PublicKey::Ec(key) => Ok(key.verify(digest, signature)),
        }
    }

    /// The version for this operation, if the rules permit the operation now.
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

    /// The private part, which is opened at its first use.
    fn private(&self, view: &KeyView) -> Result<Arc<PrivateKey>, VaultError> {
        let slot = &view.version.private;
        if let Some(key) = slot.get() {
            return Ok(Arc::clone(key));
        }
        let at = VersionAt { vault: &view.vault, key: &view.name, version: &view.version.id };
        let form = match self.sealed_form(at) {
            Ok(form) => form,
            Err(error) => {
                // Another caller may have purged the key meanwhile; then the answer is "not found".
                self.key(&view.vault, &view.reference())?;
                return Err(error);
            }
        };
        slot.open(&view.version.public, &form)
            .map(Arc::clone)
            .map_err(|_| internal("a private key cannot be read"))
    }

    /// The unsealed private part of a version, in the form in which it is sealed.
    pub(super) fn sealed_form(&self, at: VersionAt<'_>) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let sealed = self.store.private(at)?.ok_or_else(|| internal("a private key is missing"))?;
        self.sealing
            .open_sealed(&context(at), &sealed)
            .map_err(|_| internal("a private key does not open"))
    }
}

/// Refuses an algorithm of another key type or curve, and a digest of the wrong length.
fn refuse_mismatch(
    by: &KeyView,
    algorithm: SignatureAlgorithm,
    parameter: &'static str,
    digest: &[u8],
) -> Result<(), VaultError> {
    let mismatch = match (&by.version.public, algorithm.curve()) {
        (PublicKey::Rsa(_), None) => None,
        (PublicKey::Rsa(_), Some(_)) => Some(AlgorithmMismatch::NeedsEc(by.version.kty)),
        (PublicKey::Ec(_), None) => Some(AlgorithmMismatch::NeedsRsa(by.version.kty)),
        (PublicKey::Ec(key), Some(needs)) if key.curve == needs => None,
        (PublicKey::Ec(key), Some(needs)) => {
            Some(AlgorithmMismatch::Curve { found: key.curve, needs })
        }
    };
    if let Some(mismatch) = mismatch {
        let (key, algorithm) = (by.reference(), algorithm.as_str());
        return Err(VaultError::Incompatible { key, algorithm, mismatch });
    }
    let needs = algorithm.digest_len();
    if digest.len() != needs {
        return Err(VaultError::DigestLength { parameter, len: digest.len(), algorithm, needs });
    }
    Ok(())
}

fn needs_rsa(by: &KeyView, algorithm: EncryptionAlgorithm) -> VaultError {
    VaultError::Incompatible {
        key: by.reference(),
        algorithm: algorithm.as_str(),
        mismatch: AlgorithmMismatch::NeedsRsa(by.version.kty),
    }
}

fn failed(error: &impl ToString) -> VaultError {
    VaultError::Internal(error.to_string())
}

fn internal(message: &str) -> VaultError {
    VaultError::Internal(message.to_owned())
}
