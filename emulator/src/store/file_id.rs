//! The names of files in the data folder.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The name of a file in the data folder: random, and unrelated to its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct FileId([u8; 16]);

/// A string that is not 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a file id is 32 lower-case hexadecimal digits")]
pub struct InvalidFileId;

impl FileId {
    /// A new random id.
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// The id of these bytes.
    pub(super) fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl FromStr for FileId {
    type Err = InvalidFileId;

    fn from_str(text: &str) -> Result<Self, InvalidFileId> {
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(InvalidFileId);
        }
        let mut id = [0; 16];
        hex::decode_to_slice(text, &mut id).map_err(|_| InvalidFileId)?;
        Ok(Self(id))
    }
}

impl From<FileId> for String {
    fn from(id: FileId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for FileId {
    type Error = InvalidFileId;

    fn try_from(text: String) -> Result<Self, InvalidFileId> {
        text.parse()
    }
}
