//! The wire forms of all refusals of a vault, `{"error":{"code","message","innererror"}}`, in one match.
//!
//! Called by the routes. Messages are Azure's, to the letter where a recorded answer is known, since people search for them and
//! tests compare them. An internal failure is logged here, once, and never shown.

use std::fmt;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use crate::model::error::{AlgorithmMismatch, VaultError};
use crate::model::key::KeyOperation;
use crate::model::{Caller, KeyReference};
use azure_emulator_core::identity::TokenRefused;
use azure_emulator_core::lines::Unwritable;

/// The content type of every JSON body of Key Vault.
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// The format in which .NET, in which the service is written, prints a moment in US English.
const DOTNET: &[BorrowedFormatItem<'_>] = format_description!(
    "[month padding:none]/[day padding:none]/[year] [hour padding:none repr:12]:[minute]:[second] [period case:upper]"
);

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// The vault refuses.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The vault refuses a request that came to this host; ids in the message are rendered with it.
    #[error("{error}")]
    VaultAt {
        /// Host and port as the client sent them.
        host: String,
        /// The refusal.
        error: VaultError,
    },
    /// The request has no token.
    #[error("the request has no token")]
    NoToken,
    /// The token is not valid.
    #[error(transparent)]
    Token(#[from] TokenRefused),
    /// The request has no `api-version`.
    #[error("the request has no api-version")]
    NoApiVersion,
    /// The path is unknown.
    #[error("there is nothing at {0}")]
    NotFound(String),
    /// The path does not support this method.
    #[error("{path} does not take {method}")]
    MethodNotAllowed {
        /// The method.
        method: String,
        /// The path.
        path: String,
    },
    /// The path names a key and no operation.
    #[error("{0} names no operation")]
    NoOperation(String),
    /// The vault has no contacts for its certificates, since it has no certificates.
    #[error("the vault has no contacts")]
    NoContacts,
    /// Key Vault has this operation, but this vault does not.
    #[error("{0} is not served by this vault")]
    NotServed(String),
    /// There were too many requests.
    #[error("there were too many requests")]
    Throttled,
}

/// The error that a client gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WireError {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) inner: Option<&'static str>,
    pub(crate) message: String,
}

#[derive(Serialize)]
struct Envelope<'a> {
    error: Detail<'a>,
}

#[derive(Serialize)]
struct Detail<'a> {
    code: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    innererror: Option<Inner<'a>>,
}

#[derive(Serialize)]
struct Inner<'a> {
    code: &'a str,
}

