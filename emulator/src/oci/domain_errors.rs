//! The table from the domain's errors to status and code.
//!
//! Internal errors are logged here, and the client only learns that an error happened.

use http::StatusCode;
use http::header::{RANGE, RETRY_AFTER};
use serde_json::{Value, json};

use super::code::Code;
use super::error::ErrorReply;
use super::headers::{UPLOAD_UUID, range_value};
use crate::keys::Refusal;
use crate::registry::{
    DamagedObject, Digest, Error, Locked, ObjectName, Reference, RepositoryName,
};

impl From<Error> for ErrorReply {
    fn from(error: Error) -> Self {
        use StatusCode as S;
        let message = error.to_string();
        let (status, code, detail) = match &error {
            Error::Refused(refusal) => return Self::refused(refusal),
            Error::ResetUnfinished { .. } | Error::Replaced => {
                (S::SERVICE_UNAVAILABLE, Code::Unavailable, Value::Null)
            }
            Error::RegistryGone => (S::NOT_FOUND, Code::NameUnknown, Value::Null),
            Error::Name(_) => (S::BAD_REQUEST, Code::NameInvalid, Value::Null),
            Error::RepositoryUnknown(name) => {
                (S::NOT_FOUND, Code::NameUnknown, json!({ "name": name.as_str() }))
            }
            Error::Digest(_) => (S::BAD_REQUEST, Code::DigestInvalid, Value::Null),
            Error::DigestMismatch { named, actual } => {
                let detail = json!({ "digest": named.as_str(), "actual": actual.as_str() });
                (S::BAD_REQUEST, Code::DigestInvalid, detail)
            }
            Error::BlobUnknown(digest) => {
                (S::NOT_FOUND, Code::BlobUnknown, json!({ "digest": digest.as_str() }))
            }
            Error::BlobInUse(digest) => {
                (S::METHOD_NOT_ALLOWED, Code::Unsupported, json!({ "digest": digest.as_str() }))
            }
            Error::UploadUnknown(_) => (S::NOT_FOUND, Code::BlobUploadUnknown, Value::Null),
            Error::UploadBusy(_) | Error::TooManyUploads { .. } => {
                (S::TOO_MANY_REQUESTS, Code::TooManyRequests, Value::Null)
            }
            Error::UploadOutOfOrder { expected, .. } => {
                (S::RANGE_NOT_SATISFIABLE, Code::BlobUploadInvalid, json!({ "received": expected }))
            }
            Error::ChunkLength { .. } => (S::BAD_REQUEST, Code::SizeInvalid, Value::Null),
            Error::BodyCut(_) => (S::BAD_REQUEST, Code::BlobUploadInvalid, Value::Null),
            Error::ManifestUnknown(reference) => {
                (S::NOT_FOUND, Code::ManifestUnknown, detail_of(reference))
            }
            Error::TagUnknown(tag) => {
                (S::NOT_FOUND, Code::TagUnknown, json!({ "tag": tag.as_str() }))
            }
            Error::Locked { repository, locked } => return Self::locked(repository, locked),
            Error::Manifest(_) | Error::MetadataTooLong => {
                (S::BAD_REQUEST, Code::ManifestInvalid, Value::Null)
            }
            // Runs are no part of this surface, nor is the list of referrers in strict parity.
            Error::TaskRunUnknown(_) | Error::NoReferrers => {
                (S::NOT_FOUND, Code::Unsupported, Value::Null)
            }
            Error::LogTooLong(_) => (S::PAYLOAD_TOO_LARGE, Code::SizeInvalid, Value::Null),
            Error::ManifestTooLarge(limit) => {
                (S::PAYLOAD_TOO_LARGE, Code::ManifestInvalid, json!({ "limit": limit }))
            }
            Error::ReferencesUnknown(missing) => return Self::references_unknown(missing),
            Error::SizeMismatch { digest, named, actual } => {
                let detail = json!({ "digest": digest.as_str(), "named": named, "actual": actual });
                (S::BAD_REQUEST, Code::SizeInvalid, detail)
            }
            Error::DamagedObject(object) => return Self::damaged(object, message),
            Error::DiskFull => (S::INSUFFICIENT_STORAGE, Code::Unavailable, Value::Null),
            Error::RowsNotProven | Error::RowsReadOnly(_) | Error::TooManyFiles => {
                tracing::warn!(%error, "a request must be retried later");
                (S::SERVICE_UNAVAILABLE, Code::Unavailable, Value::Null)
            }
            Error::Damaged(_) | Error::Ring(_) | Error::Internal(_) => {
                tracing::error!(error = %Chain(&error), "a request failed");
                (S::INTERNAL_SERVER_ERROR, Code::Unknown, Value::Null)
            }
        };
        let reply = Self::new(status, code, message, detail);
        match &error {
            Error::UploadOutOfOrder { upload, expected, .. } => {
                reply.with(RANGE, range_value(*expected)).with(UPLOAD_UUID, upload)
            }
            Error::UploadBusy(_)
            | Error::TooManyUploads { .. }
            | Error::TooManyFiles
            | Error::RowsNotProven
            | Error::ResetUnfinished { .. }
            | Error::Replaced => reply.with(RETRY_AFTER, 1),
            _ => reply,
        }
    }
}

