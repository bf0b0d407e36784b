//! The time that a body may take, whatever its handler does with it.
//!
//! Without a limit, a client that sends a byte now and then holds a connection for ever. A period
//! begins when the reader first waits for the client. Handlers of long bodies have stricter limits of their own, with their own messages.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

/// How many bytes must arrive in each period of [`PERIOD`], if the body does not end before.
const BYTES: usize = 64 << 10;

/// It is longer than the time for which handlers themselves wait for bytes, so that a client gets their messages.
pub(super) const PERIOD: Duration = Duration::from_mins(2);

/// How long the reader waits once more after a period. The period also runs while the reader does something else, such as waiting
/// for the disk; then bytes have arrived that were not read yet.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// Measures how fast a body arrives.
#[derive(Debug)]
pub(super) struct Pace {
    period: Duration,
    /// How many bytes arrived in this period.
    bytes: usize,
    /// Runs from the first time in the period that the reader had to wait.
    waiting: Option<Pin<Box<Sleep>>>,
    /// Whether the period is over and [`LAST_WAIT`] runs.
    is_over: bool,
}

/// A body arrived too slowly.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the body arrived too slowly: send at least {BYTES} bytes in {} s, or the whole body", .0.as_secs_f32())]
pub(super) struct TooSlow(Duration);

impl Pace {
    /// [`BYTES`] must arrive in each period.
    pub(super) fn new(period: Duration) -> Self {
        Self { period, bytes: 0, waiting: None, is_over: false }
    }

    /// Notes that bytes arrived.
    pub(super) fn arrived(&mut self, len: usize) {
        self.bytes = self.bytes.saturating_add(len);
        if self.bytes >= BYTES {
            (self.bytes, self.waiting, self.is_over) = (0, None, false);
        }
    }

    /// Waits until the period ends. To be polled while the reader waits for bytes.
    pub(super) fn poll_wait(&mut self, context: &mut Context<'_>) -> Poll<TooSlow> {
        let period = self.period;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(period)));
        if !self.is_over {
            std::task::ready!(waiting.as_mut().poll(context));
            self.is_over = true;
            *waiting = Box::pin(sleep(period.min(LAST_WAIT)));
        }
        waiting.as_mut().poll(context).map(|()| TooSlow(period))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[test]
    fn sixty_four_kibibytes_in_two_minutes_are_fast_enough() {
        assert_eq!((BYTES, PERIOD), (64 * 1024, Duration::from_mins(2)));
    }

    #[tokio::test]
    async fn a_few_bytes_do_not_begin_a_new_period_and_many_do() {
        let mut pace = Pace::new(Duration::from_hours(1));
        let first = poll_fn(|context| Poll::Ready(pace.poll_wait(context))).await;
        assert!(first.is_pending());

        pace.arrived(BYTES - 1);
        let is_old = pace.waiting.is_some();
        pace.arrived(1);

        assert!(is_old && pace.waiting.is_none());
    }

    #[tokio::test]
    async fn after_a_period_the_reader_waits_once_more_because_bytes_may_have_arrived_unread() {
        let mut over = Box::pin(sleep(Duration::ZERO));
        over.as_mut().await;
        let mut pace = Pace { waiting: Some(over), ..Pace::new(Duration::from_hours(1)) };

        let late = poll_fn(|context| Poll::Ready(pace.poll_wait(context))).await;

        assert!(late.is_pending() && pace.is_over);
        pace.arrived(BYTES);
        assert!(!pace.is_over && pace.waiting.is_none());
    }

    #[tokio::test]
    async fn a_period_that_ends_says_how_fast_to_send() {
        let mut pace = Pace::new(Duration::ZERO);

        let late = poll_fn(|context| pace.poll_wait(context)).await;

        assert!(late.to_string().contains("send at least 65536 bytes in 0 s"), "{late}");
    }
}
