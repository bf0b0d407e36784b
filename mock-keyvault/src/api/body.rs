//! Reads the bodies of requests, and renders those of answers.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt, Limited};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::error::{ApiError, JSON};
use crate::model::error::VaultError;

/// The largest body that is read, in bytes. The largest valid body, with all tags, is below 16 KiB.
const MAX_BODY: usize = 256 << 10;

/// The most characters of a parser's message that a refusal repeats.
const MAX_MESSAGE_LEN: usize = 200;

/// Reads a body of JSON. Bodies may hold secrets, so the bytes are wiped.
pub(super) async fn read<T: DeserializeOwned>(body: Body) -> Result<T, ApiError> {
    read_up_to(body, MAX_BODY).await
}

pub(super) async fn read_up_to<T: DeserializeOwned>(
    body: Body,
    limit: usize,
) -> Result<T, ApiError> {
    let bad = |message: String| ApiError::from(VaultError::BadParameter(message));
    let collected = Limited::new(body, limit)
        .collect()
        .await
        .map_err(|error| bad(format!("The request body cannot be read: {error}")))?;
    let bytes = Zeroizing::new(collected.to_bytes().to_vec());
    serde_json::from_slice(&bytes).map_err(|error| {
        let why = without_value(&error.to_string());
        bad(format!("The request body is not what this operation takes: {why}"))
    })
}

/// The parser's message without the wrong value: it may be a private number, and refusals end up in logs.
fn without_value(message: &str) -> String {
    match (message.split_once(": "), message.rsplit_once(", expected ")) {
        (Some((kind, _)), Some((before, expected))) if kind.len() < before.len() => {
            format!("{kind}, expected {expected}")
        }
        _ => message.chars().take(MAX_MESSAGE_LEN).collect(),
    }
}

pub(super) fn json(body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => {
            let mut response = Response::new(Body::from(bytes));
            response.headers_mut().insert(CONTENT_TYPE, JSON);
            response
        }
        Err(error) => ApiError::from(VaultError::Internal(error.to_string())).into_response(),
    }
}
