//! Parses the path of a request into a route.
//!
//! Repository names may contain `blobs`, `manifests`, `tags` and the like as components, so a path is read from its
//! end: the last matching segments decide.

use std::str::FromStr as _;

use axum::Router;
use http::Method;
use percent_encoding::percent_decode_str;
use thiserror::Error;

use super::parsed_path::{Parsed, with_parsed_paths};
use super::route_kind::route_kinds;
use crate::registry::{Digest, DigestError, NameError, Reference, RepositoryName, UploadId};

/// The object of a path below `/v2/`, in domain types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// `/v2/`
    Base,
    /// `/v2/_catalog`
    Catalog,
    /// `/v2/<name>/tags/list`
    Tags {
        /// The repository.
        name: RepositoryName,
    },
    /// `/v2/<name>/referrers/<digest>`
    Referrers {
        /// The repository.
        name: RepositoryName,
        /// The manifest referred to.
        subject: Digest,
    },
    /// `/v2/<name>/manifests/<reference>`
    Manifest {
        /// The repository.
        name: RepositoryName,
        /// Tag or digest.
        reference: Reference,
    },
    /// `/v2/<name>/blobs/<digest>`
    Blob {
        /// The repository.
        name: RepositoryName,
        /// The blob.
        digest: Digest,
    },
    /// `/v2/<name>/blobs/uploads/`
    Uploads {
        /// The repository.
        name: RepositoryName,
    },
    /// `/v2/<name>/blobs/uploads/<id>`
    Upload {
        /// The repository.
        name: RepositoryName,
        /// The upload.
        id: UploadId,
    },
}

route_kinds! {
    /// `/v2/`
    Base,
    /// `/v2/_catalog`
    Catalog,
    /// `/v2/<name>/tags/list`
    Tags,
    /// `/v2/<name>/referrers/<digest>`
    Referrers,
    /// `/v2/<name>/manifests/<reference>`
    Manifest,
    /// `/v2/<name>/blobs/<digest>`
    Blob,
    /// `/v2/<name>/blobs/uploads/`
    Uploads,
    /// `/v2/<name>/blobs/uploads/<id>`
    Upload,
}

/// A path without a route.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RouteError {
    /// No route has this shape.
    #[error(
        "there is nothing at this path; see the OCI distribution specification for the valid paths"
    )]
    NoRoute,
    /// The repository name or the tag is malformed.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The digest is malformed.
    #[error(transparent)]
    Digest(#[from] DigestError),
    /// The id of an upload was not made by this registry.
    #[error("the upload {0:?} is not known")]
    Upload(String),
}

/// The route of a request below `/v2/`, or the reason why its path has none. [`parse_paths`] adds it to the request.
pub type ParsedPath = Parsed<Route, RouteError>;

/// Adds the [`ParsedPath`] to each request for these routes below `/v2/`, before all their layers.
///
/// Only this function parses a path: the parser is private to this file, so a layer or a handler cannot parse it again.
pub fn parse_paths(routes: Router) -> Router {
    with_parsed_paths(routes, Route::parse)
}

