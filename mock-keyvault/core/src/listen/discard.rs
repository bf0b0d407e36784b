//! Reads and discards the bytes that a client still sends after the answer.
//!
//! A server may answer before it has read the whole request: with 401, 404, 413, 429 or 503. If it then closed the
//! connection while bytes of the request are unread, the system would send a reset, and the client would lose the answer
//! (RFC 9112, section 9.6). So `connection.rs` discards the rest of the body and everything after it, until the client
//! closes the connection or one of these limits is reached.
//!
//! Nothing is buffered: a chunk is counted and dropped.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::sync::Semaphore;
use tokio::time::{Sleep, sleep, timeout};

/// How many bytes of one connection are discarded. It is more than the usual largest layer.
const MAX_BYTES: u64 = 1 << 30;

/// How long a connection may discard bytes in total. It is not longer than a shutdown waits for requests in progress.
const MAX_TIME: Duration = Duration::from_secs(10);

/// How long a client may send nothing.
const MAX_IDLE: Duration = Duration::from_secs(2);

/// How many connections of one listener may discard bytes at the same time.
const MAX_CONNECTIONS: usize = 64;

/// How much of a stream is read at once.
const BUFFER: usize = 64 << 10;

/// The limits of one listener. Clones share the permits.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    pub(super) bytes: u64,
    pub(super) time: Duration,
    pub(super) idle: Duration,
    /// One permit for each connection that may discard bytes at the same time.
    pub(super) places: Arc<Semaphore>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: MAX_BYTES,
            time: MAX_TIME,
            idle: MAX_IDLE,
            places: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
        }
    }
}

/// Discards bytes of one connection within the limits, which count from the first call.
#[derive(Debug)]
pub(super) struct Discard {
    limits: Limits,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Nothing was discarded so far.
    Unused,
    Begun(Budget),
    /// A limit was reached, and the connection must be closed.
    Spent,
}

#[derive(Debug)]
struct Budget {
    bytes: u64,
    deadline: Pin<Box<Sleep>>,
}

impl Discard {
    /// Makes one for a connection of the listener with these limits.
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, state: State::Unused }
    }

    /// Whether bytes were discarded and no limit was reached.
    pub(super) fn has_begun(&self) -> bool {
        matches!(self.state, State::Begun(_))
    }

    /// Whether a limit was reached.
    pub(super) fn is_spent(&self) -> bool {
        matches!(self.state, State::Spent)
    }

    /// Polls for the next piece until `poll_next` returns `None` or a limit is reached.
    pub(super) async fn all(
        &mut self,
        mut poll_next: impl FnMut(&mut Context<'_>) -> Poll<Option<usize>>,
    ) {
        // A client holds a permit only while it sends. After its body it may read a long answer as slowly as it likes.
        let Ok(_place) = self.limits.places.try_acquire() else {
            self.state = State::Spent;
            return;
        };
        if matches!(self.state, State::Unused) {
            self.state = State::Begun(Budget {
                bytes: self.limits.bytes,
                deadline: Box::pin(sleep(self.limits.time)),
            });
        }
        while let State::Begun(budget) = &mut self.state {
            // A source that always has something must not keep the timers from running.
            tokio::task::consume_budget().await;
            let next = timeout(self.limits.idle, poll_fn(&mut poll_next));
            let next = tokio::select! {
                biased;
                () = budget.deadline.as_mut() => None,
                next = next => next.ok(),
            };
            let left = match next {
                Some(None) => return,
                Some(Some(len)) => budget.bytes.checked_sub(len as u64),
                None => None,
            };
            match left {
                Some(left) => budget.bytes = left,
                None => self.state = State::Spent,
            }
        }
    }

    /// Closes the sending side of a stream, and discards what arrives until the peer closes the other side.
    pub(super) async fn linger<S: AsyncRead + AsyncWrite + Unpin>(&mut self, stream: &mut S) {
        // It does not matter if the peer is gone already or does not read the end of the stream.
        let _ = timeout(self.limits.idle, stream.shutdown()).await;
        let mut buffer = vec![0; BUFFER];
        self.all(|context| poll_read(stream, &mut buffer, context)).await;
    }
}

/// Whether a stream has unread bytes. It does not wait for any.
pub(super) async fn has_unread<S: AsyncRead + Unpin>(stream: &mut S) -> bool {
    let mut byte = [0];
    let mut read = pin!(poll_fn(|context| poll_read(stream, &mut byte, context)));
    poll_fn(|context| Poll::Ready(matches!(read.as_mut().poll(context), Poll::Ready(Some(_)))))
        .await
}

