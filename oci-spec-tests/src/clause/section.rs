//! The sections of the specification and the other documents that clauses are from.

const SPECIFICATION: &str =
    "https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md";

/// A section of the specification, or another document.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[expect(missing_docs, reason = "each is the section of that title")]
pub enum Section {
    DeterminingSupport,
    LegacyHeaders,
    PullingManifests,
    PullingBlobs,
    CheckingForContent,
    Push,
    PostThenPut,
    SinglePost,
    Chunks,
    Mounting,
    PushingManifests,
    PushingSubjects,
    ListingTags,
    ListingReferrers,
    DeletingTags,
    DeletingManifests,
    DeletingBlobs,
    Endpoints,
    ErrorCodes,
    Warnings,
    LaterDraft,
    ImageSpecification,
    DockerApi,
    Advisory,
    Http,
    Robustness,
}

impl Section {
    /// The heading in the document.
    pub fn title(self) -> &'static str {
        match self {
            Self::DeterminingSupport => "Determining Support",
            Self::LegacyHeaders => "Legacy Docker support HTTP headers",
            Self::PullingManifests => "Pulling manifests",
            Self::PullingBlobs => "Pulling blobs",
            Self::CheckingForContent => "Checking if content exists in the registry",
            Self::Push => "Push",
            Self::PostThenPut => "POST then PUT",
            Self::SinglePost => "Single POST",
            Self::Chunks => "Pushing a blob in chunks",
            Self::Mounting => "Mounting a blob from another repository",
            Self::PushingManifests => "Pushing Manifests",
            Self::PushingSubjects => "Pushing Manifests with Subject",
            Self::ListingTags => "Listing Tags",
            Self::ListingReferrers => "Listing Referrers",
            Self::DeletingTags => "Deleting tags",
            Self::DeletingManifests => "Deleting Manifests",
            Self::DeletingBlobs => "Deleting Blobs",
            Self::Endpoints => "Endpoints",
            Self::ErrorCodes => "Error Codes",
            Self::Warnings => "Warnings",
            Self::LaterDraft => "Drafts after 1.1.1",
            Self::ImageSpecification => "OCI image specification 1.1",
            Self::DockerApi => "Docker Registry HTTP API V2",
            Self::Advisory => "CVE-2021-41190",
            Self::Http => "HTTP (RFC 9110, RFC 9112, RFC 3986)",
            Self::Robustness => "Bad input and lost clients",
        }
    }

    /// The address of the section; empty for [`Section::Robustness`], which is the suite's own.
    pub fn url(self) -> String {
        let anchor = match self {
            Self::DeterminingSupport => "determining-support",
            Self::LegacyHeaders => "legacy-docker-support-http-headers",
            Self::PullingManifests => "pulling-manifests",
            Self::PullingBlobs => "pulling-blobs",
            Self::CheckingForContent => "checking-if-content-exists-in-the-registry",
            Self::Push => "push",
            Self::PostThenPut => "post-then-put",
            Self::SinglePost => "single-post",
            Self::Chunks => "pushing-a-blob-in-chunks",
            Self::Mounting => "mounting-a-blob-from-another-repository",
            Self::PushingManifests => "pushing-manifests",
            Self::PushingSubjects => "pushing-manifests-with-subject",
            Self::ListingTags => "listing-tags",
            Self::ListingReferrers => "listing-referrers",
            Self::DeletingTags => "deleting-tags",
            Self::DeletingManifests => "deleting-manifests",
            Self::DeletingBlobs => "deleting-blobs",
            Self::Endpoints => "endpoints",
            Self::ErrorCodes => "error-codes",
            Self::Warnings => "warnings",
            Self::LaterDraft => return "https://github.com/opencontainers/distribution-spec/blob/main/spec.md".into(),
            Self::ImageSpecification => return "https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md".into(),
            Self::DockerApi => return "https://distribution.github.io/distribution/spec/api/".into(),
            Self::Advisory => return "https://github.com/opencontainers/distribution-spec/security/advisories/GHSA-mc8v-mgrf-8f4m".into(),
            Self::Http => return "https://www.rfc-editor.org/rfc/rfc9110".into(),
            Self::Robustness => return String::new(),
        };
        format!("{SPECIFICATION}#{anchor}")
    }
}
