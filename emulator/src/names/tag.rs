//! Tags.

use std::fmt;
use std::str::FromStr;

use super::error::{NameError, shorten};

const MAX_TAG_LEN: usize = 128;

/// A tag of a repository: a name that points to a manifest, and can move.
///
/// OCI distribution specification 1.1, "Pulling manifests": `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(String);

impl Tag {
    /// The tag as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tag {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let rest = |b: u8| word(b) || b == b'.' || b == b'-';
        let good = text.len() <= MAX_TAG_LEN
            && text.bytes().next().is_some_and(word)
            && text.bytes().skip(1).all(rest);
        if good {
            return Ok(Self(text.to_owned()));
        }
        Err(NameError::Tag(shorten(text)))
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tags_follow_the_grammar_of_the_specification() {
        for good in ["latest", "_", "V1.0-rc.1", &"t".repeat(128)] {
            assert!(good.parse::<Tag>().is_ok(), "{good:?}");
        }
        for bad in ["", ".a", "-a", "a/b", "a:b", "a@b", "ü", &"t".repeat(129)] {
            assert!(bad.parse::<Tag>().is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in r"\PC{0,300}") {
            let _ = text.parse::<Tag>();
        }
    }
}
