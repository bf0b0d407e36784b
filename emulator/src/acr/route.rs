//! Parses the path of a request below `/acr/v1/` into a route.
//!
//! No component of a repository name begins with an underscore, so the segments of the API cannot be part of a name.

use axum::Router;
use http::Method;
use percent_encoding::percent_decode_str;
use thiserror::Error;

use crate::oci::{Parsed, route_kinds, with_parsed_paths};
use crate::registry::{Digest, DigestError, NameError, RepositoryName, Tag};

/// The object of a path, in domain types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// `/acr/v1/_catalog`
    Catalog,
    /// `/acr/v1/<name>`
    Repository {
        /// The repository.
        name: RepositoryName,
    },
    /// `/acr/v1/<name>/_tags`
    Tags {
        /// The repository.
        name: RepositoryName,
    },
    /// `/acr/v1/<name>/_tags/<tag>`
    Tag {
        /// The repository.
        name: RepositoryName,
        /// The tag.
        tag: Tag,
    },
    /// `/acr/v1/<name>/_manifests`
    Manifests {
        /// The repository.
        name: RepositoryName,
    },
    /// `/acr/v1/<name>/_manifests/<digest>`
    Manifest {
        /// The repository.
        name: RepositoryName,
        /// The manifest.
        digest: Digest,
    },
    /// `/acr/v1/_deleted/…`: soft delete.
    Deleted,
}

route_kinds! {
    /// `/acr/v1/_catalog`
    Catalog,
    /// `/acr/v1/<name>`
    Repository,
    /// `/acr/v1/<name>/_tags`
    Tags,
    /// `/acr/v1/<name>/_tags/<tag>`
    Tag,
    /// `/acr/v1/<name>/_manifests`
    Manifests,
    /// `/acr/v1/<name>/_manifests/<digest>`
    Manifest,
    /// `/acr/v1/_deleted/…`: soft delete.
    Deleted,
}

/// A path without a route.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RouteError {
    /// No route has this shape.
    #[error("there is nothing at this path of the registry's metadata API")]
    NoRoute,
    /// The repository name or the tag is malformed.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The digest is malformed.
    #[error(transparent)]
    Digest(#[from] DigestError),
}

/// The route of a request below `/acr/v1/`, or the reason why its path has none. [`parse_paths`] adds it to the request.
pub type ParsedPath = Parsed<Route, RouteError>;

/// Adds the [`ParsedPath`] to each request for these routes below `/acr/v1/`, before all their layers.
///
/// Only this function parses a path: the parser is private to this file, so a layer or a handler cannot parse it again.
pub fn parse_paths(routes: Router) -> Router {
    with_parsed_paths(routes, Route::parse)
}

impl Route {
    /// Reads a path as it is in the request line. Clients may percent-encode the slashes of a name.
    fn parse(path: &str) -> Result<Self, RouteError> {
        let decoded = percent_decode_str(path).decode_utf8().map_err(|_| RouteError::NoRoute)?;
        let rest = decoded.strip_prefix("/acr/v1/").ok_or(RouteError::NoRoute)?;
        let segments: Vec<&str> = rest.split('/').collect();
        let name = |segments: &[&str]| segments.join("/").parse::<RepositoryName>();
        match segments.as_slice() {
            ["_catalog"] => Ok(Self::Catalog),
            ["_deleted", _, ..] => Ok(Self::Deleted),
            [repository @ .., "_tags"] => Ok(Self::Tags { name: name(repository)? }),
            [repository @ .., "_tags", tag] => {
                Ok(Self::Tag { name: name(repository)?, tag: tag.parse()? })
            }
            [repository @ .., "_manifests"] => Ok(Self::Manifests { name: name(repository)? }),
            [repository @ .., "_manifests", digest] => {
                Ok(Self::Manifest { name: name(repository)?, digest: digest.parse()? })
            }
            segments if segments.iter().any(|segment| segment.starts_with('_')) => {
                Err(RouteError::NoRoute)
            }
            segments => Ok(Self::Repository { name: name(segments)? }),
        }
    }

    /// The kind of the route.
    pub fn kind(&self) -> RouteKind {
        match self {
            Self::Catalog => RouteKind::Catalog,
            Self::Repository { .. } => RouteKind::Repository,
            Self::Tags { .. } => RouteKind::Tags,
            Self::Tag { .. } => RouteKind::Tag,
            Self::Manifests { .. } => RouteKind::Manifests,
            Self::Manifest { .. } => RouteKind::Manifest,
            Self::Deleted => RouteKind::Deleted,
        }
    }

    /// The methods of the route.
    pub fn methods(&self) -> &'static [Method] {
        self.kind().methods()
    }
}

impl RouteKind {
    /// The methods of the route.
    pub fn methods(self) -> &'static [Method] {
        match self {
            Self::Catalog | Self::Tags | Self::Manifests => &[Method::GET],
            // A manifest is deleted at `/v2/`.
            Self::Manifest => &[Method::GET, Method::PATCH],
            Self::Repository | Self::Tag => &[Method::GET, Method::PATCH, Method::DELETE],
            Self::Deleted => &[Method::GET, Method::POST],
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn slashes_of_a_name_may_be_percent_encoded() {
        let plain = Route::parse("/acr/v1/team/app/_tags/v1").unwrap();
        let encoded = Route::parse("/acr/v1/team%2Fapp/_tags/v1").unwrap();

        assert!(matches!(&plain, Route::Tag { name, .. } if name.as_str() == "team/app"));
        assert_eq!(plain, encoded);
        assert!(matches!(
            Route::parse(&format!("/acr/v1/a/_manifests/{}", DIGEST.replace(':', "%3A"))),
            Ok(Route::Manifest { .. })
        ));
    }

    #[test]
    fn malformed_and_unknown_paths_have_different_errors() {
        assert!(matches!(Route::parse("/acr/v1/A"), Err(RouteError::Name(_))));
        assert!(matches!(Route::parse("/acr/v1/a/_tags/-x"), Err(RouteError::Name(_))));
        assert!(matches!(Route::parse("/acr/v1/_tags"), Err(RouteError::Name(_))));
        assert!(matches!(
            Route::parse("/acr/v1/a/_manifests/sha256:1"),
            Err(RouteError::Digest(_))
        ));
        for path in [
            "/acr/v1/_other",
            "/acr/v1/a/_tags/b/c",
            "/acr/v1/_deleted",
            "/acr/v2/a",
            "/acr/v1/%ff",
        ] {
            assert_eq!(Route::parse(path), Err(RouteError::NoRoute), "{path}");
        }
        assert_eq!(Route::parse("/acr/v1/_deleted/_catalog"), Ok(Route::Deleted));
    }

    proptest! {
        #[test]
        fn no_path_makes_the_parser_panic(path in r"/acr/v1/\PC{0,200}") {
            let _ = Route::parse(&path);
        }

        #[test]
        fn every_name_survives_a_round_trip(name in r"[a-z0-9]{1,8}(/[a-z0-9]{1,8}){0,3}", tag in "[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}") {
            let route = Route::parse(&format!("/acr/v1/{name}/_tags/{tag}")).unwrap();
            prop_assert_eq!(route, Route::Tag { name: name.parse().unwrap(), tag: tag.parse().unwrap() });
        }
    }
}
