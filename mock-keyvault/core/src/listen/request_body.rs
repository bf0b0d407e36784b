//! The body of a request, as its handler reads it.
//!
//! [`Exchange::begin`](super::exchange::Exchange) makes it. A body that is dropped before its end goes back to the
//! [`Exchange`], and a body that arrives too slowly ends with an error.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::exchange::Exchange;
use super::pace::{Pace, TooSlow};

/// The body of a request. When it is dropped before its end, the rest goes to its [`Exchange`].
#[derive(Debug)]
pub(super) struct RequestBody {
    /// `None` after its end or after an error.
    body: Option<Incoming>,
    exchange: Arc<Exchange>,
    pace: Pace,
}

/// Why a body has no further bytes.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    /// The connection or the framing failed.
    #[error(transparent)]
    Cut(#[from] hyper::Error),
    /// The client sends too slowly.
    #[error(transparent)]
    TooSlow(#[from] TooSlow),
}

impl RequestBody {
    pub(super) fn new(body: Incoming, exchange: Arc<Exchange>, pace: Pace) -> Self {
        Self { body: Some(body), exchange, pace }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        let frame = match Pin::new(body).poll_frame(context) {
            Poll::Pending => {
                let late = std::task::ready!(this.pace.poll_wait(context));
                this.exchange.body_was_late();
                Some(Err(late.into()))
            }
            Poll::Ready(Some(Ok(frame))) => {
                this.pace.arrived(frame.data_ref().map_or(0, Bytes::len));
                return Poll::Ready(Some(Ok(frame)));
            }
            // After an error, the bytes that follow on the connection cannot be told apart from the body.
            Poll::Ready(Some(Err(error))) => Some(Err(error.into())),
            Poll::Ready(None) => {
                this.exchange.body_ended();
                None
            }
        };
        this.body = None;
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
            self.exchange.body_ended();
        } else {
            self.exchange.keep(body);
        }
    }
}
