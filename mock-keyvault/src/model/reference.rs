//! How requests and refusals name a key.

use std::fmt;

use super::names::{KeyName, KeyVersion};

/// A key or a version of it, in the form in which refusals name it: `name` or `name/version`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyReference {
    /// The key.
    pub name: KeyName,
    /// The version; `None` means the newest.
    pub version: Option<KeyVersion>,
}

impl fmt::Display for KeyReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            None => write!(f, "{}", self.name),
            Some(version) => write!(f, "{}/{version}", self.name),
        }
    }
}
