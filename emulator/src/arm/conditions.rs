//! Entity tags: each resource has an `ETag`, and a change can name the expected one in `If-Match` or `If-None-Match`
//! (RFC 9110, section 13.1). If the tag does not match, the change is refused and nothing happens.
//!
//! No other change runs between reading the resource and changing it. The tag is a hash of the resource's shown form,
//! so it changes with every visible change and survives a restart.

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt as _, Collected};
use mock_keyvault::control;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::sync::{RwLockReadGuard, RwLockWriteGuard};

use super::error::ArmError;
use super::router;
use super::state::Arm;

/// The number of hash bytes in a tag.
const TAG_LEN: usize = 16;

/// The conditions of a change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Conditions {
    /// The resource has one of these tags, or exists.
    matching: Option<EntityTags>,
    /// The resource has none of these tags, or does not exist.
    not_matching: Option<EntityTags>,
}

/// The tags of a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
enum EntityTags {
    Any,
    Listed(Vec<String>),
}

/// The right to make a change: shared with others, or exclusive.
enum ChangeLock<'a> {
    Shared { _guard: RwLockReadGuard<'a, ()> },
    Exclusive { _guard: RwLockWriteGuard<'a, ()> },
}

/// Answers a request from outside.
pub(super) async fn respond(arm: &Arm, request: Request) -> Response {
    let is_change = [Method::PUT, Method::PATCH, Method::DELETE].contains(request.method());
    if !is_change {
        return with_entity_tag(router::respond(arm, request).await).await;
    }
    let conditions = Conditions::from_headers(request.headers());
    let _lock = if conditions == Conditions::default() {
        ChangeLock::Shared { _guard: arm.changing.read().await }
    } else {
        let lock = ChangeLock::Exclusive { _guard: arm.changing.write().await };
        let look = read_request(&request);
        let found = with_entity_tag(router::respond(arm, look).await).await;
        if let Some(unmet) = conditions.unmet(&found) {
            let mut response = ArmError::Condition(unmet).into_response();
            control::finish(&mut response, control::client_request_id(&request));
            return response;
        }
        lock
    };
    with_entity_tag(router::respond(arm, request).await).await
}

/// The request that reads the resource of a change, by the same caller.
pub(super) fn read_request(change: &Request) -> Request {
    let mut look = Request::new(Body::empty());
    *look.uri_mut() = change.uri().clone();
    for name in [header::HOST, header::AUTHORIZATION] {
        if let Some(value) = change.headers().get(&name) {
            look.headers_mut().insert(name, value.clone());
        }
    }
    look.extensions_mut().clone_from(change.extensions());
    look
}

impl Conditions {
    fn from_headers(headers: &HeaderMap) -> Self {
        let tags = |name: HeaderName| {
            let values: Vec<&HeaderValue> = headers.get_all(name).iter().collect();
            let texts = values.iter().filter_map(|value| value.to_str().ok());
            (!values.is_empty()).then(|| EntityTags::parse(texts.flat_map(|text| text.split(','))))
        };
        Self { matching: tags(header::IF_MATCH), not_matching: tags(header::IF_NONE_MATCH) }
    }

    /// The condition that the resource does not meet. If the caller may not read it, the change itself is refused with
    /// its own error.
    fn unmet(&self, found: &Response) -> Option<&'static str> {
        let tag = match found.status() {
            StatusCode::NOT_FOUND => None,
            status if status.is_success() => found.headers().get(header::ETAG),
            _ => return None,
        };
        let tag = tag.and_then(|tag| tag.to_str().ok());
        if self.matching.as_ref().is_some_and(|wanted| !wanted.matches(tag)) {
            return Some("If-Match");
        }
        let is_unwanted = self.not_matching.as_ref().is_some_and(|unwanted| unwanted.matches(tag));
        is_unwanted.then_some("If-None-Match")
    }
}

impl EntityTags {
    fn parse<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        let tags: Vec<&str> = texts.map(str::trim).filter(|text| !text.is_empty()).collect();
        if tags.contains(&"*") {
            return Self::Any;
        }
        Self::Listed(tags.into_iter().map(str::to_owned).collect())
    }

    /// Whether the condition matches this tag; without a tag, there is no resource.
    fn matches(&self, tag: Option<&str>) -> bool {
        let Some(tag) = tag else { return false };
        match self {
            Self::Any => true,
            Self::Listed(tags) => tags.iter().any(|one| one == tag),
        }
    }
}

/// Adds the tag of the resource to an answer that shows one.
async fn with_entity_tag(response: Response) -> Response {
    let (mut head, body) = response.into_parts();
    if !head.status.is_success() {
        return Response::from_parts(head, body);
    }
    // The body is in memory already, so collecting it cannot fail.
    let bytes = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
    let shows_one =
        serde_json::from_slice::<Value>(&bytes).is_ok_and(|body| body["id"].is_string());
    let hash = hex::encode(&Sha256::digest(&bytes)[..TAG_LEN]);
    if shows_one && let Ok(tag) = HeaderValue::from_str(&format!("\"{hash}\"")) {
        head.headers.insert(header::ETAG, tag);
    }
    Response::from_parts(head, Body::from(bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(status: StatusCode, tag: Option<&str>) -> Response {
        let mut response = status.into_response();
        if let Some(tag) = tag {
            response.headers_mut().insert(header::ETAG, tag.parse().unwrap());
        }
        response
    }

    fn unmet(name: &'static str, value: &str, found: &Response) -> Option<&'static str> {
        let headers = HeaderMap::from_iter([(
            HeaderName::from_static(name),
            HeaderValue::from_str(value).unwrap(),
        )]);
        Conditions::from_headers(&headers).unmet(found)
    }

    #[test]
    fn a_condition_is_met_only_by_the_resource_it_names() {
        let there = found(StatusCode::OK, Some("\"a\""));
        let absent = found(StatusCode::NOT_FOUND, None);
        let hidden = found(StatusCode::FORBIDDEN, None);

        for (name, value, of_there, of_absent) in [
            ("if-match", "\"a\"", false, true),
            ("if-match", "\"b\", \"a\"", false, true),
            ("if-match", "\"b\"", true, true),
            ("if-match", "*", false, true),
            ("if-match", "", true, true),
            ("if-none-match", "*", true, false),
            ("if-none-match", "\"a\"", true, false),
            ("if-none-match", "\"b\"", false, false),
        ] {
            assert_eq!(unmet(name, value, &there).is_some(), of_there, "{name}: {value}");
            assert_eq!(unmet(name, value, &absent).is_some(), of_absent, "{name}: {value}");
            assert_eq!(unmet(name, value, &hidden), None, "{name}: {value}");
        }
    }

    #[tokio::test]
    async fn an_answer_with_one_resource_has_a_tag_that_changes_with_it() {
        let of = async |body: &'static str| {
            let response = with_entity_tag(Response::new(Body::from(body))).await;
            let tag = response.headers().get(header::ETAG).cloned();
            let kept = response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(kept, body.as_bytes());
            tag
        };

        assert_eq!(of("{\"id\":\"x\",\"a\":1}").await, of("{\"id\":\"x\",\"a\":1}").await);
        assert_ne!(of("{\"id\":\"x\",\"a\":1}").await, of("{\"id\":\"x\",\"a\":2}").await);
        assert_eq!(of("{\"value\":[]}").await, None);
        assert_eq!(of("").await, None);
    }

    proptest! {
        #[test]
        fn no_header_panics(value in "[ -~]{0,30}") {
            let there = found(StatusCode::OK, Some("\"a\""));
            let _ = unmet("if-match", &value, &there);
        }
    }
}
