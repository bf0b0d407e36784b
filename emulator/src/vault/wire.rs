//! The JSON of a vault's keys and operations, as `client.rs` sends and reads it.
//!
//! The value of an operation may be a data key. It is borrowed from the body, which the client wipes.

use std::borrow::Cow;

use reqwest::Url;
use serde::{Deserialize, Serialize};

use crate::keys::{Cause, KeyVersion, VaultError};

/// The body of wrapKey and unwrapKey.
#[derive(Serialize)]
pub(super) struct OperationBody<'a> {
    pub(super) alg: &'static str,
    pub(super) value: &'a str,
}

/// The answer to wrapKey and unwrapKey.
#[derive(Deserialize)]
pub(super) struct OperationResult<'a> {
    #[serde(borrow)]
    value: Cow<'a, str>,
}

/// A key, as a lookup returns it.
#[derive(Deserialize)]
pub(super) struct KeyBundle {
    pub(super) key: JsonWebKey,
    #[serde(default)]
    pub(super) attributes: Attributes,
}

/// The public part of a key.
#[derive(Deserialize)]
pub(super) struct JsonWebKey {
    pub(super) kid: String,
    pub(super) kty: String,
    pub(super) n: Option<String>,
}

/// Whether and when a key can be used. The times are in seconds since 1970.
#[derive(Default, Deserialize)]
pub(super) struct Attributes {
    pub(super) enabled: Option<bool>,
    pub(super) nbf: Option<i64>,
    pub(super) exp: Option<i64>,
}

/// The last part of a key identifier. The host in it is the vault's own and is ignored.
pub(super) fn version_of(kid: &str) -> Option<KeyVersion> {
    let url = Url::parse(kid).ok()?;
    let mut path = url.path_segments()?;
    (path.next()? == "keys").then(|| path.nth(1)?.parse().ok())?
}

/// `value` of an operation's result. Base64url needs no unescaping, so it is borrowed from the body.
pub(super) fn value_of(body: &[u8]) -> Result<Cow<'_, str>, VaultError> {
    let result: OperationResult<'_> =
        serde_json::from_slice(body).map_err(|_| malformed("the answer has no value"))?;
    Ok(result.value)
}

/// A response that no vault sends. It says nothing about the key, so it counts as an outage.
pub(super) fn malformed(message: &str) -> VaultError {
    VaultError::new(Some(Cause::VaultUnreachable), message)
}
