//! The name of a token or a scope map.

use std::fmt;
use std::str::FromStr;

use super::error::AccessChangeError;

/// The name of a token or a scope map.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccessName(String);

impl AccessName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AccessName {
    type Err = AccessChangeError;

    fn from_str(text: &str) -> Result<Self, AccessChangeError> {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if (5..=50).contains(&text.len()) && text.bytes().all(good) {
            return Ok(Self(text.to_owned()));
        }
        Err(AccessChangeError::Name(text.chars().take(100).collect()))
    }
}

impl fmt::Display for AccessName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
