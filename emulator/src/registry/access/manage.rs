//! Helpers of all changes of logins: the thread that they run on, and the times of their rows.

use std::sync::Arc;

use time::OffsetDateTime;

use super::error::AccessChangeError;
use crate::registry::{Error, Parts, Registry};

impl Registry {
    /// Runs work with rows on a thread that may block.
    pub(super) async fn manage<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Parts) -> Result<T, AccessChangeError> + Send + 'static,
    ) -> Result<T, AccessChangeError> {
        let parts = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || work(&parts)).await.map_err(Error::from)?
    }
}

/// The time of a row, in seconds since 1970.
pub(super) fn moment(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
