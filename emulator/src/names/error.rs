//! The error of the parsers of names.

use thiserror::Error;

/// The longest part of a text that an error quotes, in characters.
const MAX_QUOTED: usize = 255;

/// A text that is not valid for its type.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameError {
    /// The repository name does not follow the grammar.
    #[error(
        "the repository name {0:?} is not valid: path components of lower-case letters and digits, separated within by one of `.`, `_`, `__` or dashes, at most 255 bytes in all"
    )]
    Repository(String),
    /// The tag does not follow the grammar.
    #[error(
        "the tag {0:?} is not valid: a letter, digit or `_`, then up to 127 letters, digits, `_`, `.` or `-`"
    )]
    Tag(String),
    /// Azure does not accept the registry name.
    #[error("the registry name {0:?} is not valid: 5 to 50 letters and digits")]
    Registry(String),
}

/// Shortens a client's text for an error.
pub(super) fn shorten(text: &str) -> String {
    text.chars().take(MAX_QUOTED).collect()
}
