//! What this part of the control plane refuses, in one match. What every part refuses, and the wire form, are in
//! [`mock_keyvault::control`].
//!
//! Codes and messages are Azure's where they are known. A mistake of the caller is never a 5xx, which clients repeat.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use mock_keyvault::GateRefusal;
use mock_keyvault::control::{RequestError, refusal};
use thiserror::Error;

/// Why a request is not answered as it wished.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ArmError {
    /// There is no token that holds, or its holder has no role for this.
    #[error(transparent)]
    Refused(#[from] GateRefusal),
    /// It is refused before anything is looked up.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The host of the request cannot be one.
    #[error("the Host '{0}' cannot be one")]
    Host(String),
}

impl IntoResponse for ArmError {
    fn into_response(self) -> Response {
        match self {
            Self::Refused(error) => error.into_response(),
            Self::Request(error) => error.into_response(),
            Self::Host(host) => {
                let words = format!("The host '{host}' cannot be one.");
                refusal(StatusCode::BAD_REQUEST, "InvalidHostHeader", &words)
            }
        }
    }
}
