//! Blobs: looking one up, reading it, mounting and deleting it.
//!
//! A blob is visible in a repository only if that repository holds a row for it. Reading decrypts ahead of the
//! socket by a few segments and no more. Each segment is opened under the lease of its data key; when the lease ends
//! without renewal, what was read ahead is dropped and the stream ends in an error, never in a clean end.

use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use fs_err::File;
use futures::Stream;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::Content;
use super::blocking::blocking;
use super::digest::Digest;
use super::error::Error;
use super::locks;
use super::names::RepositoryName;
use super::object::{self, OpenObject};
use crate::envelope::{ObjectKind, Opener};
use crate::keys::KeyLease;
use crate::store::{ObjectRow, Unlinked};

/// How many segments wait, opened, for the socket.
const READ_AHEAD: usize = 3;

/// A blob of a repository.
#[derive(Clone, Debug)]
pub struct Blob {
    /// Its digest.
    pub digest: Digest,
    /// Its length in bytes.
    pub len: u64,
    pub(super) row: ObjectRow,
}

/// The bytes of a blob, or a part of them, as they are opened.
#[derive(Debug)]
pub struct BlobStream {
    queue: Queue,
    lease: KeyLease,
    /// What is still to come. A stream that ends before is an error, whatever ended it.
    left: u64,
}

/// What was read ahead. It is emptied from outside when the lease ends, even if nobody reads any more.
type Queue = Arc<Mutex<mpsc::Receiver<Result<Bytes, Error>>>>;

/// A reader on its way through the segments of a range.
struct Reading {
    opener: Opener<File>,
    lease: KeyLease,
    range: Range<u64>,
}

impl Content {
    /// The blob, if this repository holds it.
    pub async fn blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<Blob, Error> {
        let parts = Arc::clone(&self.0);
        let (repository, digest) = (repository.clone(), digest.clone());
        let now = parts.clock.unix_now();
        let noted = parts.clock.elapsed();
        parts.recent.note(&repository, &digest, noted);
        blocking(move || {
            locks::require_readable(&parts, &repository)?;
            let row =
                parts.store.see_blob(&parts.name, repository.as_str(), digest.as_str(), now)?;
            let Some(row) = row else {
                parts.recent.forget(&repository, &digest, noted);
                return Err(Error::BlobUnknown(digest));
            };
            Ok::<_, Error>(Blob { digest, len: row.size, row })
        })
        .await
    }

    /// Opens a part of a blob for reading. The trailer is authenticated before this returns.
    pub async fn read_blob(&self, blob: &Blob, range: Range<u64>) -> Result<BlobStream, Error> {
        let opened =
            object::open(&self.0, blob.row.clone(), ObjectKind::Blob, blob.digest.clone()).await?;
        let range = range.start..range.end.min(opened.opener.len());
        Ok(BlobStream::of(opened, range, self.0.broken.clone()))
    }

    /// Makes a blob of another repository visible in this one; with no `from`, of any repository that has it.
    ///
    /// Returns whether there was one. All repositories of `local` are readable to whoever can push to it; a caller
    /// with less has to check the access to `from` before, and must not mount without one.
    pub async fn mount_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        from: Option<&RepositoryName>,
    ) -> Result<bool, Error> {
        let parts = Arc::clone(&self.0);
        let (repository, digest, from) = (repository.clone(), digest.clone(), from.cloned());
        let noted = parts.clock.elapsed();
        parts.recent.note(&repository, &digest, noted);
        let now = parts.clock.unix_now();
        blocking(move || {
            locks::require_writable(&parts, &repository)?;
            if let Some(from) = &from {
                locks::require_readable(&parts, from)?;
            }
            let has_source = match from {
                None => true,
                Some(from) => {
                    parts.store.blob(&parts.name, from.as_str(), digest.as_str())?.is_some()
                }
            };
            let (name, to) = (parts.name.as_str(), repository.as_str());
            let mounted = has_source && parts.store.link_blob(name, to, digest.as_str(), now)?;
            if !mounted {
                parts.recent.forget(&repository, &digest, noted);
            }
            Ok::<_, Error>(mounted)
        })
        .await
    }

    /// Takes a blob out of a repository, unless a manifest there refers to it.
    pub async fn delete_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<(), Error> {
        let parts = Arc::clone(&self.0);
        let (repository, digest) = (repository.clone(), digest.clone());
        blocking(move || {
            locks::require_writable(&parts, &repository)?;
            match parts.store.unlink_blob(&parts.name, repository.as_str(), digest.as_str())? {
                Unlinked::Removed => Ok(()),
                Unlinked::Unknown => Err(Error::BlobUnknown(digest)),
                Unlinked::Referenced => Err(Error::BlobInUse(digest)),
            }
        })
        .await
    }
}

