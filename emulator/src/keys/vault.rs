//! The operations that the registry asks of a vault, and their results.
//!
//! [`KeyVault`] is the interface: the ring calls it, `vault/client.rs` implements it over HTTPS, tests implement it in
//! memory. It has only three operations; the registry neither makes nor changes keys.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use azure_emulator_core::clock::Deadline;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use time::OffsetDateTime;

use super::{Cause, KeyId};
use sealed_envelope::DataKey;

/// A vault, as seen by the identity of one registry.
///
/// Wrapping is RSA-OAEP with SHA-256 (`RSA-OAEP-256` in RFC 7518). The implementation bounds the time of each call.
pub trait KeyVault: Send + Sync + 'static {
    /// Looks a key up; without a version, its newest. The answer names the version.
    fn get_key<'a>(&'a self, key: &'a KeyId) -> BoxFuture<'a, Result<Answer<KeyInfo>, VaultError>>;

    /// Wraps a data key under a key version.
    fn wrap_key<'a>(
        &'a self,
        key: &'a KeyId,
        data_key: &'a DataKey,
    ) -> BoxFuture<'a, Result<Answer<Vec<u8>>, VaultError>>;

    /// Unwraps a data key under the key version that it was wrapped with.
    fn unwrap_key<'a>(
        &'a self,
        key: &'a KeyId,
        wrapped: &'a [u8],
    ) -> BoxFuture<'a, Result<Answer<DataKey>, VaultError>>;

    /// The same vault, for requests that only look at the state. `None` if it makes no difference.
    fn for_probes(&self) -> Option<Arc<dyn KeyVault>> {
        None
    }

    /// The token of the next calls. `None` if there is none yet, or none is needed.
    fn token(&self) -> BoxFuture<'_, Option<TokenTerms>> {
        std::future::ready(None).boxed()
    }

    /// The client id of the identity that asks, for the audit log.
    fn caller(&self) -> String;
}

/// How long a token is in use. The issuer may refuse the next one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TokenTerms {
    /// When it was requested, in real time as the clock counts it.
    pub requested: Duration,
    /// When the next one is requested.
    pub until: Deadline,
}

/// An answer of the vault.
pub struct Answer<T> {
    /// The result of the operation.
    pub value: T,
    /// The id that the vault gave the request, for the audit log.
    pub request_id: Option<String>,
}

impl<T> fmt::Debug for Answer<T> {
    /// Shows only the id, because the value may be a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("request_id", &self.request_id).finish_non_exhaustive()
    }
}

/// The vault's description of a key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyInfo {
    /// The key, with its version.
    pub id: KeyId,
    /// The type, as in RFC 7517: `RSA`, `RSA-HSM`, `EC`, …
    pub kty: String,
    /// The length of the modulus in bits, of an RSA key.
    pub key_size: Option<usize>,
    /// Whether it can be used.
    pub enabled: bool,
    /// It cannot wrap before this.
    pub not_before: Option<OffsetDateTime>,
    /// It cannot wrap from this time on.
    pub expires: Option<OffsetDateTime>,
}

impl KeyInfo {
    /// Whether keys can be wrapped with it. Elliptic-curve keys only sign.
    pub fn is_rsa(&self) -> bool {
        matches!(self.kty.as_str(), "RSA" | "RSA-HSM")
    }
}

/// The error of a failed vault operation.
pub struct VaultError(Box<Detail>);

/// The parts of an error. They are boxed because they are large and rarely needed.
struct Detail {
    cause: Option<Cause>,
    status: Option<u16>,
    code: Option<String>,
    inner_code: Option<String>,
    message: String,
    request_id: Option<String>,
    retry_after: Option<Duration>,
}

impl VaultError {
    /// An error with this cause. `None` if the request itself was at fault, such as a wrapped key that
    /// does not open.
    pub fn new(cause: Option<Cause>, message: impl Into<String>) -> Self {
        Self(Box::new(Detail {
            cause,
            status: None,
            code: None,
            inner_code: None,
            message: message.into(),
            request_id: None,
            retry_after: None,
        }))
    }

    /// Whether the disk of the vault has no room for a change. Only a mock vault reports this.
    pub fn is_disk_full(&self) -> bool {
        self.0.status == Some(507)
    }

    /// Whether the data folder of the vault is read-only. Only a mock vault reports this.
    pub fn is_read_only(&self) -> bool {
        self.0.status == Some(503) && self.0.inner_code.as_deref() == Some("DataFolderReadOnly")
    }

    /// Adds the status and the codes of Azure's response.
    #[must_use]
    pub fn with_codes(
        mut self,
        status: u16,
        code: Option<String>,
        inner_code: Option<String>,
    ) -> Self {
        self.0.status = Some(status);
        self.0.code = code;
        self.0.inner_code = inner_code;
        self
    }

    /// The same error with another cause.
    #[must_use]
    pub fn with_cause(mut self, cause: Cause) -> Self {
        self.0.cause = Some(cause);
        self
    }

    /// Adds the id that the vault gave the request.
    #[must_use]
    pub fn with_request_id(mut self, request_id: Option<String>) -> Self {
        self.0.request_id = request_id;
        self
    }

    /// Adds the time to wait before the next request.
    #[must_use]
    pub fn with_retry_after(mut self, retry_after: Option<Duration>) -> Self {
        self.0.retry_after = retry_after;
        self
    }

    /// The cause of the registry's state, unless the request itself was at fault.
    pub fn cause(&self) -> Option<Cause> {
        self.0.cause
    }

    /// The status of the response, if there was one.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// The code for the audit log: the innermost one.
    pub fn code(&self) -> &str {
        let codes = self.0.inner_code.as_deref().or(self.0.code.as_deref());
        codes.or(self.0.cause.map(Cause::name)).unwrap_or("error")
    }

    /// The id that the vault gave the request.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// The time to wait before the next request, if the vault gave one.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }
}

impl fmt::Display for VaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        match self.0.status {
            Some(status) => write!(f, " ({status} {})", self.code()),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for VaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VaultError")
            .field("cause", &self.0.cause)
            .field("status", &self.0.status)
            .field("code", &self.0.code)
            .field("inner_code", &self.0.inner_code)
            .field("message", &self.0.message)
            .field("request_id", &self.0.request_id)
            .field("retry_after", &self.0.retry_after)
            .finish()
    }
}

impl std::error::Error for VaultError {}
