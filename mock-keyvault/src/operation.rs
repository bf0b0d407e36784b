//! Every operation of the keys API of Key Vault, its path, and whether it is served.
//!
//! The router finds the operation of a request here; a test compares the table in README.md with [`OPERATIONS`]. Final segments
//! match in any letter case, the version may be absent or empty, and slashes may be doubled or trail: SDKs send all of these.

use std::fmt;

use http::Method;
use percent_encoding::percent_decode_str;
use serde::Serialize;

use crate::error::ApiError;
use crate::model::permission::KeyPermission;

/// An operation of the keys API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Operation {
    /// Back up a key.
    BackupKey,
    /// Create a key, or a new version.
    CreateKey,
    /// Decrypt.
    Decrypt,
    /// Soft-delete a key.
    DeleteKey,
    /// Encrypt.
    Encrypt,
    /// Get a deleted key.
    GetDeletedKey,
    /// Get a key or a version of it.
    GetKey,
    /// Get the attestation of a key in hardware.
    GetKeyAttestation,
    /// Get the rotation policy.
    GetKeyRotationPolicy,
    /// Import a key.
    ImportKey,
    /// List deleted keys.
    ListDeletedKeys,
    /// List keys.
    ListKeys,
    /// List the versions of a key.
    ListKeyVersions,
    /// Purge a deleted key.
    PurgeDeletedKey,
    /// Recover a deleted key.
    RecoverDeletedKey,
    /// Release a key (secure key release).
    Release,
    /// Restore a key from a backup.
    RestoreKey,
    /// Create a new version by the rotation policy.
    RotateKey,
    /// Sign.
    Sign,
    /// Unwrap.
    UnwrapKey,
    /// Change attributes.
    UpdateKey,
    /// Change the rotation policy.
    UpdateKeyRotationPolicy,
    /// Verify.
    Verify,
    /// Wrap.
    WrapKey,
}

/// The method, the path and the permission of an operation.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// The operation.
    pub operation: Operation,
    /// Its method.
    pub method: &'static str,
    /// Its path.
    pub path: &'static str,
    /// The permission that the caller needs.
    pub permission: KeyPermission,
    /// Whether the operation is served; any other operation is refused with 501.
    pub served: bool,
}

const fn served(
    operation: Operation,
    method: &'static str,
    path: &'static str,
    permission: KeyPermission,
) -> Route {
    Route { operation, method, path, permission, served: true }
}

const fn later(
    operation: Operation,
    method: &'static str,
    path: &'static str,
    permission: KeyPermission,
) -> Route {
    Route { operation, method, path, permission, served: false }
}

/// Every operation. Paths are Azure's; a `{version}` may be absent where an operation on the newest version makes sense.
pub const OPERATIONS: &[Route] = &[
    served(Operation::CreateKey, "POST", "/keys/{name}/create", KeyPermission::Create),
    served(Operation::GetKey, "GET", "/keys/{name}/{version}", KeyPermission::Get),
    served(Operation::ListKeys, "GET", "/keys", KeyPermission::List),
    served(Operation::ListKeyVersions, "GET", "/keys/{name}/versions", KeyPermission::List),
    served(Operation::UpdateKey, "PATCH", "/keys/{name}/{version}", KeyPermission::Update),
    served(Operation::WrapKey, "POST", "/keys/{name}/{version}/wrapkey", KeyPermission::WrapKey),
    served(
        Operation::UnwrapKey,
        "POST",
        "/keys/{name}/{version}/unwrapkey",
        KeyPermission::UnwrapKey,
    ),
    served(Operation::DeleteKey, "DELETE", "/keys/{name}", KeyPermission::Delete),
    served(Operation::ListDeletedKeys, "GET", "/deletedkeys", KeyPermission::List),
    served(Operation::GetDeletedKey, "GET", "/deletedkeys/{name}", KeyPermission::Get),
    served(
        Operation::RecoverDeletedKey,
        "POST",
        "/deletedkeys/{name}/recover",
        KeyPermission::Recover,
    ),
    served(Operation::PurgeDeletedKey, "DELETE", "/deletedkeys/{name}", KeyPermission::Purge),
    served(Operation::RotateKey, "POST", "/keys/{name}/rotate", KeyPermission::Rotate),
    served(
        Operation::GetKeyRotationPolicy,
        "GET",
        "/keys/{name}/rotationpolicy",
        KeyPermission::GetRotationPolicy,
    ),
    served(
        Operation::UpdateKeyRotationPolicy,
        "PUT",
        "/keys/{name}/rotationpolicy",
        KeyPermission::SetRotationPolicy,
    ),
    served(Operation::ImportKey, "PUT", "/keys/{name}", KeyPermission::Import),
    served(Operation::BackupKey, "POST", "/keys/{name}/backup", KeyPermission::Backup),
    served(Operation::RestoreKey, "POST", "/keys/restore", KeyPermission::Restore),
    served(Operation::Encrypt, "POST", "/keys/{name}/{version}/encrypt", KeyPermission::Encrypt),
    served(Operation::Decrypt, "POST", "/keys/{name}/{version}/decrypt", KeyPermission::Decrypt),
    served(Operation::Sign, "POST", "/keys/{name}/{version}/sign", KeyPermission::Sign),
    served(Operation::Verify, "POST", "/keys/{name}/{version}/verify", KeyPermission::Verify),
    later(Operation::Release, "POST", "/keys/{name}/{version}/release", KeyPermission::Release),
    later(
        Operation::GetKeyAttestation,
        "GET",
        "/keys/{name}/{version}/attestation",
        KeyPermission::Get,
    ),
];

