//! Ids of uploads.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// The id of an upload session: OCI distribution specification 1.1, "Pushing a blob monolithically".
///
/// The registry answers the request that begins an upload with a `Location` that contains this UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UploadId(Uuid);

impl UploadId {
    /// A new random id.
    pub(crate) fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

impl FromStr for UploadId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::try_parse(text).map(Self)
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
