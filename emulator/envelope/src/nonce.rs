//! Makes nonces, and is the only code that does.
//!
//! A nonce is an 11-byte big-endian counter and a byte for the type of the message, as in the STREAM construction
//! (Hoang, Reyhanitabar, Rogaway, Vizár, "Online Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance", 2015)
//! and in age. The writer gets its nonces only from a [`Counter`], which cannot be cloned, set or turned back; a reader,
//! which may ask for the same place many times, names the place with [`Nonce::of_segment`].

/// The length of a nonce.
pub(super) const NONCE_LEN: usize = 12;

/// How many segments one run key may seal. At 256 KiB that is a petabyte.
pub(super) const MAX_SEGMENTS_PER_RUN: u64 = 1 << 32;

/// The type of the message: the last byte of a nonce.
#[repr(u8)]
enum Sealed {
    Segment = 0,
    Trailer = 1,
    Value = 2,
}

/// The nonce of one message under one derived key.
pub(super) struct Nonce([u8; NONCE_LEN]);

impl Nonce {
    /// The nonce of the trailer, which is the only message under its key.
    pub(super) const TRAILER: Self = Self::new(0, Sealed::Trailer);

    /// The nonce of a short value, which is the only message under its key.
    pub(super) const VALUE: Self = Self::new(0, Sealed::Value);

    /// The nonce of the segment at this place in its run, for reading. `None` if no run is that long.
    pub(super) fn of_segment(place: u64) -> Option<Self> {
        (place < MAX_SEGMENTS_PER_RUN).then(|| Self::new(place, Sealed::Segment))
    }

    pub(super) fn as_bytes(&self) -> &[u8; NONCE_LEN] {
        &self.0
    }

    const fn new(counter: u64, sealed: Sealed) -> Self {
        let [c0, c1, c2, c3, c4, c5, c6, c7] = counter.to_be_bytes();
        Self([0, 0, 0, c0, c1, c2, c3, c4, c5, c6, c7, sealed as u8])
    }
}

/// Issues the nonces of one run, each once.
pub(super) struct Counter {
    next: u64,
}

impl Counter {
    /// A counter for a run whose salt was just drawn.
    pub(super) fn of_new_run() -> Self {
        Self { next: 0 }
    }

    /// How many nonces were issued.
    pub(super) fn given(&self) -> u64 {
        self.next
    }

    /// The next nonce. It counts as used even if the caller does not use it. `None` if the run is full.
    pub(super) fn next(&mut self) -> Option<Nonce> {
        let nonce = Nonce::of_segment(self.next)?;
        self.next += 1;
        Some(nonce)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_gives_each_nonce_once_and_in_order() {
        let mut counter = Counter::of_new_run();

        let first = counter.next().unwrap();
        let second = counter.next().unwrap();

        assert_eq!(first.as_bytes(), &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(second.as_bytes(), &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
        assert_eq!(counter.given(), 2);
    }

    #[test]
    fn a_full_run_gives_no_nonce_and_does_not_wrap() {
        let mut counter = Counter { next: MAX_SEGMENTS_PER_RUN - 1 };

        assert!(counter.next().is_some());
        assert!(counter.next().is_none());
        assert!(counter.next().is_none());
    }

    #[test]
    fn kinds_never_share_a_nonce() {
        let segment = Nonce::of_segment(0).unwrap();

        assert_ne!(segment.as_bytes(), Nonce::TRAILER.as_bytes());
        assert_ne!(segment.as_bytes(), Nonce::VALUE.as_bytes());
        assert_ne!(Nonce::TRAILER.as_bytes(), Nonce::VALUE.as_bytes());
    }
}
