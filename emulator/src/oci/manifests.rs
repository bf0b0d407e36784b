//! `GET`, `HEAD`, `PUT` and `DELETE` of `/v2/<name>/manifests/<reference>`.

use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, LOCATION};
use http::request::Parts;
use http::{HeaderName, Method, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde_json::json;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::blobs::{entity_tag, unmodified};
use super::code::Code;
use super::error::ErrorReply;
use super::headers::{CONTENT_DIGEST, header_value};
use super::query::Query;
use super::route::RouteError;
use crate::registry::{Content, Error, MAX_MANIFEST_LEN, ManifestNames, Reference, RepositoryName};

/// Tells a client that the registry supports the referrers API for this subject (OCI distribution specification 1.1).
const OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
/// Names a tag that was set by the parameter `tag` (OCI distribution specification after 1.1, distribution-spec#600).
const OCI_TAG: HeaderName = HeaderName::from_static("oci-tag");
/// How many digests one request may name: each is computed, and there are two algorithms.
const MOST_DIGESTS: usize = 2;
/// How many tags one request may set. The specification requires at least 10.
const MOST_TAGS: usize = 100;

/// Returns the manifest as it was pushed. `Accept` is ignored: nothing is converted.
pub(super) async fn get(
    content: &Content,
    name: &RepositoryName,
    reference: &Reference,
    head: &Parts,
) -> Result<Response, ErrorReply> {
    let manifest = content.manifest(name, reference).await?;
    let etag = entity_tag(&manifest.digest);
    if let Some(response) = unmodified(&head.headers, &etag)? {
        return Ok(response);
    }
    let body = if head.method == Method::HEAD {
        Body::empty()
    } else {
        Body::from(Bytes::from_owner(content.read_manifest(&manifest).await?))
    };
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, header_value(&manifest.media_type));
    headers.insert(CONTENT_LENGTH, header_value(manifest.len));
    headers.insert(CONTENT_DIGEST, header_value(&manifest.digest));
    headers.insert(ETAG, header_value(&etag));
    Ok(response)
}

/// Stores a manifest.
pub(super) async fn put(
    content: &Content,
    name: &RepositoryName,
    reference: &Reference,
    head: &Parts,
    body: Body,
) -> Result<Response, ErrorReply> {
    let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type =
        content_type.map(|text| text.split(';').next().unwrap_or(text).trim().to_owned());
    let content_type = content_type.filter(|text| !text.is_empty());
    let names = names(reference, &Query::from_uri(&head.uri))?;
    let tags: Vec<_> = match reference {
        Reference::Digest(_) => names.tags.iter().map(header_value).collect(),
        Reference::Tag(_) => Vec::new(),
    };
    let bytes = limited_body(body, content.body_limit()).await?;
    let put = content.put_manifest(name, names, content_type.as_deref(), bytes).await?;
    let mut response = (StatusCode::CREATED, Body::empty()).into_response();
    let headers = response.headers_mut();
    headers.insert(LOCATION, header_value(format!("/v2/{name}/manifests/{}", put.digest)));
    headers.insert(CONTENT_DIGEST, header_value(&put.digest));
    headers.insert(CONTENT_LENGTH, header_value(0));
    if let Some(subject) = &put.subject {
        headers.insert(OCI_SUBJECT, header_value(subject));
    }
    for tag in tags {
        headers.append(OCI_TAG, tag);
    }
    Ok(response)
}

/// The names for a manifest: its reference, a digest in addition to a tag (`?digest=`, as regctl sends it), and tags in addition
/// to a digest (`?tag=&tag=`, OCI distribution specification after 1.1, "Pushing Manifests", distribution-spec#600).
fn names(reference: &Reference, query: &Query) -> Result<ManifestNames, ErrorReply> {
    let mut names = ManifestNames::from(reference);
    for text in query.all("digest") {
        let digest = text.parse().map_err(RouteError::Digest).map_err(parameter_error)?;
        if !names.digests.contains(&digest) {
            names.digests.push(digest);
        }
        if MOST_DIGESTS < names.digests.len() {
            let message = "a manifest has one digest of each algorithm";
            return Err(ErrorReply::bad_request(Code::DigestInvalid, message));
        }
    }
    if matches!(reference, Reference::Digest(_)) {
        for text in query.all("tag") {
            names.tags.push(text.parse().map_err(RouteError::Name).map_err(parameter_error)?);
        }
        names.tags.sort();
        names.tags.dedup();
        if MOST_TAGS < names.tags.len() {
            let message = format!("one request sets at most {MOST_TAGS} tags");
            let detail = json!({ "limit": MOST_TAGS });
            return Err(ErrorReply::new(
                StatusCode::URI_TOO_LONG,
                Code::Unsupported,
                message,
                detail,
            ));
        }
    }
    Ok(names)
}

/// A parameter is refused like the same text in the path.
fn parameter_error(error: RouteError) -> ErrorReply {
    ErrorReply::from_route_error(error, &Method::PUT)
}

/// Deletes a manifest, or only a tag.
pub(super) async fn delete(
    content: &Content,
    name: &RepositoryName,
    reference: &Reference,
) -> Result<Response, ErrorReply> {
    content.delete_manifest(name, reference).await?;
    Ok((StatusCode::ACCEPTED, [(CONTENT_LENGTH, "0")]).into_response())
}

/// The body, if it is at most as large as a manifest may be and takes at most `limit`.
async fn limited_body(body: Body, limit: Duration) -> Result<Zeroizing<Vec<u8>>, ErrorReply> {
    let cut = |why: String| {
        let message = format!("the body of the request ended early: {why}");
        ErrorReply::bad_request(Code::ManifestInvalid, message)
    };
    let collected = timeout(limit, Limited::new(body, MAX_MANIFEST_LEN).collect());
    match collected.await {
        Ok(Ok(collected)) => Ok(Zeroizing::new(collected.to_bytes().into())),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(Error::ManifestTooLarge(MAX_MANIFEST_LEN).into())
        }
        Ok(Err(error)) => Err(cut(error.to_string())),
        Err(_) => Err(cut(format!("it took longer than {} s", limit.as_secs()))),
    }
}
