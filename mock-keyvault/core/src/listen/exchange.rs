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
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::Notify;

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
    unread: Mutex<Unread>,
    left: Notify,
}

#[derive(Debug, Default)]
struct Unread {
    body: Option<Incoming>,
    /// Whether the handler has answered. Before that, a dropped body is not read: reading it would ask a client that waits
    /// for `100 Continue` to send it.
    is_answered: bool,
}

impl Exchange {
    /// Notes that a request head is complete. Returns the body for its handler.
    pub(super) fn begin(self: &Arc<Self>, body: Incoming) -> Body {
        self.heads.fetch_add(1, Ordering::Relaxed);
        *self.unread() = Unread::default();
        let is_arriving = !body.is_end_stream();
        self.is_arriving.store(is_arriving, Ordering::Relaxed);
        if is_arriving {
            Body::new(RequestBody { body: Some(body), exchange: Arc::clone(self) })
        } else {
            Body::empty()
        }
    }

    /// How many request heads were complete.
    pub(super) fn heads(&self) -> u64 {
        self.heads.load(Ordering::Relaxed)
    }

    /// Whether bytes of the request's body may still arrive.
    pub(super) fn is_arriving(&self) -> bool {
        self.is_arriving.load(Ordering::Relaxed)
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
        // No code panics while it holds the lock.
        self.unread.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The body of a request. When it is dropped before its end, the rest goes to its [`Exchange`].
#[derive(Debug)]
struct RequestBody {
    /// `None` after its end or after an error.
    body: Option<Incoming>,
    exchange: Arc<Exchange>,
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = std::task::ready!(Pin::new(body).poll_frame(context));
        match &frame {
            None => self.exchange.is_arriving.store(false, Ordering::Relaxed),
            Some(Ok(_)) => return Poll::Ready(frame),
            // The bytes that follow on the connection cannot be told apart from the body.
            Some(Err(_)) => (),
        }
        self.body = None;
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Incoming::size_hint)
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        let Some(body) = self.body.take() else { return };
        if body.is_end_stream() {
            self.exchange.is_arriving.store(false, Ordering::Relaxed);
            return;
        }
        let mut unread = self.exchange.unread();
        unread.body = Some(body);
        if unread.is_answered {
            self.exchange.left.notify_one();
        }
    }
}