/// The length of the next piece of a stream; `None` at its end or after an error.
fn poll_read<S: AsyncRead + Unpin>(
    stream: &mut S,
    buffer: &mut [u8],
    context: &mut Context<'_>,
) -> Poll<Option<usize>> {
    let mut buffer = ReadBuf::new(buffer);
    let read = std::task::ready!(Pin::new(stream).poll_read(context, &mut buffer));
    Poll::Ready(read.ok().map(|()| buffer.filled().len()).filter(|len| *len > 0))
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    const LONG: Duration = Duration::from_hours(1);

    fn limits(bytes: u64, time: Duration, idle: Duration, places: usize) -> Limits {
        Limits { bytes, time, idle, places: Arc::new(Semaphore::new(places)) }
    }

    /// `count` pieces of `len` bytes, and then the end.
    fn pieces(count: usize, len: usize) -> impl FnMut(&mut Context<'_>) -> Poll<Option<usize>> {
        let mut left = count;
        move |_| {
            let is_over = left == 0;
            left = left.saturating_sub(1);
            Poll::Ready((!is_over).then_some(len))
        }
    }

    #[test]
    fn a_listener_discards_a_gibibyte_in_ten_seconds_from_64_clients_that_pause_two_seconds_at_most()
     {
        let limits = Limits::default();

        assert_eq!(limits.bytes, 1024 * 1024 * 1024);
        assert_eq!(limits.time, Duration::from_secs(10));
        assert_eq!(limits.idle, Duration::from_secs(2));
        assert_eq!(limits.places.available_permits(), 64);
    }

    #[tokio::test]
    async fn bytes_up_to_the_limit_are_discarded_to_the_end() {
        let mut discard = Discard::new(limits(100, LONG, LONG, 1));

        discard.all(pieces(10, 10)).await;

        assert!(discard.has_begun() && !discard.is_spent());
    }

    #[tokio::test]
    async fn a_byte_beyond_the_limit_ends_it_and_body_and_stream_share_the_limit() {
        let mut discard = Discard::new(limits(100, LONG, LONG, 1));

        discard.all(pieces(10, 10)).await;
        discard.all(pieces(1, 1)).await;

        assert!(discard.is_spent());
    }

    #[tokio::test]
    async fn a_client_that_never_stops_sending_is_closed_when_the_time_is_over() {
        let mut discard = Discard::new(limits(u64::MAX, Duration::from_millis(20), LONG, 1));

        discard
            .all(|context| {
                context.waker().wake_by_ref();
                Poll::Ready(Some(1))
            })
            .await;

        assert!(discard.is_spent());
    }

    #[tokio::test]
    async fn a_client_that_sends_nothing_is_closed_when_the_pause_is_too_long() {
        let mut discard = Discard::new(limits(100, LONG, Duration::from_millis(20), 1));

        discard.all(|_| Poll::Pending).await;

        assert!(discard.is_spent());
    }

    #[tokio::test]
    async fn a_connection_beyond_the_limit_of_connections_is_closed_at_once() {
        let limits = limits(100, LONG, LONG, 2);
        let mut sending: Vec<Discard> = (0..2).map(|_| Discard::new(limits.clone())).collect();
        let mut sending: Vec<_> =
            sending.iter_mut().map(|discard| Box::pin(discard.all(|_| Poll::Pending))).collect();
        for sending in &mut sending {
            assert!(futures::poll!(sending).is_pending());
        }
        let (mut closed, mut next) = (Discard::new(limits.clone()), Discard::new(limits));

        closed.all(pieces(1, 1)).await;
        drop(sending);
        next.all(pieces(1, 1)).await;

        assert!(closed.is_spent());
        assert!(!next.is_spent());
    }

    #[tokio::test]
    async fn a_client_whose_body_has_ended_does_not_count_against_the_limit() {
        let limits = limits(100, LONG, LONG, 1);
        let (mut ended, mut next) = (Discard::new(limits.clone()), Discard::new(limits));

        ended.all(pieces(1, 1)).await;
        next.all(pieces(1, 1)).await;

        assert!(!ended.is_spent() && !next.is_spent());
    }

    #[tokio::test]
    async fn a_peer_reads_the_end_of_the_answer_before_it_has_closed_its_own_side() {
        let (mut ours, mut theirs) = tokio::io::duplex(16);
        let mut discard = Discard::new(limits(1000, LONG, LONG, 1));
        let peer = tokio::spawn(async move {
            let mut answer = Vec::new();
            theirs.read_to_end(&mut answer).await.unwrap();
            theirs.write_all(&[0; 500]).await.unwrap();
        });

        assert!(!has_unread(&mut ours).await);
        discard.linger(&mut ours).await;

        peer.await.unwrap();
        assert!(!discard.is_spent());
    }
}