impl ApiError {
    /// The wire form.
    pub(crate) fn wire(&self) -> WireError {
        let unauthorized =
            |message: String| WireError::new(StatusCode::UNAUTHORIZED, "Unauthorized", message);
        let bad =
            |message: String| WireError::new(StatusCode::BAD_REQUEST, "BadParameter", message);
        match self {
            Self::Vault(error) => of_vault(error, None),
            Self::VaultAt { host, error } => of_vault(error, Some(host)),
            Self::NoToken => {
                unauthorized("AKV10000: Request is missing a Bearer or PoP token.".to_owned())
            }
            Self::Token(TokenRefused::Malformed) => unauthorized(
                "Error validating token: IDX12741: JWT must have three segments (JWS) or five segments (JWE)."
                    .to_owned(),
            ),
            Self::Token(TokenRefused::Signature { encoded_header }) => unauthorized(format!(
                "AKV10046: Unable to resolve the key used for signature validation. EncodedJwtHeader: '{encoded_header}'."
            )),
            Self::Token(TokenRefused::Issuer { expected, found }) => unauthorized(format!(
                "AKV10032: Invalid issuer. Expected one of {expected}, found {found}."
            )),
            Self::Token(TokenRefused::Audience { found }) => unauthorized(format!(
                "AKV10022: Invalid audience. Expected https://vault.azure.net, found: {found}."
            )),
            Self::Token(TokenRefused::Expired { end, now }) => unauthorized(format!(
                "Error validating token: IDX10223: Lifetime validation failed. The token is expired. ValidTo: '{}', Current time: '{}'.",
                dotnet(*end),
                dotnet(*now)
            )),
            Self::Token(TokenRefused::NotYetValid { start, now }) => unauthorized(format!(
                "Error validating token: IDX10222: Lifetime validation failed. The token is not yet valid. ValidFrom: '{}', Current time: '{}'.",
                dotnet(*start),
                dotnet(*now)
            )),
            // Azure accepts such a token until it expires. This message is ours.
            Self::Token(TokenRefused::PrincipalGone { app_id }) => unauthorized(format!(
                "Error validating token: the application '{app_id}' was removed from the directory, and its tokens with it."
            )),
            // The code is Azure's; the text of its message is not known.
            Self::NoApiVersion => bad("api-version must be specified".to_owned()),
            Self::NoOperation(_) => bad("Operation not specified".to_owned()),
            Self::NoContacts => WireError::new(
                StatusCode::NOT_FOUND,
                "ContactsNotFound",
                "Contacts not found".to_owned(),
            ),
            Self::NotFound(path) => WireError::new(
                StatusCode::NOT_FOUND,
                "NotFound",
                format!("There is nothing at {path}"),
            ),
            Self::MethodNotAllowed { method, path } => WireError::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "MethodNotAllowed",
                format!("{path} does not take {method}"),
            ),
            Self::NotServed(what) => WireError::new(
                StatusCode::NOT_IMPLEMENTED,
                "NotSupported",
                format!("{what} is part of Azure Key Vault, but this local vault does not serve it"),
            ),
            Self::Throttled => WireError::from_status(StatusCode::TOO_MANY_REQUESTS),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if let Self::Vault(VaultError::Internal(error))
        | Self::VaultAt { error: VaultError::Internal(error), .. } = &self
        {
            tracing::error!(%error, "the vault failed");
        }
        self.wire().into_response()
    }
}

impl WireError {
    fn new(status: StatusCode, code: &'static str, message: String) -> Self {
        Self { status, code, inner: None, message }
    }

    /// The usual answer with this status, for injected faults. The message of a 429 is recorded; the other messages are guesses.
    pub(crate) fn from_status(status: StatusCode) -> Self {
        let (code, message) = match status.as_u16() {
            400 => ("BadParameter", "The request is not valid."),
            401 => ("Unauthorized", "AKV10000: Request is missing a Bearer or PoP token."),
            403 => ("Forbidden", "Access is denied."),
            404 => ("NotFound", "The resource was not found."),
            409 => ("Conflict", "There was a conflict."),
            429 => (
                "Throttled",
                "Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached",
            ),
            500 => ("InternalServerError", "An internal error occurred."),
            502 => ("BadGateway", "The service could not reach what it needs."),
            503 => ("ServiceUnavailable", "The service is unavailable."),
            504 => ("GatewayTimeout", "The service did not answer in time."),
            _ if status.is_client_error() => ("RequestFailed", "The request failed."),
            _ => ("ServerError", "The service failed."),
        };
        Self::new(status, code, message.to_owned())
    }

    fn inner(self, inner: &'static str) -> Self {
        Self { inner: Some(inner), ..self }
    }
}

impl IntoResponse for WireError {
    fn into_response(self) -> Response {
        let innererror = self.inner.map(|code| Inner { code });
        let error = Detail { code: self.code, message: &self.message, innererror };
        let body = serde_json::to_vec(&Envelope { error }).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        response.headers_mut().insert(CONTENT_TYPE, JSON);
        let error = ErrorCode { code: self.code, inner: self.inner, message: self.message };
        response.extensions_mut().insert(error);
        response
    }
}

/// The codes and the message of an error, an extension of its response: for the audit log.
#[derive(Clone, Debug)]
pub(crate) struct ErrorCode {
    pub(crate) code: &'static str,
    pub(crate) inner: Option<&'static str>,
    pub(crate) message: String,
}

