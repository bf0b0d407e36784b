//! The state that the layers of one connection share: the request in progress, and the body that a handler did not read.
//!
//! `connection.rs` makes one [`Exchange`] for each connection. Handlers get the body of a request as a [`RequestBody`].
//! A handler may answer and drop the body before its end. Then the rest stays here until the answer is known, and is
//! discarded. Nothing is copied: the chunks that a handler reads are those of hyper.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::sync::Notify;

use super::head_search::Found;
use super::pace::Pace;
use super::request_body::RequestBody;

/// An unread body of at most this length that has already arrived is read to its end before the answer. Then the
/// connection is kept.
const SHORT: u64 = 64 << 10;

/// How often a short body may have nothing ready: hyper reads from the socket only when it is polled.
const WAITS: usize = 2;

/// The requests of one connection, one after the other.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    /// How many request heads were complete.
    heads: AtomicU64,
    /// Whether bytes of a body may still arrive. Stays set when the body ended in an error.
    is_arriving: AtomicBool,
    /// Whether the last head was a CONNECT that was accepted.
    is_tunnel: AtomicBool,
    /// Whether the body of the request arrived too slowly.
    is_late: AtomicBool,
    next_head: Mutex<NextHead>,
    unread: Mutex<Unread>,
    left: Notify,
}

/// Whether a head has the header `Content-Length`. hyper removes it if there is a `Transfer-Encoding` too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum NamedLength {
    /// It has none.
    #[default]
    No,
    /// Its bytes arrived together with those of the request before it, so that they were not searched.
    Unknown,
    /// It has one.
    Yes,
}

/// The findings about the next head.
#[derive(Clone, Copy, Debug, Default)]
struct NextHead {
    /// Whether it names a length.
    named: NamedLength,
    /// Whether more heads may have arrived in the same piece, which were not searched.
    may_follow: bool,
}

#[derive(Debug, Default)]
struct Unread {
    body: Option<Incoming>,
    /// Whether the handler has answered. Before that, a dropped body is not read: reading it would ask a client that waits
    /// for `100 Continue` to send it.
    is_answered: bool,
}

impl Exchange {
    /// Notes that a request head is complete. Returns the body for its handler, and whether the head names a length.
    pub(super) fn begin(self: &Arc<Self>, body: Incoming, pace: Pace) -> (Body, NamedLength) {
        self.heads.fetch_add(1, Ordering::Relaxed);
        *self.unread() = Unread::default();
        self.is_late.store(false, Ordering::Relaxed);
        let is_arriving = !body.is_end_stream();
        self.is_arriving.store(is_arriving, Ordering::Relaxed);
        let named = {
            let mut next = lock(&self.next_head);
            let named = if next.may_follow { NamedLength::Unknown } else { NamedLength::No };
            std::mem::replace(&mut next.named, named)
        };
        if is_arriving {
            (Body::new(RequestBody::new(body, Arc::clone(self), pace)), named)
        } else {
            (Body::empty(), named)
        }
    }

    /// Notes what bytes of the next head have.
    pub(super) fn read_head(&self, found: Found) {
        let mut next = lock(&self.next_head);
        // A header that was found stays found.
        if found.names_length {
            next.named = NamedLength::Yes;
        }
        next.may_follow = found.has_more;
    }

    /// Notes that bytes of a body were read, perhaps together with the next heads.
    pub(super) fn read_body(&self) {
        let mut next = lock(&self.next_head);
        next.named = next.named.max(NamedLength::Unknown);
        next.may_follow = true;
    }

    /// How many request heads were complete.
    pub(super) fn heads(&self) -> u64 {
        self.heads.load(Ordering::Relaxed)
    }

    /// Whether bytes of the request's body may still arrive.
    pub(super) fn is_arriving(&self) -> bool {
        self.is_arriving.load(Ordering::Relaxed)
    }

    /// Notes that all bytes of the body have arrived.
    pub(super) fn body_ended(&self) {
        self.is_arriving.store(false, Ordering::Relaxed);
    }

    /// Notes that the body arrived too slowly.
    pub(super) fn body_was_late(&self) {
        self.is_late.store(true, Ordering::Relaxed);
    }

    /// Whether the body of the request arrived too slowly.
    pub(super) fn is_late(&self) -> bool {
        self.is_late.load(Ordering::Relaxed)
    }

    /// Keeps the rest of a body that its handler dropped.
    pub(super) fn keep(&self, body: Incoming) {
        let mut unread = self.unread();
        unread.body = Some(body);
        if unread.is_answered {
            self.left.notify_one();
        }
    }

    /// Notes that the connection becomes a tunnel: the bytes that follow are neither a head nor a body.
    pub(super) fn become_tunnel(&self) {
        self.is_tunnel.store(true, Ordering::Relaxed);
    }

    /// Whether the connection became a tunnel.
    pub(super) fn is_tunnel(&self) -> bool {
        self.is_tunnel.load(Ordering::Relaxed)
    }

    /// Notes that the handler has answered. Returns whether the request was read to its end, so that the connection can be kept.
    ///
    /// If it was not, [`Exchange::left_over`] returns the rest. A client that asked with `Expect` whether it should send the
    /// body is not made to send it.
    pub(super) async fn answered(&self, expects_continue: bool) -> bool {
        let short = self.unread().body.take_if(|body| {
            !expects_continue && body.size_hint().upper().is_none_or(|len| len <= SHORT)
        });
        if let Some(short) = short {
            let rest = self.read_short(short).await;
            self.unread().body = rest;
        }
        let mut unread = self.unread();
        unread.is_answered = true;
        if unread.body.is_some() {
            self.left.notify_one();
        }
        !self.is_arriving()
    }

    /// The rest of a body whose request was answered. Waits until there is one.
    pub(super) async fn left_over(&self) -> Incoming {
        loop {
            let body = {
                let mut unread = self.unread();
                if unread.is_answered { unread.body.take() } else { None }
            };
            match body {
                Some(body) => return body,
                None => self.left.notified().await,
            }
        }
    }

    /// The length of the next piece of a body that is discarded; `None` at its end or after an error.
    pub(super) fn poll_discard(
        &self,
        body: &mut Incoming,
        context: &mut Context<'_>,
    ) -> Poll<Option<usize>> {
        let frame = std::task::ready!(Pin::new(body).poll_frame(context));
        if frame.is_none() {
            self.is_arriving.store(false, Ordering::Relaxed);
        }
        Poll::Ready(frame.and_then(Result::ok).map(|frame| frame.data_ref().map_or(0, Bytes::len)))
    }

    /// Reads the bytes that have arrived. Returns the body if more may follow.
    async fn read_short(&self, mut body: Incoming) -> Option<Incoming> {
        let (mut read, mut waited) = (0, 0);
        let is_over = std::future::poll_fn(|context| {
            while read <= SHORT {
                match self.poll_discard(&mut body, context) {
                    Poll::Ready(Some(len)) => read += len as u64,
                    Poll::Ready(None) => return Poll::Ready(true),
                    Poll::Pending if waited < WAITS => {
                        waited += 1;
                        context.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                    Poll::Pending => break,
                }
            }
            Poll::Ready(false)
        });
        (!is_over.await).then_some(body)
    }

    fn unread(&self) -> MutexGuard<'_, Unread> {
        lock(&self.unread)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code panics while it holds a lock.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