impl ErrorReply {
    /// The refusal of an unavailable registry. 403 and `DENIED` are Sealyard's choice: Azure publishes the sentence, but not
    /// status and code.
    fn refused(refusal: &Refusal) -> Self {
        let detail = json!({
            "state": refusal.state,
            "cause": refusal.cause,
            "keyIdentifier": refusal.key_identifier(),
        });
        if refusal.is_lasting() {
            return Self::new(StatusCode::FORBIDDEN, Code::Denied, refusal.message(), detail);
        }
        let reply = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            Code::Unavailable,
            refusal.message(),
            detail,
        );
        let seconds = refusal.retry_after.map_or(1, |after| after.as_secs().max(1));
        reply.with(RETRY_AFTER, seconds)
    }

    /// The refusal of a locked object, with ACR's status, code and message. ACR's detail is empty; here it names the locked object.
    fn locked(repository: &RepositoryName, locked: &Locked) -> Self {
        let message = "The operation is disallowed on this registry, repository or image. View troubleshooting steps at https://aka.ms/acr/faq/#why-does-my-pull-or-push-request-fail-with-disallowed-operation";
        let name = repository.as_str();
        let detail = match locked {
            Locked::Repository => json!({ "name": name }),
            Locked::Tag(tag) => json!({ "name": name, "tag": tag.as_str() }),
            Locked::Manifest(digest) => json!({ "name": name, "digest": digest.as_str() }),
        };
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            Code::RegistryDisallowedOperation,
            message,
            detail,
        )
    }

    /// An object that cannot be served counts as missing, so that clients push it again. The detail has the reason.
    fn damaged(object: &DamagedObject, message: String) -> Self {
        let (code, digest) = match &object.object {
            ObjectName::Blob(digest) => (Code::BlobUnknown, digest),
            ObjectName::Manifest(_, digest) => (Code::ManifestUnknown, digest),
            // Logs are no part of this surface.
            ObjectName::Log(_, digest) => (Code::Unsupported, digest),
        };
        let detail = json!({ "digest": digest.as_str(), "cause": object.damage.name() });
        Self::new(StatusCode::NOT_FOUND, code, message, detail)
    }

    fn references_unknown(missing: &[Digest]) -> Self {
        let message =
            "the manifest refers to content that is not in this repository: push it first";
        let status = StatusCode::NOT_FOUND;
        let errors = missing.iter().map(|digest| {
            (Code::ManifestBlobUnknown, message.to_owned(), json!({ "digest": digest.as_str() }))
        });
        Self::from_errors(status, errors.collect())
    }
}

fn detail_of(reference: &Reference) -> Value {
    match reference {
        Reference::Digest(digest) => json!({ "digest": digest.as_str() }),
        Reference::Tag(tag) => json!({ "tag": tag.as_str() }),
    }
}

/// An error with its chain of causes, for the log.
struct Chain<'a>(&'a dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}
