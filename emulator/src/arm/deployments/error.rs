//! Why a deployment is refused before it begins. What fails while it is under way is told by the deployment itself.

use http::StatusCode;
use thiserror::Error;

use super::super::template::{TemplateError, TextError};
use crate::registry::DeploymentName;

/// Why it is refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DeploymentError {
    /// The body is not JSON, even as laxly as Azure reads it.
    #[error("The request content was invalid and could not be deserialized: '{0}'.")]
    Text(#[from] TextError),
    /// The template, or what is asked of it, cannot be deployed.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// One of this name is under way.
    #[error(
        "Unable to edit or replace deployment '{0}': previous deployment is still active. Please see https://aka.ms/arm-deploy for usage details."
    )]
    Active(DeploymentName),
    /// It is not under way, so that nothing can be stopped.
    #[error("The deployment '{name}' cannot be cancelled: it has ended as '{state}'.")]
    Ended {
        /// The deployment.
        name: DeploymentName,
        /// How it ended.
        state: &'static str,
    },
    /// The deployment did no such thing.
    #[error("The deployment operation '{0}' could not be found.")]
    NoStep(String),
}

impl DeploymentError {
    /// Status and code. A mistake of the caller is never a 5xx.
    pub(in crate::arm) fn wire(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Text(_) => (StatusCode::BAD_REQUEST, "InvalidRequestContent"),
            Self::Template(error) => (StatusCode::BAD_REQUEST, error.code()),
            Self::Active(_) => (StatusCode::CONFLICT, "DeploymentActive"),
            Self::Ended { .. } => (StatusCode::CONFLICT, "DeploymentCannotBeCancelled"),
            Self::NoStep(_) => (StatusCode::NOT_FOUND, "DeploymentOperationNotFound"),
        }
    }
}
