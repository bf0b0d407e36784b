//! Names of repositories.

use std::fmt;
use std::str::FromStr;

use super::error::{NameError, shorten};

/// The maximum length of a repository name that clients can use: they add a host and keep the sum below 256 bytes.
const MAX_REPOSITORY_LEN: usize = 255;

/// A repository's name: path components of lower-case letters, digits and separators, joined by `/`.
///
/// OCI distribution specification 1.1, "Pulling manifests":
/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepositoryName(String);

impl RepositoryName {
    /// The name of the repository of recovered content.
    pub const RECOVERED: &str = "recovered/files";

    /// The repository that a repair puts content in whose own repository is not known.
    pub fn recovered() -> Self {
        Self(Self::RECOVERED.to_owned())
    }

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

    proptest! {
        #[test]
        fn names_built_from_the_grammar_are_accepted(
            name in r"[a-z0-9]{1,8}((\.|_|__|-{1,3})[a-z0-9]{1,8}){0,3}(/[a-z0-9]{1,8}((\.|_|__|-{1,3})[a-z0-9]{1,8}){0,3}){0,3}"
        ) {
            prop_assert!(name.parse::<RepositoryName>().is_ok());
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in r"\PC{0,300}") {
            let _ = text.parse::<RepositoryName>();
        }
    }
}