impl Route {
    /// Reads a path as it is in the request line, with its percent-encoding.
    fn parse(path: &str) -> Result<Self, RouteError> {
        let decoded = percent_decode_str(path).decode_utf8().map_err(|_| RouteError::NoRoute)?;
        let rest = decoded.strip_prefix("/v2").ok_or(RouteError::NoRoute)?;
        let rest = match rest {
            "" | "/" => return Ok(Self::Base),
            rest => rest.strip_prefix('/').ok_or(RouteError::NoRoute)?,
        };
        if rest == "_catalog" {
            return Ok(Self::Catalog);
        }
        let segments: Vec<&str> = rest.split('/').collect();
        let name = |segments: &[&str]| RepositoryName::from_str(&segments.join("/"));
        match segments.as_slice() {
            [repository @ .., "blobs", "uploads"] | [repository @ .., "blobs", "uploads", ""] => {
                Ok(Self::Uploads { name: name(repository)? })
            }
            [repository @ .., "blobs", "uploads", id] => {
                let name = name(repository)?;
                let id =
                    id.parse().map_err(|_| RouteError::Upload(id.chars().take(64).collect()))?;
                Ok(Self::Upload { name, id })
            }
            [repository @ .., "tags", "list"] => Ok(Self::Tags { name: name(repository)? }),
            [.., "referrers" | "manifests" | "blobs", ""] => Err(RouteError::NoRoute),
            [repository @ .., "referrers", subject] => {
                Ok(Self::Referrers { name: name(repository)?, subject: subject.parse()? })
            }
            [repository @ .., "manifests", reference] => {
                let name = name(repository)?;
                // A tag never has a colon, a digest always does.
                let reference = if reference.contains(':') {
                    Reference::Digest(reference.parse()?)
                } else {
                    Reference::Tag(reference.parse()?)
                };
                Ok(Self::Manifest { name, reference })
            }
            [repository @ .., "blobs", digest] => {
                Ok(Self::Blob { name: name(repository)?, digest: digest.parse()? })
            }
            _ => Err(RouteError::NoRoute),
        }
    }

    /// The kind of the route.
    pub fn kind(&self) -> RouteKind {
        match self {
            Self::Base => RouteKind::Base,
            Self::Catalog => RouteKind::Catalog,
            Self::Tags { .. } => RouteKind::Tags,
            Self::Referrers { .. } => RouteKind::Referrers,
            Self::Manifest { .. } => RouteKind::Manifest,
            Self::Blob { .. } => RouteKind::Blob,
            Self::Uploads { .. } => RouteKind::Uploads,
            Self::Upload { .. } => RouteKind::Upload,
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
            Self::Base | Self::Catalog | Self::Tags | Self::Referrers => {
                &[Method::GET, Method::HEAD]
            }
            Self::Manifest => &[Method::GET, Method::HEAD, Method::PUT, Method::DELETE],
            Self::Blob => &[Method::GET, Method::HEAD, Method::DELETE],
            Self::Uploads => &[Method::POST],
            Self::Upload => {
                &[Method::GET, Method::HEAD, Method::PATCH, Method::PUT, Method::DELETE]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn names_may_contain_segments_of_routes() {
        let blob = Route::parse(&format!("/v2/a/blobs/uploads/blobs/{DIGEST}")).unwrap();
        let manifest = Route::parse("/v2/tags/list/manifests/latest").unwrap();

        assert!(matches!(blob, Route::Blob { name, .. } if name.as_str() == "a/blobs/uploads"));
        assert!(matches!(manifest, Route::Manifest { name, .. } if name.as_str() == "tags/list"));
    }

    #[test]
    fn digests_may_be_percent_encoded() {
        let plain = Route::parse(&format!("/v2/a/blobs/{DIGEST}")).unwrap();
        let encoded = Route::parse(&format!("/v2/a/blobs/{}", DIGEST.replace(':', "%3A"))).unwrap();

        assert_eq!(plain, encoded);
    }

    #[test]
    fn malformed_and_unknown_paths_have_different_errors() {
        assert!(matches!(Route::parse("/v2/A/tags/list"), Err(RouteError::Name(_))));
        assert!(matches!(Route::parse("/v2/a/blobs/sha256:1"), Err(RouteError::Digest(_))));
        assert!(matches!(Route::parse("/v2/a/manifests/-x"), Err(RouteError::Name(_))));
        assert!(matches!(Route::parse("/v2/a/blobs/uploads/x"), Err(RouteError::Upload(_))));
        assert!(matches!(Route::parse("/v2/a"), Err(RouteError::NoRoute)));
        assert!(matches!(Route::parse("/v2/a/%ff/list"), Err(RouteError::NoRoute)));
    }

    proptest! {
        #[test]
        fn no_path_makes_the_parser_panic(path in r"/v2/\PC{0,200}") {
            let _ = Route::parse(&path);
        }
    }
}
