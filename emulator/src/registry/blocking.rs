//! Runs blocking work of async code: disk access, encryption, hashes.

use tokio::sync::{Semaphore, SemaphorePermit};

use super::error::Error;
use crate::keys::{KeyLease, RenewalWait};

/// The maximum number of blocking tasks in this process that borrow a key at the same time. A task whose lease ends
/// waits for the vault on its thread, and the embedded vault answers on threads of the same pool: tokio has 512 of
/// them, and some must stay free.
static KEY_PLACES: Semaphore = Semaphore::const_new(128);

/// Runs blocking work on a thread for such work, and waits for it. The work runs to its end even if the caller is
/// dropped.
pub(super) async fn blocking<T, E>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, Error>
where
    T: Send + 'static,
    E: Into<Error> + Send + 'static,
{
    tokio::task::spawn_blocking(work).await?.map_err(Into::into)
}

/// Waits until work that borrows the key of this lease may use a thread. If the lease has ended, it first waits for the
/// vault, as [`KeyLease::renewed`] does.
pub(super) async fn key_place(lease: &KeyLease) -> Result<SemaphorePermit<'static>, Error> {
    lease.renewed(&mut RenewalWait::default()).await?;
    KEY_PLACES.acquire().await.map_err(Error::internal)
}

/// Runs blocking work that borrows the key of this lease.
pub(super) async fn blocking_with_key<T, E>(
    lease: &KeyLease,
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, Error>
where
    T: Send + 'static,
    E: Into<Error> + Send + 'static,
{
    let place = key_place(lease).await?;
    // The work keeps the permit, because it continues when the caller is dropped.
    blocking(move || {
        let _place = place;
        work()
    })
    .await
}
