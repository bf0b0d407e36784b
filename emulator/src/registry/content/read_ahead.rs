//! The opened segments that the connection has not taken yet: the rules, without threads, files and keys.
//!
//! The reader asks for the next position ([`ReadAhead::wanted`]) and adds opened segments ([`ReadAhead::push`]). The
//! connection takes them in order ([`ReadAhead::take`]). When the lease ends, [`ReadAhead::forget`] drops the
//! plaintext, and the reader continues at the first byte that the connection has not taken: so no byte is missing or
//! repeated.
//!
//! Invariant: the queue holds exactly the bytes from `taken` to `opened`.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;

use crate::registry::error::Error;

/// The maximum number of opened segments that wait for the connection.
pub(in crate::registry) const READ_AHEAD: usize = 3;

/// The opened part of a range.
#[derive(Debug)]
pub(in crate::registry) struct ReadAhead {
    queue: VecDeque<Bytes>,
    /// The first byte that the connection has not taken.
    taken: u64,
    /// The first byte after the queue.
    opened: u64,
    /// The end of the range.
    end: u64,
    /// Whether the reader has ended.
    is_stopped: bool,
    /// The error, until the connection gets it.
    why: Option<Error>,
}

/// The reader's next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::registry) enum Wanted {
    /// Open the segment that holds this byte.
    At(u64),
    /// Wait: enough is open.
    Later,
    /// End: the connection has taken everything.
    Nothing,
}

/// The connection's next result.
#[derive(Debug)]
pub(in crate::registry) enum Taken {
    /// The next bytes.
    Bytes(Bytes),
    /// Nothing yet.
    Later,
    /// The stream breaks.
    Broken(Error),
    /// The connection has taken the whole range.
    End,
}

impl ReadAhead {
    pub(in crate::registry) fn new(range: &Range<u64>) -> Self {
        Self {
            queue: VecDeque::new(),
            taken: range.start,
            opened: range.start,
            end: range.end.max(range.start),
            is_stopped: false,
            why: None,
        }
    }

    /// The number of segments that are open and not taken.
    #[cfg(test)]
    pub(in crate::registry) fn len(&self) -> usize {
        self.queue.len()
    }

    /// The reader's next step.
    pub(in crate::registry) fn wanted(&self) -> Wanted {
        if self.taken == self.end {
            Wanted::Nothing
        } else if self.opened == self.end || self.queue.len() >= READ_AHEAD {
            Wanted::Later
        } else {
            Wanted::At(self.opened)
        }
    }

    /// Adds the bytes that the reader opened from `start` on. If the queue was dropped meanwhile and continues
    /// elsewhere, these bytes are dropped as well.
    pub(in crate::registry) fn push(&mut self, start: u64, bytes: Bytes) {
        let end = start.saturating_add(bytes.len() as u64);
        if start == self.opened && end <= self.end && !self.is_stopped {
            self.opened = end;
            self.queue.push_back(bytes);
        }
    }

    /// Returns the next bytes. Without a live lease it returns none and drops the queue.
    pub(in crate::registry) fn take(&mut self, is_alive: bool) -> Taken {
        if self.taken == self.end {
            return Taken::End;
        }
        if !is_alive {
            self.forget();
        }
        match (self.queue.pop_front(), self.is_stopped) {
            (Some(bytes), _) => {
                self.taken += bytes.len() as u64;
                Taken::Bytes(bytes)
            }
            (None, false) => Taken::Later,
            (None, true) => {
                let unknown = || Error::internal("the reader of a stream ended before its range");
                Taken::Broken(self.why.take().unwrap_or_else(unknown))
            }
        }
    }

    /// Drops the plaintext: the lease has ended.
    pub(in crate::registry) fn forget(&mut self) {
        self.queue.clear();
        self.opened = self.taken;
    }

