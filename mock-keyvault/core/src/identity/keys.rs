//! The key that signs tokens: RSA-2048, sealed at rest, and its public key for verification.
//!
//! Only [`super::Issuer`] calls it.

use std::io;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use rand::rngs::SysRng;
use ring::rsa::{KeyPair, PublicKeyComponents};
use rsa::PrivateKey;
use rsa::pkcs1::EncodeRsaPrivateKey;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::files::{Access, read_if_there, write_whole};
use crate::sealing::SealingKey;
use crate::token_crypto;

/// The file of the sealed key. Its content is bound to the context below. Neither may change.
const KEY_FILE: &str = "issuer.sealed";
const CONTEXT: &[u8] = b"mock-keyvault issuer 1";
const BITS: usize = 2048;

pub(super) struct SigningKey {
    /// The id of the key in tokens and in the set of public keys.
    pub(super) id: String,
    pub(super) signing: KeyPair,
    pub(super) verifying: DecodingKey,
    /// In base64url, as in the set of public keys.
    pub(super) modulus: String,
    /// In base64url, as in the set of public keys.
    pub(super) exponent: String,
}

impl SigningKey {
    pub(super) fn open(folder: &Path, sealing: &SealingKey) -> io::Result<Self> {
        token_crypto::install();
        let path = folder.join(KEY_FILE);
        let damaged = || {
            let message = format!("the issuer's key in {} cannot be decrypted", path.display());
            io::Error::new(io::ErrorKind::InvalidData, message)
        };
        let der: Zeroizing<Vec<u8>> = if let Some(sealed) = read_if_there(&path)? {
            sealing.open_sealed(CONTEXT, &sealed).map_err(|_| damaged())?
        } else {
            let key = PrivateKey::new(&mut SysRng, BITS).map_err(io::Error::other)?;
            let der = key.to_pkcs1_der().map_err(io::Error::other)?.to_bytes();
            write_whole(&path, &sealing.seal(CONTEXT, &der)?, Access::Private)?;
            der
        };
        let signing = KeyPair::from_der(&der).map_err(|_| damaged())?;
        let PublicKeyComponents::<Vec<u8>> { n: modulus, e: exponent } = signing.public().into();
        Ok(Self {
            id: URL_SAFE_NO_PAD.encode(&Sha256::digest(&modulus)[..20]),
            signing,
            verifying: DecodingKey::from_rsa_raw_components(&modulus, &exponent),
            modulus: URL_SAFE_NO_PAD.encode(&modulus),
            exponent: URL_SAFE_NO_PAD.encode(&exponent),
        })
    }
}
