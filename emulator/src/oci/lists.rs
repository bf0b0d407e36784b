//! The lists: tags, repositories, referrers; with `n`, `last` and `Link` (RFC 8288).

use axum::response::{IntoResponse as _, Response};
use http::HeaderName;
use http::header::{CONTENT_TYPE, LINK};
use http::request::Parts;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use super::error::ErrorReply;
use super::headers::header_value;
use super::query::Query;
use crate::registry::{Content, Digest, OCI_INDEX, RepositoryName};

/// Names the filters that were applied to the list of referrers (OCI distribution specification 1.1).
const OCI_FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");

pub(super) async fn tags(
    content: &Content,
    name: &RepositoryName,
    head: &Parts,
) -> Result<Response, ErrorReply> {
    let query = Query::from_uri(&head.uri);
    let n = query.page_len()?;
    let page = content.tags(name, query.last(), n).await?;
    let body = json!({ "name": name.as_str(), "tags": page.items });
    let next = page.next.map(|last| {
        (format!("/v2/{name}/tags/list"), vec![("last", last), ("n", page.items.len().to_string())])
    });
    Ok(listed(&body, "application/json", next))
}

pub(super) async fn catalog(content: &Content, head: &Parts) -> Result<Response, ErrorReply> {
    let query = Query::from_uri(&head.uri);
    let page = content.repositories(query.last(), query.page_len()?).await?;
    let body = json!({ "repositories": page.items });
    let next = page.next.map(|last| {
        ("/v2/_catalog".to_owned(), vec![("last", last), ("n", page.items.len().to_string())])
    });
    Ok(listed(&body, "application/json", next))
}

pub(super) async fn referrers(
    content: &Content,
    name: &RepositoryName,
    subject: &Digest,
    head: &Parts,
) -> Result<Response, ErrorReply> {
    let query = Query::from_uri(&head.uri);
    let artifact_type = query.get("artifactType").filter(|text| !text.is_empty());
    let page = content.referrers(name, subject, artifact_type, query.get("last")).await?;
    let body = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": page.items });
    let next = page.next.map(|last| {
        let filter = artifact_type.map(|text| ("artifactType", text.to_owned()));
        let parameters = filter.into_iter().chain([("last", last)]).collect();
        (format!("/v2/{name}/referrers/{subject}"), parameters)
    });
    let mut response = listed(&body, OCI_INDEX, next);
    if artifact_type.is_some() {
        response.headers_mut().insert(OCI_FILTERS_APPLIED, header_value("artifactType"));
    }
    Ok(response)
}

/// A list as JSON, with the link to its next page.
fn listed(
    body: &serde_json::Value,
    media_type: &str,
    next: Option<(String, Vec<(&str, String)>)>,
) -> Response {
    let mut response = body.to_string().into_response();
    response.headers_mut().insert(CONTENT_TYPE, header_value(media_type));
    if let Some((path, parameters)) = next {
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let query: Vec<String> =
            parameters.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        response
            .headers_mut()
            .insert(LINK, header_value(format!("<{path}?{}>; rel=\"next\"", query.join("&"))));
    }
    response
}
