//! Resumes the interrupted operations of this folder, and has the steps that all of them share.

use super::error::ManageError;
use super::registries::Registries;
use crate::registry::error::Error;
use crate::registry::intents::{Intent, Kind};

impl Registries {
    /// Resumes an interrupted operation, or undoes it. An error is recorded, and the operation is retried.
    pub async fn resume(&self, intent: Intent) -> Result<(), ManageError> {
        match intent.kind() {
            Kind::CreateRegistry => self.resume_creation(intent).await,
            Kind::UpdateRegistry => self.resume_update(intent).await,
            Kind::DeleteRegistry => self.resume_deletion(intent).await,
            Kind::SystemIdentity => self.resume_system_identity(intent).await,
            Kind::CreateIdentity => self.resume_identity_creation(intent).await,
            Kind::DeleteIdentity => self.resume_identity_deletion(intent).await,
            Kind::RotateKey => self.resume_rotation(intent).await,
            // These belong to other modules, which do not call this one.
            Kind::Reset
            | Kind::MoveClock
            | Kind::DeleteGroup
            | Kind::Deploy
            | Kind::Revoke
            | Kind::Restore => {
                Err(Error::internal("this operation is not one of the registries").into())
            }
        }
    }

    /// Ends an operation whose last transaction has removed the intent, or leaves it to the runner.
    pub(super) async fn end_operation<E: From<Error> + std::fmt::Display>(
        &self,
        intent: Intent,
        result: Result<(), E>,
    ) -> Result<(), E> {
        match result {
            Ok(()) => intent.ended().await,
            Err(ref error) => intent.failed(error),
        }
        result
    }

    /// Ends an operation whose last step changed no row, or leaves it to the runner.
    pub(super) async fn end_without_row(
        &self,
        intent: Intent,
        result: Result<(), ManageError>,
    ) -> Result<(), ManageError> {
        match result {
            Ok(()) => Ok(intent.end().await?),
            Err(error) => {
                intent.failed(&error);
                Err(error)
            }
        }
    }
}