impl BlobStream {
    /// The bytes of a range of an open object.
    pub(super) fn of(opened: OpenObject, range: Range<u64>, broken: super::BrokenObjects) -> Self {
        let OpenObject { opener, lease } = opened;
        let left = range.end.saturating_sub(range.start);
        let (sender, receiver) = mpsc::channel(READ_AHEAD);
        let queue: Queue = Arc::new(Mutex::new(receiver));
        if left > 0 {
            let reading = Reading { opener, lease: lease.clone(), range };
            tokio::spawn(reading.run(sender, Arc::clone(&queue), broken));
        }
        Self { queue, lease, left }
    }
}

impl Reading {
    /// Opens segment after segment until the range is through, the reader is gone or the lease has ended.
    async fn run(
        mut self,
        sender: mpsc::Sender<Result<Bytes, Error>>,
        queue: Queue,
        broken: super::BrokenObjects,
    ) {
        let lease = self.lease.clone();
        let ended = lease.ended();
        tokio::pin!(ended);
        while !self.range.is_empty() {
            let next = tokio::select! {
                next = self.next() => next,
                () = &mut ended => return empty(&mut locked(&queue)),
            };
            let (reading, bytes) = match next {
                Ok((reading, bytes)) => (reading, Ok(bytes)),
                Err(error) => {
                    broken.report(&error);
                    let _ = sender.send(Err(error)).await;
                    return;
                }
            };
            self = reading;
            tokio::select! {
                sent = sender.send(bytes) => if sent.is_err() { return },
                () = &mut ended => return empty(&mut locked(&queue)),
            }
        }
    }

    /// The next bytes of the range: what one segment has of it.
    async fn next(self) -> Result<(Self, Bytes), Error> {
        let runtime = Handle::current();
        blocking(move || {
            let Self { mut opener, lease, range } = self;
            let index = opener.segment_of(range.start);
            let mut segment = Vec::new();
            lease.with_renewal(&runtime, |key| opener.read_segment(key, index, &mut segment))??;
            let begin = index * u64::from(opener.segment_len());
            let end = range.end.min(begin + segment.len() as u64);
            let bytes =
                Bytes::from(segment).slice(to_usize(range.start - begin)..to_usize(end - begin));
            Ok::<_, Error>((Self { opener, lease, range: end..range.end }, bytes))
        })
        .await
    }
}

/// An offset within a segment, which is a few mebibytes at the most.
fn to_usize(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

fn locked(queue: &Queue) -> MutexGuard<'_, mpsc::Receiver<Result<Bytes, Error>>> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Drops what was read ahead. The receiver stays: it holds the waker of whoever waits for the next bytes, and the end
/// of the sender wakes it.
fn empty(queue: &mut mpsc::Receiver<Result<Bytes, Error>>) {
    queue.close();
    while queue.try_recv().is_ok() {}
}

impl Stream for BlobStream {
    type Item = Result<Bytes, Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.left == 0 {
            return Poll::Ready(None);
        }
        let mut queue = locked(&this.queue);
        match ready!(queue.poll_recv(context)) {
            Some(Ok(bytes)) if this.lease.is_alive() => {
                this.left -= bytes.len() as u64;
                Poll::Ready(Some(Ok(bytes)))
            }
            Some(Err(error)) => Poll::Ready(Some(Err(error))),
            // Emptied from outside, or about to be. The refusal's own words are in the state and in the log.
            Some(Ok(_)) | None => {
                empty(&mut queue);
                Poll::Ready(Some(Err(Error::internal(
                    "the lease of the data key ended in mid-stream",
                ))))
            }
        }
    }
}
