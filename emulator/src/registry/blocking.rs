//! The one door from async code to what blocks: the disk, the ciphers, the hashes.

use super::error::Error;

/// Runs work that blocks on a thread for that, and waits for it. The work runs to its end even if nobody waits any more.
pub(super) async fn blocking<T, E>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, Error>
where
    T: Send + 'static,
    E: Into<Error> + Send + 'static,
{
    tokio::task::spawn_blocking(work).await?.map_err(Into::into)
}
