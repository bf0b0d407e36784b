//! The stored data of a key from which its scheduled actions follow.

use serde::{Deserialize, Serialize};

use super::rotation::RotationPolicy;

/// The stored scheduling data of a key, in a separate row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Schedule {
    /// The rotation policy, if one was set.
    pub(crate) policy: Option<RotationPolicy>,
    /// The notices that were sent.
    #[serde(rename = "told")]
    pub(crate) notified: Notified,
    /// When the key was recovered: nothing was due while it was deleted.
    pub(crate) since: Option<i64>,
}

/// The notices that were sent about a version, with its expiry at that time: a new expiry causes new notices.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Notified {
    pub(crate) version: String,
    pub(crate) near_expiry: Option<i64>,
    pub(crate) expired: Option<i64>,
}

impl Notified {
    /// The notices about this version: none, if the stored ones are about another.
    pub(crate) fn for_version(self, version: &str) -> Self {
        if self.version == version {
            return self;
        }
        Self { version: version.to_owned(), ..Self::default() }
    }
}
