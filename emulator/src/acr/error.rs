//! The errors of the metadata API itself. The table in `oci/domain_errors.rs` renders the domain's own errors: ACR has one
//! form of error for both surfaces.

use http::StatusCode;
use serde_json::Value;
use thiserror::Error;

use super::query::ListQueryError;
use super::route::RouteError;
use crate::oci::{Code, ErrorReply};
use crate::registry::NameError;

/// A request that the metadata API cannot process.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AcrError {
    /// The path has no route.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// The parameters of a list are malformed.
    #[error(transparent)]
    Query(#[from] ListQueryError),
    /// The body of a change is not valid.
    #[error(
        "the body has to be a JSON object with some of deleteEnabled, listEnabled, readEnabled and writeEnabled, each true or false: {0}"
    )]
    Body(String),
    /// The form of a request for a token did not arrive completely.
    #[error("the form of the request cannot be read: {0}")]
    Form(String),
    /// A parameter of a request for a token is missing.
    #[error("the parameter {0} is missing")]
    MissingParameter(&'static str),
    /// A request for a token has an unknown grant type.
    #[error("the grant_type {0:?} is not supported")]
    UnsupportedGrant(String),
    /// Soft delete is not emulated.
    #[error("soft delete is not emulated: deleted content cannot be listed or restored")]
    SoftDelete,
}

impl From<AcrError> for ErrorReply {
    fn from(error: AcrError) -> Self {
        use StatusCode as S;
        let (status, code) = match &error {
            AcrError::Route(RouteError::NoRoute) => (S::NOT_FOUND, Code::Unsupported),
            // A malformed tag cannot exist.
            AcrError::Route(RouteError::Name(NameError::Tag(_))) => {
                (S::NOT_FOUND, Code::TagUnknown)
            }
            AcrError::Route(RouteError::Name(
                NameError::Repository(_) | NameError::Registry(_),
            )) => (S::BAD_REQUEST, Code::NameInvalid),
            AcrError::Route(RouteError::Digest(_)) | AcrError::Query(ListQueryError::Digest(_)) => {
                (S::BAD_REQUEST, Code::DigestInvalid)
            }
            AcrError::Query(ListQueryError::Number(_) | ListQueryError::Order(_))
            | AcrError::Body(_)
            | AcrError::Form(_)
            | AcrError::MissingParameter(_)
            | AcrError::UnsupportedGrant(_) => (S::BAD_REQUEST, Code::Unsupported),
            // The clients of ACR retry any other status for a while.
            AcrError::SoftDelete => (S::METHOD_NOT_ALLOWED, Code::Unsupported),
        };
        Self::new(status, code, error, Value::Null)
    }
}
