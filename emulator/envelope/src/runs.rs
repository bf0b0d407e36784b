//! The runs of a file: how many segments each holds, and the offsets of segments.
//!
//! A run is the sequence of segments that were sealed under one salt without an interruption. All segments but the last of
//! the file are full, so the offsets follow from the run list in the trailer. All sums are checked: the numbers come
//! from a file.

use super::cipher::TAG_LEN;
use super::kdf::RunPlace;
use super::message_key::COMMITMENT_LEN;
use super::nonce::MAX_SEGMENTS_PER_RUN;
use super::random::{SALT_LEN, Salt};
use super::{HEADER_LEN, OpenError};

/// How many runs a file may have: each interruption of an upload adds one.
pub const MAX_RUNS: usize = 1 << 14;

/// The length of the head of a run: salt and commitment.
pub(super) const RUN_HEAD_LEN: usize = SALT_LEN + COMMITMENT_LEN;

/// One run, as the trailer lists it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Run {
    pub(super) salt: Salt,
    /// How many segments it holds, at least one.
    pub(super) segments: u64,
}

/// The offsets of all parts of a finished file.
pub(super) struct Layout {
    runs: Vec<PlacedRun>,
    segment_len: u64,
    segments: u64,
    plaintext_len: u64,
    /// The offset at which the last segment ends and the trailer begins.
    end: u64,
}

/// A run and its place.
pub(super) struct PlacedRun {
    pub(super) salt: Salt,
    pub(super) place: RunPlace,
    /// The offset of its salt in the file.
    pub(super) offset: u64,
    /// The number of its first segment in the file.
    first: u64,
}

/// The place of one segment.
pub(super) struct SegmentPlace {
    /// The number of its run.
    pub(super) run: usize,
    /// Its number within the run.
    pub(super) index_in_run: u64,
    /// Its offset in the file.
    pub(super) offset: u64,
    /// Its length in the file, tag included.
    pub(super) sealed_len: usize,
}

impl Layout {
    /// Computes the layout of these runs. Fails for lists that no writer makes.
    pub(super) fn new(
        runs: &[Run],
        segment_len: u32,
        plaintext_len: u64,
    ) -> Result<Self, OpenError> {
        const IMPOSSIBLE: OpenError = OpenError::Malformed("impossible run list");
        let segment_len = u64::from(segment_len);
        let mut placed = Vec::with_capacity(runs.len());
        let mut first = 0_u64;
        let mut offset = HEADER_LEN as u64;
        let mut previous = Salt::NONE;
        for run in runs {
            if run.segments == 0 || MAX_SEGMENTS_PER_RUN < run.segments {
                return Err(IMPOSSIBLE);
            }
            let start = first.checked_mul(segment_len).ok_or(IMPOSSIBLE)?;
            let place = RunPlace { start, previous };
            placed.push(PlacedRun { salt: run.salt, place, offset, first });
            let len = run.segments * (segment_len + TAG_LEN as u64) + RUN_HEAD_LEN as u64;
            offset = offset.checked_add(len).ok_or(IMPOSSIBLE)?;
            first = first.checked_add(run.segments).ok_or(IMPOSSIBLE)?;
            previous = run.salt;
        }
        if first != plaintext_len.div_ceil(segment_len) {
            return Err(IMPOSSIBLE);
        }
        // All segments were counted as full; the last one may be short.
        let capacity = first.checked_mul(segment_len).ok_or(IMPOSSIBLE)?;
        let end = offset - (capacity - plaintext_len);
        Ok(Self { runs: placed, segment_len, segments: first, plaintext_len, end })
    }

    pub(super) fn plaintext_len(&self) -> u64 {
        self.plaintext_len
    }

    pub(super) fn segments(&self) -> u64 {
        self.segments
    }

    pub(super) fn end(&self) -> u64 {
        self.end
    }

    pub(super) fn run(&self, number: usize) -> Option<&PlacedRun> {
        self.runs.get(number)
    }

    /// The place of the segment with this number, if there is one.
    pub(super) fn segment(&self, index: u64) -> Option<SegmentPlace> {
        if self.segments <= index {
            return None;
        }
        let run = self.runs.partition_point(|run| run.first <= index).checked_sub(1)?;
        let placed = self.runs.get(run)?;
        let index_in_run = index - placed.first;
        let sealed_len = self.segment_len + TAG_LEN as u64;
        let offset = placed.offset + RUN_HEAD_LEN as u64 + index_in_run * sealed_len;
        let plain_len = (self.plaintext_len - index * self.segment_len).min(self.segment_len);
        let sealed_len = usize::try_from(plain_len).ok()? + TAG_LEN;
        Some(SegmentPlace { run, index_in_run, offset, sealed_len })
    }
}