fn of_vault(error: &VaultError, host: Option<&String>) -> WireError {
    let forbidden = |inner, message: String| {
        WireError::new(StatusCode::FORBIDDEN, "Forbidden", message).inner(inner)
    };
    let not_found = |message: String| WireError::new(StatusCode::NOT_FOUND, "KeyNotFound", message);
    let bad = |message: String| WireError::new(StatusCode::BAD_REQUEST, "BadParameter", message);
    let kid = |at: &KeyReference| match host {
        Some(host) => format!("https://{host}/keys/{at}"),
        None => at.to_string(),
    };
    match error {
        // The host name of a real vault that does not exist cannot be resolved either.
        VaultError::VaultNotFound(name) => WireError::new(
            StatusCode::NOT_FOUND,
            "VaultNotFound",
            format!("There is no vault called '{name}' here."),
        ),
        VaultError::Denied { has_policy, .. } => forbidden(
            if *has_policy { "ForbiddenByPolicy" } else { "AccessDenied" },
            access_refused(error),
        ),
        VaultError::DeniedByRoles { .. } => forbidden("ForbiddenByRbac", access_refused(error)),
        VaultError::ClosedToAddress { .. } => {
            forbidden("ForbiddenByFirewall", access_refused(error))
        }
        VaultError::ClosedToPublic { .. } => {
            forbidden("ForbiddenByConnection", access_refused(error))
        }
        VaultError::KeyNotFound(at) => not_found(key_not_found(at)),
        VaultError::NoSuchVersion { key, version } => {
            not_found(key_not_found(format_args!("{key}/{version}")))
        }
        VaultError::DeletedKeyNotFound(name) => not_found(format!("Deleted Key not found: {name}")),
        VaultError::DeletedButRecoverable(name) => WireError::new(
            StatusCode::CONFLICT,
            "Conflict",
            format!(
                "Key {name} is currently in a deleted but recoverable state, and its name cannot be reused; in this state, the key can only be recovered or purged."
            ),
        )
        .inner("ObjectIsDeletedButRecoverable"),
        VaultError::KeyDisabled(operation) => forbidden(
            "KeyDisabled",
            format!("Operation {operation} is not allowed on a disabled key."),
        ),
        // The inner codes and messages of the next two follow the pattern of the others; no recorded answer is known.
        VaultError::KeyExpired(operation) => forbidden(
            "KeyExpired",
            format!("Operation {operation} is not allowed on an expired key."),
        ),
        VaultError::KeyNotYetValid(operation) => forbidden(
            "KeyNotYetValid",
            format!("Operation {operation} is not allowed on a key that is not yet valid."),
        ),
        VaultError::OperationNotPermitted(operation) => forbidden(
            "KeyOperationForbidden",
            format!("Operation {operation} is not permitted on this key."),
        ),
        VaultError::PurgeProtected { vault, location } => forbidden(
            "ForbiddenByPolicy",
            format!(
                "Operation \"purge\" is not allowed because purge protection is enabled for this vault. Key Vault service will automatically purge it after the retention period has passed.\r\nVault: {vault};location={location}"
            ),
        ),
        VaultError::DecryptionFailed => {
            bad("Unable to decrypt specified value with this key.".to_owned())
        }
        VaultError::Incompatible { key, algorithm, mismatch } => {
            bad(incompatible(&kid(key), algorithm, *mismatch))
        }
        VaultError::UnsupportedOperations { requested, supported } => {
            bad(unsupported_operations(requested, supported))
        }
        VaultError::DigestLength { parameter, len, algorithm, needs } => bad(format!(
            "Invalid length of '{parameter}': {len} bytes. {algorithm} requires {needs} bytes, encoded with base64url."
        )),
        VaultError::ValueTooLong { max, len } => bad(format!(
            "Invalid length of 'value': {len} bytes. At most {max} bytes fit this key and algorithm."
        )),
        VaultError::UnsupportedKeySize(bits) => bad(format!(
            "Unsupported key size ({bits}). Supported sizes are [2048, 3072, 4096]"
        )),
        // Azure's message is not known.
        VaultError::NotAKey(why) => bad(format!("Property 'key' has invalid value: {why}.\r\n")),
        VaultError::NotABackup => malformed_backup(),
        VaultError::RestoreConflict(at) => {
            WireError::new(StatusCode::CONFLICT, "Conflict", restore_conflict(&kid(at)))
        }
        VaultError::KeyTypeNotSupported(kty) => {
            bad(format!("Invalid kty value: {kty}")).inner("KeyTypeNotSupported")
        }
        // Azure's message; that the code is this one is a guess.
        VaultError::HardwareInStandardVault => {
            bad("Hardware key operation not allowed on standard vault".to_owned())
        }
        VaultError::BadParameter(message) => bad(message.clone()),
        VaultError::DiskFull => disk_full(),
        VaultError::ReadOnly => read_only(),
        VaultError::AuditUnavailable(unavailable) => audit_unavailable(*unavailable),
        VaultError::Internal(_) => WireError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalServerError",
            "An internal error occurred.".to_owned(),
        ),
    }
}

