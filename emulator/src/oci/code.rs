//! The error codes, as `domain_errors.rs` and its siblings in other folders use them, and docker's reaction to each.

/// The codes of OCI distribution specification 1.1, "Error Codes", and of Docker's and Azure's registries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The blob is not known.
    BlobUnknown,
    /// The upload cannot go on.
    BlobUploadInvalid,
    /// The upload is not known.
    BlobUploadUnknown,
    /// Access is refused, by policy or because of the key.
    Denied,
    /// The digest is malformed or not the content's.
    DigestInvalid,
    /// A manifest refers to something unknown.
    ManifestBlobUnknown,
    /// The manifest is not acceptable.
    ManifestInvalid,
    /// The manifest is not known.
    ManifestUnknown,
    /// The repository name is malformed.
    NameInvalid,
    /// The repository is not known.
    NameUnknown,
    /// The range cannot be served (of Docker's registry).
    RangeInvalid,
    /// A repository, a tag or a manifest is locked (of Azure's registry).
    RegistryDisallowedOperation,
    /// A length is not the announced one.
    SizeInvalid,
    /// The tag is not known (of Azure's registry).
    TagUnknown,
    /// Try again later.
    TooManyRequests,
    /// The registry cannot answer now (of Docker's registry).
    Unavailable,
    /// The request has no login, or a login without the permission (of Docker's registry).
    Unauthorized,
    /// The registry had an internal error (of Docker's registry).
    Unknown,
    /// The operation is not supported.
    Unsupported,
}

impl Code {
    /// Every code.
    #[cfg(feature = "internals")]
    pub const ALL: &[Self] = &[
        Self::BlobUnknown,
        Self::BlobUploadInvalid,
        Self::BlobUploadUnknown,
        Self::Denied,
        Self::DigestInvalid,
        Self::ManifestBlobUnknown,
        Self::ManifestInvalid,
        Self::ManifestUnknown,
        Self::NameInvalid,
        Self::NameUnknown,
        Self::RangeInvalid,
        Self::RegistryDisallowedOperation,
        Self::SizeInvalid,
        Self::TagUnknown,
        Self::TooManyRequests,
        Self::Unavailable,
        Self::Unauthorized,
        Self::Unknown,
        Self::Unsupported,
    ];

    /// The code as it is in the body.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BlobUnknown => "BLOB_UNKNOWN",
            Self::BlobUploadInvalid => "BLOB_UPLOAD_INVALID",
            Self::BlobUploadUnknown => "BLOB_UPLOAD_UNKNOWN",
            Self::Denied => "DENIED",
            Self::DigestInvalid => "DIGEST_INVALID",
            Self::ManifestBlobUnknown => "MANIFEST_BLOB_UNKNOWN",
            Self::ManifestInvalid => "MANIFEST_INVALID",
            Self::ManifestUnknown => "MANIFEST_UNKNOWN",
            Self::NameInvalid => "NAME_INVALID",
            Self::NameUnknown => "NAME_UNKNOWN",
            Self::RangeInvalid => "RANGE_INVALID",
            Self::RegistryDisallowedOperation => "REGISTRY_DISALLOWED_OPERATION",
            Self::SizeInvalid => "SIZE_INVALID",
            Self::TagUnknown => "TAG_UNKNOWN",
            Self::TooManyRequests => "TOOMANYREQUESTS",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::Unavailable => "UNAVAILABLE",
            Self::Unknown => "UNKNOWN",
            Self::Unsupported => "UNSUPPORTED",
        }
    }
    /// Docker's built-in message for the code. `None` for a code of Azure, which docker treats as `UNKNOWN`.
    ///
    /// They are from the distribution project, `registry/api/errcode`.
    fn built_in_message(self) -> Option<&'static str> {
        Some(match self {
            Self::BlobUnknown | Self::ManifestBlobUnknown => "blob unknown to registry",
            Self::BlobUploadInvalid => "blob upload invalid",
            Self::BlobUploadUnknown => "blob upload unknown to registry",
            Self::Denied => "requested access to the resource is denied",
            Self::DigestInvalid => "provided digest did not match uploaded content",
            Self::ManifestInvalid => "manifest invalid",
            Self::ManifestUnknown => "manifest unknown",
            Self::NameInvalid => "invalid repository name",
            Self::NameUnknown => "repository name not known to registry",
            Self::RangeInvalid => "invalid content range",
            Self::SizeInvalid => "provided length did not match content length",
            Self::TooManyRequests => "too many requests",
            Self::Unauthorized => "authentication required",
            Self::Unavailable => "service unavailable",
            Self::Unknown => "unknown error",
            Self::Unsupported => "The operation is unsupported.",
            Self::RegistryDisallowedOperation | Self::TagUnknown => return None,
        })
    }

    /// Whether docker drops a message of this code. It drops an empty message, and its built-in one: then it no longer
    /// knows that the error is final, prints only the code, and retries a push for 50 seconds.
    pub fn hides(self, message: &str) -> bool {
        message.is_empty() || self.built_in_message() == Some(message)
    }
}