/// The operation of a request, with the names as the client sent them.
#[derive(Clone, Debug)]
pub(crate) struct PathMatch {
    pub(crate) route: &'static Route,
    pub(crate) key: Option<String>,
    pub(crate) version: Option<String>,
}

impl Operation {
    /// Whether the operation uses a key or lets it leave the vault: then it is answered only after its record is written.
    pub(crate) fn uses_key(self) -> bool {
        matches!(
            self,
            Self::BackupKey
                | Self::Decrypt
                | Self::Encrypt
                | Self::Release
                | Self::Sign
                | Self::UnwrapKey
                | Self::Verify
                | Self::WrapKey
        )
    }

    /// The name of the operation in Azure's API, such as `unwrapKey`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BackupKey => "backupKey",
            Self::CreateKey => "createKey",
            Self::Decrypt => "decrypt",
            Self::DeleteKey => "deleteKey",
            Self::Encrypt => "encrypt",
            Self::GetDeletedKey => "getDeletedKey",
            Self::GetKey => "getKey",
            Self::GetKeyAttestation => "getKeyAttestation",
            Self::GetKeyRotationPolicy => "getKeyRotationPolicy",
            Self::ImportKey => "importKey",
            Self::ListDeletedKeys => "listDeletedKeys",
            Self::ListKeys => "listKeys",
            Self::ListKeyVersions => "listKeyVersions",
            Self::PurgeDeletedKey => "purgeDeletedKey",
            Self::RecoverDeletedKey => "recoverDeletedKey",
            Self::Release => "release",
            Self::RestoreKey => "restoreKey",
            Self::RotateKey => "rotateKey",
            Self::Sign => "sign",
            Self::UnwrapKey => "unwrapKey",
            Self::UpdateKey => "updateKey",
            Self::UpdateKeyRotationPolicy => "updateKeyRotationPolicy",
            Self::Verify => "verify",
            Self::WrapKey => "wrapKey",
        }
    }

    /// The operation's row of [`OPERATIONS`].
    fn route(self) -> Option<&'static Route> {
        OPERATIONS.iter().find(|route| route.operation == self)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Finds the operation of a method and a path.
pub(crate) fn match_path(method: &Method, path: &str) -> Result<PathMatch, ApiError> {
    let not_found = || ApiError::NotFound(path.to_owned());
    let decoded: Result<Vec<String>, ApiError> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .map(|segment| match percent_decode_str(segment).decode_utf8() {
            Ok(segment) => Ok(segment.into_owned()),
            Err(_) => Err(not_found()),
        })
        .collect();
    let decoded = decoded?;
    let segments: Vec<&str> = decoded.iter().map(String::as_str).collect();
    let named = |operations: &[(Method, Operation)], key: Option<&str>, version: Option<&str>| {
        let found = operations.iter().find(|(takes, _)| takes == method);
        let Some((_, operation)) = found else {
            let (method, path) = (method.to_string(), path.to_owned());
            return Err(ApiError::MethodNotAllowed { method, path });
        };
        let route = operation.route().ok_or_else(not_found)?;
        Ok(PathMatch { route, key: key.map(str::to_owned), version: version.map(str::to_owned) })
    };
    match segments.as_slice() {
        ["keys"] => named(&[(Method::GET, Operation::ListKeys)], None, None),
        ["keys", "restore"] if method == Method::POST => {
            named(&[(Method::POST, Operation::RestoreKey)], None, None)
        }
        // Repeated slashes count once, so an empty name leads here as well: `POST /keys//create`.
        ["keys", _] if method == Method::POST => Err(ApiError::NoOperation(path.to_owned())),
        ["keys", key] => named(
            &[
                (Method::GET, Operation::GetKey),
                (Method::PUT, Operation::ImportKey),
                (Method::PATCH, Operation::UpdateKey),
                (Method::DELETE, Operation::DeleteKey),
            ],
            Some(key),
            None,
        ),
        ["keys", key, third] => {
            let third_lower = third.to_ascii_lowercase();
            match (key_operations(&third_lower), version_operation(&third_lower)) {
                (Some(operations), _) => named(operations, Some(key), None),
                (None, Some(operation)) => named(&[operation], Some(key), None),
                (None, None) => named(
                    &[(Method::GET, Operation::GetKey), (Method::PATCH, Operation::UpdateKey)],
                    Some(key),
                    Some(third),
                ),
            }
        }
        ["keys", key, version, last] => match version_operation(&last.to_ascii_lowercase()) {
            Some(operation) => named(&[operation], Some(key), Some(version)),
            None => Err(not_found()),
        },
        ["deletedkeys"] => named(&[(Method::GET, Operation::ListDeletedKeys)], None, None),
        ["deletedkeys", key] => named(
            &[
                (Method::GET, Operation::GetDeletedKey),
                (Method::DELETE, Operation::PurgeDeletedKey),
            ],
            Some(key),
            None,
        ),
        ["deletedkeys", key, last] if last.eq_ignore_ascii_case("recover") => {
            named(&[(Method::POST, Operation::RecoverDeletedKey)], Some(key), None)
        }
        ["certificates", last]
            if method == Method::GET && last.eq_ignore_ascii_case("contacts") =>
        {
            Err(ApiError::NoContacts)
        }
        [
            area @ ("secrets"
            | "deletedsecrets"
            | "certificates"
            | "deletedcertificates"
            | "storage"
            | "rng"),
            ..,
        ] => Err(ApiError::NotServed(format!("/{area}"))),
        _ => Err(not_found()),
    }
}

