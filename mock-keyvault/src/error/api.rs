//! The refusals of a request, and their wire forms in one match. An internal failure is logged here, once, and never shown.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use azure_emulator_core::identity::TokenRefused;

use super::vault::vault_refusal;
use super::wire::WireError;
use crate::model::error::VaultError;

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

impl ApiError {
    /// The wire form.
    pub(crate) fn wire(&self) -> WireError {
        let unauthorized =
            |message: String| WireError::new(StatusCode::UNAUTHORIZED, "Unauthorized", message);
        let bad =
            |message: String| WireError::new(StatusCode::BAD_REQUEST, "BadParameter", message);
        match self {
            Self::Vault(error) => vault_refusal(error, None),
            Self::VaultAt { host, error } => vault_refusal(error, Some(host)),
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

fn dotnet(seconds: i64) -> String {
    OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|moment| moment.format(DOTNET).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io;

    use azure_emulator_core::lines::Unwritable;

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
