//! Sealing short values: data keys in the ring, rows that must not be readable.
//!
//! Each value has a salt of its own, so its key seals one message and the nonce is fixed. The caller's context separates
//! the uses; the associated data binds the value to its place. Values are not meant for content.

use zeroize::Zeroizing;

use super::cipher::TAG_LEN;
use super::kdf;
use super::message_key::COMMITMENT_LEN;
use super::nonce::Nonce;
use super::random::{SALT_LEN, Salt, Salts};
use super::{DataKey, OpenError, SealError};

/// How many bytes sealing adds to a value.
pub const VALUE_OVERHEAD: usize = 1 + SALT_LEN + COMMITMENT_LEN + TAG_LEN;

/// Must not change within this form.
const VERSION: u8 = 1;

/// Seals `plaintext`. It opens only with the same key, context and associated data.
pub fn seal_value(
    key: &DataKey,
    context: &[u8],
    associated: &[u8],
    plaintext: &[u8],
) -> Result<Vec<u8>, SealError> {
    seal_value_with(key, context, associated, plaintext, &mut Salts::System)
}

pub(super) fn seal_value_with(
    key: &DataKey,
    context: &[u8],
    associated: &[u8],
    plaintext: &[u8],
    salts: &mut Salts,
) -> Result<Vec<u8>, SealError> {
    const HEAD_LEN: usize = VALUE_OVERHEAD - TAG_LEN;
    let salt = salts.draw()?;
    let mut sealed = Vec::with_capacity(plaintext.len() + VALUE_OVERHEAD);
    sealed.push(VERSION);
    sealed.extend_from_slice(&salt.0);
    sealed.resize(HEAD_LEN, 0);
    sealed.extend_from_slice(plaintext);
    let (commitment, tag) = kdf::value(key, &salt, context)
        .seal(&Nonce::VALUE, associated, (&mut sealed[HEAD_LEN..]).into())
        .map_err(|_| SealError::TooLong)?;
    sealed[HEAD_LEN - COMMITMENT_LEN..HEAD_LEN].copy_from_slice(&commitment);
    sealed.extend_from_slice(&tag);
    Ok(sealed)
}

/// Opens what [`seal_value`] sealed.
pub fn open_value(
    key: &DataKey,
    context: &[u8],
    associated: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    const TOO_SHORT: OpenError = OpenError::Malformed("value too short");
    let (version, rest) = sealed.split_first().ok_or(OpenError::NotSealed)?;
    if *version != VERSION {
        return Err(OpenError::UnsupportedVersion(u16::from(*version)));
    }
    let (salt, rest) = rest.split_first_chunk().ok_or(TOO_SHORT)?;
    let (commitment, ciphertext) = rest.split_first_chunk().ok_or(TOO_SHORT)?;
    let mut value = Zeroizing::new(ciphertext.to_vec());
    kdf::value(key, &Salt(*salt), context)
        .open(commitment, &Nonce::VALUE, associated, &mut value)
        .map_err(|_| OpenError::Damaged)?;
    Ok(value)
}
