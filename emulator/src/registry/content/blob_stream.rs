//! Streams the bytes of a sealed object to a connection: segments are opened a little ahead, each under the lease.
//!
//! A task opens ([`Reading`]), the connection polls ([`BlobStream`]); [`ReadAhead`] is between them. When the lease
//! ends, the task drops the opened segments, even if the connection does not read at that moment. Then it waits for the
//! vault as [`KeyLease::renewed`] does, with no plaintext and no key, and opens the dropped segments again. On a
//! refusal, or when the wait is over, the stream ends with an error, never with a clean end.

use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures::Stream;
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::damage::StreamSource;
use super::object::OpenObject;
use super::read_ahead::{ReadAhead, Taken, Wanted};
use crate::keys::{KeyLease, LeaseEnded, RenewalWait};
use crate::registry::blocking::blocking;
use crate::registry::error::Error;
use crate::store::ObjectReader;
use sealed_envelope::Opener;

/// The bytes of a blob or of a log, or a part of them.
#[derive(Debug)]
pub struct BlobStream {
    shared: Arc<Shared>,
    lease: KeyLease,
    /// Ends the task when the stream is dropped.
    _reading: DropGuard,
}

/// The state shared by the task and the connection.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Wakes the task when there is room.
    room: Notify,
}

#[derive(Debug)]
struct State {
    ahead: ReadAhead,
    /// The connection that waits for bytes.
    waiting: Option<Waker>,
}

/// The task that opens segments.
struct Reading {
    shared: Arc<Shared>,
    lease: KeyLease,
    /// The end of the range.
    end: u64,
}

impl BlobStream {
    /// Streams a range of an open object.
    pub(in crate::registry) fn new(
        opened: OpenObject,
        range: Range<u64>,
        source: StreamSource,
    ) -> Self {
        let OpenObject { opener, lease, .. } = opened;
        let state = State { ahead: ReadAhead::new(&range), waiting: None };
        let shared = Arc::new(Shared { state: Mutex::new(state), room: Notify::new() });
        let gone = CancellationToken::new();
        if !range.is_empty() {
            let (shared, lease, end) = (Arc::clone(&shared), lease.clone(), range.end);
            let reading = Reading { shared, lease, end };
            let gone = gone.clone();
            tokio::spawn(async move {
                tokio::select! {
                    () = reading.run(opener, source) => (),
                    () = gone.cancelled() => (),
                }
            });
        }
        Self { shared, lease, _reading: gone.drop_guard() }
    }

    /// The number of opened segments in memory.
    #[cfg(test)]
    pub(in crate::registry) fn ahead(&self) -> usize {
        self.shared.state().ahead.len()
    }
}

impl Stream for BlobStream {
    type Item = Result<Bytes, Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut state = self.shared.state();
        let is_alive = self.lease.is_alive();
        let taken = state.ahead.take(is_alive);
        state.waiting = matches!(taken, Taken::Later).then(|| context.waker().clone());
        drop(state);
        // Segments dropped at the end of the lease must be opened again, even if a renewal comes before the task
        // notices the end.
        if !is_alive || matches!(taken, Taken::Bytes(_)) {
            self.shared.room.notify_one();
        }
        match taken {
            Taken::Bytes(bytes) => Poll::Ready(Some(Ok(bytes))),
            Taken::Later => Poll::Pending,
            Taken::Broken(error) => Poll::Ready(Some(Err(error))),
            Taken::End => Poll::Ready(None),
        }
    }
}

impl Reading {
    /// Opens segment after segment until the connection has taken the range.
    async fn run(self, mut opener: Opener<ObjectReader>, source: StreamSource) {
        let mut wait = RenewalWait::default();
        while let Some(start) = self.room().await {
            let opened;
            (opener, opened) = match self.open(opener, start).await {
                Ok(both) => both,
                Err(error) => {
                    // This comes before the connection breaks, because the client may retry at once.
                    return self.shared.stop(Some(source.broke(error).await));
                }
            };
            // The lease may have ended while the segment was opened. If it ends after this check, the next step drops
            // the queue.
            let Some(bytes) = opened.filter(|_| self.lease.is_alive()) else {
                self.shared.forget();
                if let Err(refused) = self.lease.renewed(&mut wait).await {
                    return self.shared.stop(Some(refused.into()));
                }
                continue;
            };
            wait = RenewalWait::default();
            self.shared.push(start, bytes);
        }
    }

    /// Waits until there is room. `None`: the connection has taken everything.
    async fn room(&self) -> Option<u64> {
        let ended = self.lease.ended();
        tokio::pin!(ended);
        loop {
            let room = self.shared.room.notified();
            match self.shared.state().ahead.wanted() {
                Wanted::At(start) => return Some(start),
                Wanted::Nothing => return None,
                Wanted::Later => (),
            }
            tokio::select! {
                () = room => (),
                () = &mut ended => {
                    self.shared.forget();
                }
            }
        }
    }

    /// Opens the part of one segment that is in the range from `start` on. No bytes: the lease has ended.
    async fn open(
        &self,
        mut opener: Opener<ObjectReader>,
        start: u64,
    ) -> Result<(Opener<ObjectReader>, Option<Bytes>), Error> {
        let (lease, end) = (self.lease.clone(), self.end);
        let opening = blocking(move || {
            let index = opener.segment_of(start);
            let mut segment = Vec::new();
            match lease.with(|key| opener.read_segment(key, index, &mut segment)) {
                Ok(read) => read?,
                Err(LeaseEnded) => return Ok((opener, None)),
            }
            let begin = index * u64::from(opener.segment_len());
            let end = end.min(begin + segment.len() as u64);
            let bytes = Bytes::from(segment).slice(to_usize(start - begin)..to_usize(end - begin));
            Ok::<_, Error>((opener, Some(bytes)))
        });
        let ended = self.lease.ended();
        tokio::pin!(opening, ended);
        tokio::select! {
            biased;
            opened = &mut opening => opened,
            () = ended => {
                self.shared.forget();
                opening.await
            }
        }
    }
}

/// The connection is told of every end of the task.
impl Drop for Reading {
    fn drop(&mut self) {
        self.shared.stop(None);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, start: u64, bytes: Bytes) {
        self.change(|ahead| ahead.push(start, bytes));
    }

    fn forget(&self) {
        self.state().ahead.forget();
    }

    fn stop(&self, why: Option<Error>) {
        self.change(|ahead| ahead.stop(why));
    }

    /// Changes the queue, and wakes the connection.
    fn change(&self, change: impl FnOnce(&mut ReadAhead)) {
        let mut state = self.state();
        change(&mut state.ahead);
        let waiting = state.waiting.take();
        drop(state);
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }
}

/// An offset within a segment, which has at most a few mebibytes.
fn to_usize(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}
