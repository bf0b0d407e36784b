//! The wire forms of the refusals of the domain, in one match.

use std::fmt;

use http::StatusCode;

use azure_emulator_core::lines::Unwritable;

use super::wire::WireError;
use crate::model::error::{AlgorithmMismatch, VaultError};
use crate::model::key::KeyOperation;
use crate::model::{Caller, KeyReference};

/// The wire form of a refusal. If the host is known, ids in the message are rendered with it.
pub(super) fn vault_refusal(error: &VaultError, host: Option<&String>) -> WireError {
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
