//! A stream whose reads time out if the peer begins a request head and does not finish it.
//!
//! `connection.rs` puts it around every connection. hyper has one timeout from the end of a request to the end of the next
//! head, so it cannot distinguish an idle connection from a client that sends its head a byte at a time. Here the time
//! counts from the first byte of a head. Nothing is copied: the bytes are read into hyper's buffer.
//!
//! hyper may read the first bytes of a head together with the end of the request before it. They count as soon as one more
//! byte arrives; until then the connection counts as idle.
//!
//! It also searches heads for `Content-Length`, because hyper hides it in a request that has `Transfer-Encoding` too.
//!
//! Before the first head is complete, hyper writes only refusals, which have no text. They are not sent: `connection.rs`
//! sends a refusal that says what to do.
//!
//! A tunnel has no heads at this layer. Its bytes have no time limit here, and the connection inside it has its own
//! [`Prompt`].

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::exchange::Exchange;
use super::head_search::HeadSearch;
use super::refusal::Refusal;

/// Returns an error when a head that has begun is not complete in time.
#[derive(Debug)]
pub(super) struct Prompt<S> {
    stream: S,
    exchange: Arc<Exchange>,
    limit: Duration,
    /// How many heads were complete when bytes of the next one arrived.
    begun_after: Option<u64>,
    /// Runs while a read waits for the rest of a head.
    waiting: Option<Pin<Box<Sleep>>>,
    search: HeadSearch,
    /// The refusal of the first head, which was not sent.
    refusal: Option<Refusal>,
}

impl<S> Prompt<S> {
    /// A head may take `limit`. `exchange` counts the complete heads.
    pub(super) fn new(stream: S, exchange: Arc<Exchange>, limit: Duration) -> Self {
        let (search, refusal) = (HeadSearch::default(), None);
        Self { stream, exchange, limit, begun_after: None, waiting: None, search, refusal }
    }

    /// The stream, and the refusal of the first head that was not sent.
    pub(super) fn into_parts(self) -> (S, Option<Refusal>) {
        (self.stream, self.refusal)
    }

    /// Whether no request has a complete head yet: what is written now is a refusal by hyper.
    fn is_before_first_head(&self) -> bool {
        self.exchange.heads() == 0
    }

    fn keep_refusal(&mut self, bytes: &[u8]) {
        if self.refusal.is_none() {
            self.refusal = Some(Refusal::of_answer(bytes));
        }
    }

    /// Whether bytes of a head have arrived that is not complete.
    fn is_in_head(&self) -> bool {
        self.begun_after == Some(self.exchange.heads()) && !self.exchange.is_tunnel()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Prompt<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        // Bytes that have arrived are accepted first, however late they are read.
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if self.exchange.is_arriving() {
            // These are bytes of a body, and perhaps of the head after it.
            self.waiting = None;
            if buffer.filled().len() > before {
                self.exchange.read_body();
            }
        } else if buffer.filled().len() > before {
            if !self.is_in_head() {
                self.begun_after = Some(self.exchange.heads());
                self.waiting = None;
            }
            let this = &mut *self;
            let found = this.search.search(&buffer.filled()[before..]);
            this.exchange.read_head(found);
        } else if read.is_pending() && self.is_in_head() {
            let limit = self.limit;
            let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(limit)));
            std::task::ready!(waiting.as_mut().poll(context));
            if self.is_before_first_head() {
                self.refusal = Some(Refusal::SlowHead(limit));
            }
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        } else {
            self.waiting = None;
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Prompt<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_before_first_head() {
            self.keep_refusal(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.is_before_first_head() {
            self.keep_refusal(slices.first().map_or(&[], |slice| slice));
            return Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()));
        }
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.refusal.is_some() {
            // The refusal is sent first.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;

    fn pair(limit: Duration) -> (Prompt<DuplexStream>, DuplexStream) {
        let (ours, theirs) = duplex(64);
        (Prompt::new(ours, Arc::default(), limit), theirs)
    }

    #[tokio::test]
    async fn an_unfinished_head_times_out_and_an_idle_connection_does_not() {
        let (mut begun, mut theirs) = pair(Duration::from_millis(20));
        let (mut idle, mut later) = pair(Duration::ZERO);
        theirs.write_all(b"GET").await.unwrap();

        begun.read_exact(&mut [0; 3]).await.unwrap();
        let mut byte = [0];
        let error = tokio::select! {
            error = begun.read(&mut byte) => error.unwrap_err(),
            idle = idle.read_u8() => panic!("nothing was sent: {idle:?}"),
        };
        later.write_all(b"G").await.unwrap();

        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(idle.read_u8().await.unwrap(), b'G');
    }
}
