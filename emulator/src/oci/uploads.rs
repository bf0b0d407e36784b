//! Uploads: `POST /v2/<name>/blobs/uploads/` and the requests to the location that it returns.

use axum::body::Body as HttpBody;
use axum::response::{IntoResponse as _, Response};
use futures::TryStreamExt as _;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, LOCATION, RANGE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, StatusCode};

use super::code::Code;
use super::error::ErrorReply;
use super::headers::{CONTENT_DIGEST, UPLOAD_UUID, header_value, range_value};
use super::query::Query;
use super::range::ContentRange;
use crate::registry::{
    Access, Algorithm, Body, ChunkHeaders, Content, Digest, Error, RepositoryName, UploadId,
    UploadStatus,
};

/// Begins an upload, mounts a blob, or stores a whole blob in one request.
pub(super) async fn start(
    content: &Content,
    name: &RepositoryName,
    head: &Parts,
    body: HttpBody,
) -> Result<Response, ErrorReply> {
    let query = Query::from_uri(&head.uri);
    if let Some(mount) = query.get("mount") {
        let digest: Digest = mount.parse().map_err(Error::from)?;
        let access = head.extensions.get::<Access>();
        let may_mount = |from| access.is_none_or(|access| access.may_mount(from));
        // A malformed `from` counts as unknown, and so does a repository that the client may not pull from: the client falls
        // back to an upload.
        if let Ok(from) = query.get("from").map(str::parse::<RepositoryName>).transpose()
            && may_mount(from.as_ref())
            && content.mount_blob(name, &digest, from.as_ref()).await?
        {
            return Ok(created(name, &digest));
        }
    }
    let digest: Option<Digest> =
        query.get("digest").map(str::parse).transpose().map_err(Error::from)?;
    let algorithm = match (query.get("digest-algorithm"), &digest) {
        (Some(text), _) => text.parse().map_err(Error::from)?,
        (None, Some(digest)) => digest.algorithm(),
        (None, None) => Algorithm::default(),
    };
    let Some(digest) = digest else {
        let upload = content.start_upload(name, algorithm).await?;
        return Ok(accepted(name, upload));
    };
    let headers = chunk_headers(&head.headers)?;
    let upload = content.start_upload(name, algorithm).await?;
    let finished = content.finish_upload(name, upload.id, &digest, headers, stream(body)).await;
    if finished.is_err() {
        // The client does not know the upload, so it cannot continue it. If the cancellation fails, only a left-over remains.
        let _ = content.cancel_upload(name, upload.id).await;
    }
    finished?;
    Ok(created(name, &digest))
}

/// Appends a chunk, or a stream.
pub(super) async fn append(
    content: &Content,
    name: &RepositoryName,
    id: UploadId,
    head: &Parts,
    body: HttpBody,
) -> Result<Response, ErrorReply> {
    let headers = chunk_headers(&head.headers)?;
    let upload = content
        .append(name, id, headers, stream(body))
        .await
        .map_err(|error| out_of_step(name, id, error))?;
    Ok(accepted(name, upload))
}

/// Appends the last chunk, if the body has one, and turns the upload into a blob.
pub(super) async fn finish(
    content: &Content,
    name: &RepositoryName,
    id: UploadId,
    head: &Parts,
    body: HttpBody,
) -> Result<Response, ErrorReply> {
    let query = Query::from_uri(&head.uri);
    let digest: Digest = query
        .get("digest")
        .ok_or_else(|| {
            ErrorReply::bad_request(Code::DigestInvalid, "the parameter digest is missing")
        })?
        .parse()
        .map_err(Error::from)?;
    let headers = chunk_headers(&head.headers)?;
    let finished = content.finish_upload(name, id, &digest, headers, stream(body)).await;
    finished.map_err(|error| out_of_step(name, id, error))?;
    Ok(created(name, &digest))
}

/// The position of the upload.
pub(super) async fn status(
    content: &Content,
    name: &RepositoryName,
    id: UploadId,
) -> Result<Response, ErrorReply> {
    let upload = content.upload_status(name, id).await?;
    let mut response = accepted(name, upload);
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().remove(CONTENT_LENGTH);
    Ok(response)
}

/// Cancels the upload.
pub(super) async fn cancel(
    content: &Content,
    name: &RepositoryName,
    id: UploadId,
) -> Result<Response, ErrorReply> {
    content.cancel_upload(name, id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The headers of a chunk; lengths that contradict each other are refused before any byte is read.
fn chunk_headers(headers: &HeaderMap) -> Result<ChunkHeaders, ErrorReply> {
    let text =
        |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let length: Option<u64> = text(&CONTENT_LENGTH).and_then(|text| text.parse().ok());
    let Some(range) = text(&CONTENT_RANGE) else {
        return Ok(ChunkHeaders { start: None, len: length });
    };
    let range = ContentRange::parse_header(range)?;
    if let Some(length) = length.filter(|&length| length != range.count()) {
        let message =
            format!("Content-Range names {} bytes, Content-Length {length}", range.count());
        return Err(ErrorReply::bad_request(Code::SizeInvalid, message));
    }
    Ok(ChunkHeaders { start: Some(range.first), len: Some(range.count()) })
}

fn stream(body: HttpBody) -> Body {
    Box::pin(body.into_data_stream().map_err(|error| error.to_string()))
}

fn location(name: &RepositoryName, id: UploadId) -> String {
    format!("/v2/{name}/blobs/uploads/{id}")
}

/// A chunk out of order gets an error with the location and the position of the upload.
fn out_of_step(name: &RepositoryName, id: UploadId, error: Error) -> ErrorReply {
    let out_of_order = matches!(error, Error::UploadOutOfOrder { .. });
    let reply = ErrorReply::from(error);
    if out_of_order { reply.at(&location(name, id)) } else { reply }
}

fn accepted(name: &RepositoryName, upload: UploadStatus) -> Response {
    let mut response = (StatusCode::ACCEPTED, HttpBody::empty()).into_response();
    let headers = response.headers_mut();
    // Relative: some clients append it to a slash of their own, and no host or port can be wrong in it.
    headers.insert(LOCATION, header_value(location(name, upload.id)));
    headers.insert(RANGE, header_value(range_value(upload.received)));
    headers.insert(UPLOAD_UUID, header_value(upload.id));
    headers.insert(CONTENT_LENGTH, header_value(0));
    response
}

fn created(name: &RepositoryName, digest: &Digest) -> Response {
    let mut response = (StatusCode::CREATED, HttpBody::empty()).into_response();
    let headers = response.headers_mut();
    headers.insert(LOCATION, header_value(format!("/v2/{name}/blobs/{digest}")));
    headers.insert(CONTENT_DIGEST, header_value(digest));
    headers.insert(CONTENT_LENGTH, header_value(0));
    response
}