    /// Ends the reader. The connection gets the open segments, and then the error if the range is incomplete.
    pub(in crate::registry) fn stop(&mut self, why: Option<Error>) {
        if !self.is_stopped {
            self.is_stopped = true;
            self.why = why;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SEGMENT: u64 = 10;

    /// The events of a stream, in any order.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        /// The reader asks for the next position and begins to open that segment.
        Begin,
        /// The reader has opened it. The lease may have ended meanwhile.
        Bring,
        /// The connection takes the next bytes.
        Take,
        /// The lease ends.
        End,
        /// The vault has answered.
        Renew,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            3 => Just(Step::Begin),
            3 => Just(Step::Bring),
            3 => Just(Step::Take),
            1 => Just(Step::End),
            2 => Just(Step::Renew),
        ];
        prop::collection::vec(step, 0..200)
    }

    fn content(range: Range<u64>) -> Bytes {
        range.map(|at| u8::try_from(at % 251).unwrap()).collect()
    }

    /// The bytes that a reader opens at a position: the rest of the segment, within the range.
    fn opened(at: u64, end: u64) -> Bytes {
        content(at..((at / SEGMENT + 1) * SEGMENT).min(end))
    }

    proptest! {
        #[test]
        fn the_connection_gets_each_byte_once_and_in_order_whenever_leases_end(
            start in 0_u64..60, len in 0_u64..60, steps in steps(),
        ) {
            let end = start + len;
            let mut ahead = ReadAhead::new(&(start..end));
            let (mut alive, mut begun, mut received) = (true, None, Vec::new());
            // After all events, the vault answers and both sides continue to the end.
            let rest = [Step::Renew, Step::Begin, Step::Bring, Step::Take];
            let rest = rest.into_iter().cycle().take(4 * 20);
            for step in steps.into_iter().chain(rest) {
                match step {
                    Step::Begin if alive && begun.is_none() => {
                        if let Wanted::At(at) = ahead.wanted() {
                            begun = Some((at, opened(at, end)));
                        }
                    }
                    Step::Bring => {
                        if let Some((at, bytes)) = begun.take().filter(|_| alive) {
                            ahead.push(at, bytes);
                        }
                    }
                    Step::Take => match ahead.take(alive) {
                        Taken::Bytes(bytes) => {
                            prop_assert!(alive, "bytes without a lease");
                            received.extend_from_slice(&bytes);
                        }
                        Taken::Later => (),
                        Taken::End => prop_assert_eq!(received.len() as u64, len),
                        Taken::Broken(error) => panic!("{error}"),
                    },
                    Step::End => {
                        alive = false;
                        ahead.forget();
                    }
                    Step::Renew => alive = true,
                    Step::Begin => (),
                }
                prop_assert!(ahead.queue.len() <= READ_AHEAD);
                prop_assert!(alive || ahead.queue.is_empty(), "plaintext without a lease");
            }
            prop_assert_eq!(&received[..], &content(start..end)[..]);
            prop_assert_eq!(ahead.wanted(), Wanted::Nothing);
            prop_assert!(matches!(ahead.take(alive), Taken::End));
        }

        #[test]
        fn a_reader_that_stops_before_the_end_breaks_the_stream_and_never_ends_it(
            len in 1_u64..60, brought in 0_usize..6, alive: bool,
        ) {
            let mut ahead = ReadAhead::new(&(0..len));
            for _ in 0..brought {
                if let Wanted::At(at) = ahead.wanted() {
                    ahead.push(at, opened(at, len));
                }
            }
            let is_whole = alive && ahead.opened == len;

            ahead.stop(None);

            let last = loop {
                match ahead.take(alive) {
                    Taken::Bytes(_) => (),
                    other => break other,
                }
            };
            prop_assert_eq!(matches!(last, Taken::End), is_whole);
            prop_assert_eq!(matches!(last, Taken::Broken(_)), !is_whole);
        }
    }

    #[test]
    fn a_segment_opened_before_the_lease_ended_is_not_used_elsewhere() {
        let mut ahead = ReadAhead::new(&(0..100));
        ahead.push(0, opened(0, 100));
        ahead.push(10, opened(10, 100));
        assert!(matches!(ahead.take(true), Taken::Bytes(_)));

        ahead.forget();
        ahead.push(20, opened(20, 100));

        assert_eq!(ahead.wanted(), Wanted::At(10));
        assert!(matches!(ahead.take(true), Taken::Later));
    }
}