/// Azure has no such answer; status, code and message are ours. The status is 507 and not 503, because Azure's clients retry a
/// 503 for a minute or more, and the waiting person does not see why. They show a 507 at once.
fn disk_full() -> WireError {
    WireError::new(
        StatusCode::INSUFFICIENT_STORAGE,
        "InsufficientStorage",
        "The disk of this vault is full, and nothing was changed. Keys can still be read, used and deleted. Make room on the disk, and the vault accepts changes again.".to_owned(),
    )
}

/// Azure has no such answer. The status is 503, because a restart of the vault may help.
fn read_only() -> WireError {
    WireError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "ServiceUnavailable",
        "Nothing was changed, because the data folder of this vault is read-only: an earlier write failed, or its rows are damaged. Keys can still be read and used. Start the vault again. If that does not help, stop it and repair the folder with the command 'repair'.".to_owned(),
    )
    .inner("DataFolderReadOnly")
}

/// Azure has no such answer either. The status is 503, which clients of keys treat as an outage; the inner code tells it apart.
fn audit_unavailable(why: Unwritable) -> WireError {
    let remedy = match why {
        Unwritable::DiskFull => "Make room on the disk, and keys can be used again.",
        Unwritable::Failed(_) => {
            "The log of the program says more. Repair the cause, and keys can be used again."
        }
    };
    WireError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "ServiceUnavailable",
        format!(
            "The key was not used, because this vault cannot write the use to its audit log: {why}. {remedy}"
        ),
    )
    .inner("AuditLogUnavailable")
}

/// A recorded answer. Azure's code contains spaces here.
fn malformed_backup() -> WireError {
    WireError::new(
        StatusCode::BAD_REQUEST,
        "Malformed backup blob",
        "Backup blob contains invalid or corrupt version.".to_owned(),
    )
}

fn key_not_found(named: impl fmt::Display) -> String {
    format!(
        "A key with (name/id) {named} was not found in this key vault. If you recently deleted this key you may be able to recover it using the correct recovery command. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182"
    )
}

fn incompatible(kid: &str, algorithm: &str, mismatch: AlgorithmMismatch) -> String {
    match mismatch {
        AlgorithmMismatch::Curve { found, needs } => format!(
            "Key and signing algorithm are incompatible. Key {kid} uses curve '{found}', and algorithm '{algorithm}' can only be used with curve '{needs}'."
        ),
        // No recorded answer of the next two is known; they follow the one above.
        AlgorithmMismatch::NeedsRsa(kty) => format!(
            "Key and algorithm are incompatible. Key {kid} is of type '{}', and algorithm '{algorithm}' can only be used with a key of type 'RSA' or 'RSA-HSM'.",
            kty.as_str()
        ),
        AlgorithmMismatch::NeedsEc(kty) => format!(
            "Key and signing algorithm are incompatible. Key {kid} is of type '{}', and algorithm '{algorithm}' can only be used with a key of type 'EC' or 'EC-HSM'.",
            kty.as_str()
        ),
    }
}

