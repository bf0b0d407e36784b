//! The name of an image: `REPOSITORY`, `REPOSITORY:TAG` or `REPOSITORY@DIGEST`.

use std::str::FromStr;

use crate::registry::{Digest, RepositoryName, Tag};

/// An image, or a whole repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ImageName {
    pub(super) repository: RepositoryName,
    pub(super) version: Option<Version>,
}

/// The tag or digest of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Version {
    Tag(Tag),
    Digest(Digest),
}

impl FromStr for ImageName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let with_expected_form = |error: &dyn std::fmt::Display| {
            format!(
                "{error}; expected REPOSITORY, REPOSITORY:TAG or REPOSITORY@DIGEST, without a host"
            )
        };
        let (repository, version) = if let Some((repository, digest)) = text.split_once('@') {
            let digest = digest.parse().map_err(|error| with_expected_form(&error))?;
            (repository, Some(Version::Digest(digest)))
        } else if let Some((repository, tag)) = text.split_once(':') {
            let tag = tag.parse().map_err(|error| with_expected_form(&error))?;
            (repository, Some(Version::Tag(tag)))
        } else {
            (text, None)
        };
        let repository = repository.parse().map_err(|error| with_expected_form(&error))?;
        Ok(Self { repository, version })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_named_by_a_tag_or_a_digest() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let of = |text: &str| text.parse::<ImageName>();

        assert_eq!(of("team/app").unwrap().version, None);
        assert!(
            matches!(of("team/app:v1").unwrap().version, Some(Version::Tag(tag)) if tag.to_string() == "v1")
        );
        assert!(matches!(of(&format!("app@{digest}")).unwrap().version, Some(Version::Digest(_))));
        for wrong in ["", "App", "app:", "app@v1", "localhost:5000/app", "app:-x"] {
            assert!(of(wrong).unwrap_err().contains("expected REPOSITORY"), "{wrong}");
        }
    }
}
