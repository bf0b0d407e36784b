//! The names of the distribution specification, parsed once at the border: repositories, tags and references; and the
//! registry name, which follows Azure's rules.
//!
//! Values of these types are always well formed; no code behind the border parses the text again.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

use super::digest::Digest;

/// The repository of recovered content.
pub const RECOVERED: &str = "recovered/files";

/// The maximum length of a repository name that clients can use: they add a host and keep the sum below 256 bytes.
const MAX_REPOSITORY_LEN: usize = 255;
const MAX_TAG_LEN: usize = 128;

/// A repository's name: path components of lower-case letters, digits and separators, joined by `/`.
///
/// OCI distribution specification 1.1, "Pulling manifests":
/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepositoryName(String);

/// A registry's name: 5 to 50 letters and digits, as in Azure, in lower case, because it is part of a host name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RegistryName(Arc<str>);

/// A tag: a letter, digit or `_`, then at most 127 more of these, `.` or `-`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(String);

/// A reference to a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// Its digest.
    Digest(Digest),
    /// A tag, which can move.
    Tag(Tag),
}

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

impl RegistryName {
    /// The name of the default registry, which always exists.
    pub const LOCAL: &str = "local";

    /// The registry that answers requests which name no other registry.
    pub fn local() -> Self {
        Self(Self::LOCAL.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the default registry.
    pub fn is_local(&self) -> bool {
        &*self.0 == Self::LOCAL
    }
}

impl FromStr for RegistryName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if (5..=50).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Ok(Self(text.to_ascii_lowercase().into()));
        }
        Err(NameError::Registry(shorten(text)))
    }
}

impl fmt::Display for RegistryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl RepositoryName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RepositoryName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.len() <= MAX_REPOSITORY_LEN && text.split('/').all(is_path_component) {
            return Ok(Self(text.to_owned()));
        }
        Err(NameError::Repository(shorten(text)))
    }
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

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

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Digest(digest) => digest.fmt(f),
            Self::Tag(tag) => tag.fmt(f),
        }
    }
}

/// Alphanumeric runs with one separator between two of them.
fn is_path_component(component: &str) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let mut rest = component.as_bytes();
    loop {
        let run = rest.iter().take_while(|&&b| alphanumeric(b)).count();
        if run == 0 {
            return false;
        }
        rest = &rest[run..];
        let separator = rest.iter().take_while(|&&b| !alphanumeric(b)).count();
        match &rest[..separator] {
            [] => return true,
            b"." | b"_" | b"__" => (),
            dashes if dashes.iter().all(|&b| b == b'-') => (),
            _ => return false,
        }
        rest = &rest[separator..];
    }
}

/// Errors quote the client's text, but only up to a limit.
fn shorten(text: &str) -> String {
    text.chars().take(MAX_REPOSITORY_LEN).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, good: bool) {
        assert_eq!(text.parse::<RepositoryName>().is_ok(), good, "{text:?}");
    }

    #[test]
    fn repository_names_follow_the_grammar_of_the_specification() {
        for good in [
            "a",
            "a/b",
            "library/alpine",
            "a.b_c__d-e---f",
            "0/1",
            "blobs/uploads",
            &"a".repeat(255),
        ] {
            check(good, true);
        }
        for bad in [
            "",
            "A",
            "a/",
            "/a",
            "a//b",
            "-a",
            "a-",
            "a..b",
            "a___b",
            "a.-b",
            "a b",
            "ä",
            "a:b",
            "../a",
            &"a".repeat(256),
        ] {
            check(bad, false);
        }
    }

    #[test]
    fn tags_follow_the_grammar_of_the_specification() {
        for good in ["latest", "_", "V1.0-rc.1", &"t".repeat(128)] {
            assert!(good.parse::<Tag>().is_ok(), "{good:?}");
        }
        for bad in ["", ".a", "-a", "a/b", "a:b", "a@b", "ü", &"t".repeat(129)] {
            assert!(bad.parse::<Tag>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn registry_names_follow_azures_rules_in_lower_case() {
        assert_eq!("Team1".parse::<RegistryName>().unwrap().as_str(), "team1");
        assert!("local".parse::<RegistryName>().unwrap().is_local());
        assert!("a".repeat(50).parse::<RegistryName>().is_ok());
        for bad in ["", "team", "team-1", "team.1", "tëam1", "team1/", &"a".repeat(51)] {
            assert!(bad.parse::<RegistryName>().is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn names_built_from_the_grammar_are_accepted(
            name in r"[a-z0-9]{1,8}((\.|_|__|-{1,3})[a-z0-9]{1,8}){0,3}(/[a-z0-9]{1,8}((\.|_|__|-{1,3})[a-z0-9]{1,8}){0,3}){0,3}"
        ) {
            prop_assert!(name.parse::<RepositoryName>().is_ok());
        }

        #[test]
        fn no_text_makes_the_parsers_panic(text in r"\PC{0,300}") {
            let _ = text.parse::<RepositoryName>();
            let _ = text.parse::<Tag>();
            let _ = text.parse::<RegistryName>();
        }
    }
}