fn unsupported_operations(requested: &[String], supported: &[KeyOperation]) -> String {
    let requested: Vec<String> = requested.iter().map(|name| format!("\"{name}\"")).collect();
    let supported: Vec<String> =
        supported.iter().map(|operation| format!("\"{}\"", operation.permission())).collect();
    format!(
        "Unsupported key operation(s): {}. Supported values are {}.",
        requested.join(", "),
        supported.join(", ")
    )
}

fn restore_conflict(kid: &str) -> String {
    format!(
        "There was a conflict restoring the key '{kid}'. This can happen if either: a second key with the same name was created after the first key was deleted; thus trying to restore a key whose name is already in use. To fix this, rename the second key to something else so that the restore works. The second probable cause of this exception is when multiple operations are performed in parallel against the key. To avoid this error, perform operations against a key in a sequential manner."
    )
}

/// The message of a denied access. All other errors have their messages above.
fn access_refused(error: &VaultError) -> String {
    match error {
        VaultError::Denied { caller, permission, vault, location, .. } => format!(
            "The user, group or application '{}' does not have keys {permission} permission on key vault '{vault};location={location}'. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125287",
            who(caller)
        ),
        VaultError::DeniedByRoles { caller, action, resource, vault, location } => format!(
            "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role definitions were changed recently, please observe propagation time.\r\nCaller: {}\r\nAction: '{action}'\r\nResource: '{resource}'\r\nAssignment: (not found)\r\nDenyAssignmentId: null\r\nDecisionReason: 'DeniedWithNoValidRBAC' \r\nVault: {vault};location={location}\r\n",
            who(caller)
        ),
        VaultError::ClosedToAddress { caller, client, vault, location } => format!(
            "Client address is not authorized and caller is not a trusted service.\r\nClient address: {client}\r\nCaller: {}\r\nVault: {vault};location={location}",
            who(caller)
        ),
        // The two sentences are recorded; the line breaks of this refusal are not.
        VaultError::ClosedToPublic { services_pass, vault, location } => {
            let sentence = if *services_pass {
                "Public network access is disabled and request is not from a trusted service nor via an approved private link."
            } else {
                "Connection is not an approved private link and caller was ignored because bypass is not set to 'AzureServices' and PublicNetworkAccess is set to 'Disabled'."
            };
            format!("{sentence}\r\nVault: {vault};location={location}")
        }
        other => other.to_string(),
    }
}

/// The caller in the form that every refusal has.
fn who(caller: &Caller) -> String {
    format!("appid={};oid={};iss={}", caller.app_id, caller.object_id, caller.issuer)
}

fn dotnet(seconds: i64) -> String {
    OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|moment| moment.format(DOTNET).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn read_only_rows_are_answered_503_with_a_remedy() {
        let error = io::Error::new(io::ErrorKind::ReadOnlyFilesystem, "/secret/path");

        let wire = ApiError::from(VaultError::from(error)).wire();

        assert_eq!(wire.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(wire.inner, Some("DataFolderReadOnly"));
        assert!(wire.message.contains("Start the vault again"), "{}", wire.message);
        assert!(!wire.message.contains("/secret/path"));
    }

    #[test]
    fn a_refusal_says_why_the_audit_log_cannot_be_written() {
        let of = |kind: io::ErrorKind| {
            let error = VaultError::AuditUnavailable(Unwritable::from(&io::Error::from(kind)));
            ApiError::from(error).wire().message
        };

        let (full, denied) = (of(io::ErrorKind::StorageFull), of(io::ErrorKind::PermissionDenied));

        assert!(full.contains("the disk is full") && full.contains("Make room"), "{full}");
        assert!(denied.contains("permission denied") && !denied.contains("disk"), "{denied}");
    }
}
