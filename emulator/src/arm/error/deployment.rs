//! Why a deployment is refused before it begins. The deployment itself reports failures after that.

use http::StatusCode;
use thiserror::Error;

use crate::arm::template::{TemplateError, TextError};
use crate::registry::DeploymentName;

/// Why it is refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DeploymentError {
    /// The body is not JSON, not even in Azure's lax form.
    #[error("The request content was invalid and could not be deserialized: '{0}'.")]
    Text(#[from] TextError),
    /// The template or a part of the request cannot be deployed.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A deployment of this name is running.
    #[error(
        "Unable to edit or replace deployment '{0}': previous deployment is still active. Please see https://aka.ms/arm-deploy for usage details."
    )]
    Active(DeploymentName),
    /// It is not running, so it cannot be cancelled.
    #[error("The deployment '{name}' cannot be cancelled: it has ended as '{state}'.")]
    Ended {
        /// The deployment.
        name: DeploymentName,
        /// How it ended.
        state: &'static str,
    },
    /// The deployment has no such operation.
    #[error("The deployment operation '{0}' could not be found.")]
    NoStep(String),
}

impl DeploymentError {
    /// Status and code. An error of the caller is never a 5xx.
    pub(super) fn wire(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Text(_) => (StatusCode::BAD_REQUEST, "InvalidRequestContent"),
            Self::Template(error) => (StatusCode::BAD_REQUEST, error.code()),
            Self::Active(_) => (StatusCode::CONFLICT, "DeploymentActive"),
            Self::Ended { .. } => (StatusCode::CONFLICT, "DeploymentCannotBeCancelled"),
            Self::NoStep(_) => (StatusCode::NOT_FOUND, "DeploymentOperationNotFound"),
        }
    }
}
