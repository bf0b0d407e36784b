//! The one door from async code to what blocks: the disk, the ciphers, the hashes.

use tokio::sync::{Semaphore, SemaphorePermit};

use super::error::Error;
use crate::keys::{KeyLease, RenewalWait};

/// How many pieces of work can borrow a key at the same time, in this process. Work whose lease ends waits for the vault on
/// its thread, and the embedded vault answers on threads of the same pool: tokio has 512 of them, and some must stay free.
static KEY_PLACES: Semaphore = Semaphore::const_new(128);

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

/// Waits until work that borrows the key of this lease may take a thread. If the lease has ended, it waits for the vault
/// first, as [`KeyLease::renewed`] does.
pub(super) async fn key_place(lease: &KeyLease) -> Result<SemaphorePermit<'static>, Error> {
    lease.renewed(&mut RenewalWait::default()).await?;
    KEY_PLACES.acquire().await.map_err(Error::internal)
}

/// Runs work that blocks and borrows the key of this lease, in a place of its own.
pub(super) async fn blocking_with_key<T, E>(
    lease: &KeyLease,
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, Error>
where
    T: Send + 'static,
    E: Into<Error> + Send + 'static,
{
    let place = key_place(lease).await?;
    // The work keeps the place, because it goes on when the caller is dropped.
    blocking(move || {
        let _place = place;
        work()
    })
    .await
}
