//! `GET`, `HEAD` and `DELETE` of `/v2/<name>/blobs/<digest>`.

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use futures::TryStreamExt as _;
use http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_RANGE, RANGE,
};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};

use super::error::ErrorReply;
use super::headers::{CONTENT_DIGEST, header_value};
use super::range::ByteRange;
use crate::registry::{Blob, Content, Digest, RepositoryName};

pub(super) async fn get(
    content: &Content,
    name: &RepositoryName,
    digest: &Digest,
    head: &Parts,
) -> Result<Response, ErrorReply> {
    let blob = content.blob(name, digest).await?;
    let etag = entity_tag(&blob.digest);
    if let Some(response) = unmodified(&head.headers, &etag)? {
        return Ok(response);
    }
    // `Range` is defined only for GET (RFC 9110, 14.2).
    let is_get = head.method == Method::GET;
    let range = if is_get { requested_range(&head.headers, &etag, &blob)? } else { None };
    let (status, bytes) = match &range {
        Some(range) => (StatusCode::PARTIAL_CONTENT, range.clone()),
        None => (StatusCode::OK, 0..blob.len),
    };
    let body = if is_get {
        Body::from_stream(
            content.read_blob(&blob, bytes.clone()).await?.map_err(std::io::Error::other),
        )
    } else {
        Body::empty()
    };
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, header_value("application/octet-stream"));
    headers.insert(CONTENT_LENGTH, header_value(bytes.end - bytes.start));
    headers.insert(ACCEPT_RANGES, header_value("bytes"));
    headers.insert(CONTENT_DIGEST, header_value(&blob.digest));
    headers.insert(ETAG, header_value(&etag));
    if range.is_some() {
        let place = format!("bytes {}-{}/{}", bytes.start, bytes.end - 1, blob.len);
        headers.insert(CONTENT_RANGE, header_value(place));
    }
    Ok(response)
}

pub(super) async fn delete(
    content: &Content,
    name: &RepositoryName,
    digest: &Digest,
) -> Result<Response, ErrorReply> {
    content.delete_blob(name, digest).await?;
    Ok((StatusCode::ACCEPTED, [(CONTENT_LENGTH, "0")]).into_response())
}

/// The requested part, if there is one. `If-Range` with another tag asks for the whole content (RFC 9110, 13.1.5).
fn requested_range(
    headers: &HeaderMap,
    etag: &str,
    blob: &Blob,
) -> Result<Option<std::ops::Range<u64>>, ErrorReply> {
    let Some(range) = headers.get(RANGE) else { return Ok(None) };
    if headers.get(IF_RANGE).is_some_and(|tag| tag != etag) {
        return Ok(None);
    }
    let range = ByteRange::parse_header(range.to_str().unwrap_or_default());
    let range = range.map_err(|error| ErrorReply::malformed_range(error, blob.len))?;
    let Some(range) = range else { return Ok(None) };
    range.within(blob.len).map(Some).ok_or_else(|| ErrorReply::range_not_satisfiable(blob.len))
}

/// The digest is the name of the content, so it is its strong entity tag.
pub(super) fn entity_tag(digest: &Digest) -> String {
    format!("\"{digest}\"")
}

/// 304 or 412, if the conditions of the request require it (RFC 9110, 13.1).
pub(super) fn unmodified(headers: &HeaderMap, etag: &str) -> Result<Option<Response>, ErrorReply> {
    let lists = |name: &http::HeaderName, weakly: bool| {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        let tags: Vec<&str> = values.flat_map(|value| value.split(',')).map(str::trim).collect();
        let is_it = |tag: &str| {
            let tag = if weakly { tag.trim_start_matches("W/") } else { tag };
            tag == "*" || tag == etag
        };
        (!tags.is_empty()).then(|| tags.into_iter().any(is_it))
    };
    // `If-Match` needs a strong comparison, which a weak tag never passes (RFC 9110, 13.1.1).
    if lists(&http::header::IF_MATCH, false) == Some(false) {
        return Err(ErrorReply::precondition_failed());
    }
    if lists(&http::header::IF_NONE_MATCH, true) == Some(true) {
        let headers = [(ETAG, header_value(etag))];
        return Ok(Some((StatusCode::NOT_MODIFIED, headers).into_response()));
    }
    Ok(None)
}