/// Operations whose name takes the place of a version.
fn key_operations(last: &str) -> Option<&'static [(Method, Operation)]> {
    match last {
        "create" => Some(&[(Method::POST, Operation::CreateKey)]),
        "rotate" => Some(&[(Method::POST, Operation::RotateKey)]),
        "backup" => Some(&[(Method::POST, Operation::BackupKey)]),
        "versions" => Some(&[(Method::GET, Operation::ListKeyVersions)]),
        "rotationpolicy" => Some(&[
            (Method::GET, Operation::GetKeyRotationPolicy),
            (Method::PUT, Operation::UpdateKeyRotationPolicy),
        ]),
        _ => None,
    }
}

/// Operations on a version, whose name comes last.
fn version_operation(last: &str) -> Option<(Method, Operation)> {
    match last {
        "wrapkey" => Some((Method::POST, Operation::WrapKey)),
        "unwrapkey" => Some((Method::POST, Operation::UnwrapKey)),
        "encrypt" => Some((Method::POST, Operation::Encrypt)),
        "decrypt" => Some((Method::POST, Operation::Decrypt)),
        "sign" => Some((Method::POST, Operation::Sign)),
        "verify" => Some((Method::POST, Operation::Verify)),
        "release" => Some((Method::POST, Operation::Release)),
        "attestation" => Some((Method::GET, Operation::GetKeyAttestation)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(method: &Method, path: &str, operation: Operation, at: (Option<&str>, Option<&str>)) {
        let matched = match_path(method, path).unwrap();

        assert_eq!(matched.route.operation, operation, "{path}");
        assert_eq!((matched.key.as_deref(), matched.version.as_deref()), at, "{path}");
    }

    #[test]
    fn paths_as_sdks_write_them_select_the_operation() {
        let (get, post) = (Method::GET, Method::POST);
        check(&get, "/keys", Operation::ListKeys, (None, None));
        check(&get, "/keys/k/", Operation::GetKey, (Some("k"), None));
        check(&get, "/keys/k/0a", Operation::GetKey, (Some("k"), Some("0a")));
        check(&get, "/keys/restore", Operation::GetKey, (Some("restore"), None));
        check(&post, "/keys/k/0a/wrapKey", Operation::WrapKey, (Some("k"), Some("0a")));
        check(&post, "/keys/k//unwrapkey", Operation::UnwrapKey, (Some("k"), None));
        check(&post, "//keys/k/wrapKey", Operation::WrapKey, (Some("k"), None));
        check(&Method::PATCH, "/keys/k/", Operation::UpdateKey, (Some("k"), None));
        check(&get, "/keys/k/versions", Operation::ListKeyVersions, (Some("k"), None));
        check(&post, "/deletedkeys/k/recover", Operation::RecoverDeletedKey, (Some("k"), None));
    }

    #[test]
    fn every_operation_is_found_at_its_own_path() {
        for route in OPERATIONS {
            let path = route.path.replace("{name}", "k").replace("{version}", &"0".repeat(32));
            let method = Method::from_bytes(route.method.as_bytes()).unwrap();
            assert_eq!(
                match_path(&method, &path).unwrap().route.operation,
                route.operation,
                "{path}"
            );
        }
    }

    #[test]
    fn an_unknown_path_and_a_wrong_method_are_refused_differently() {
        assert!(matches!(match_path(&Method::GET, "/x"), Err(ApiError::NotFound(_))));
        assert!(matches!(match_path(&Method::GET, "/keys/k/v/x"), Err(ApiError::NotFound(_))));
        assert!(matches!(match_path(&Method::GET, "/secrets/s"), Err(ApiError::NotServed(_))));
        let wrong = match_path(&Method::POST, "/keys");
        assert!(matches!(wrong, Err(ApiError::MethodNotAllowed { .. })));
    }

    proptest! {
        #[test]
        fn no_path_panics(path in "(/[a-z%0-9A-F]{0,6}){0,6}") {
            let _ = match_path(&Method::GET, &path);
        }
    }
}
