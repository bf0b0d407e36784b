//! References to manifests.

use std::fmt;

use super::digest::Digest;
use super::tag::Tag;

/// A reference to a manifest: OCI distribution specification 1.1, "Pulling manifests".
///
/// The specification allows a digest or a tag, and no other form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// The digest of the manifest.
    Digest(Digest),
    /// A tag, which can move.
    Tag(Tag),
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Digest(digest) => digest.fmt(f),
            Self::Tag(tag) => tag.fmt(f),
        }
    }
}
