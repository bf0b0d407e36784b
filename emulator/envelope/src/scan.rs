//! Reads an unfinished file again after a restart.
//!
//! A [`Scanner`] goes through the file once, authenticates segment after segment, and stops at the first place that does
//! not authenticate: a half-written segment, garbage after it, or the short last segment and the trailer of a file that was
//! finished but never published. The part before that place is the content of the file; the caller hashes it again, truncates
//! the file there and resumes.
//!
//! At each place it tries at most two things, the next segment of the run and the head of another run, and the first
//! place where both fail is the end. So the time is linear in the length of the file, for any content.

use std::fmt;

use super::cipher::TAG_LEN;
use super::header::{HEADER_LEN, Header};
use super::kdf::{Binding, FileContext, RunPlace};
use super::message_key::Commitment;
use super::nonce::Nonce;
use super::random::{SALT_LEN, Salt};
use super::range::ReadRange;
use super::runs::{MAX_RUNS, RUN_HEAD_LEN, Run};
use super::{DataKey, OpenError};

/// Reads the intact part of an unfinished file. See the module's description.
pub struct Scanner<R: ReadRange> {
    input: R,
    context: FileContext,
    runs: Vec<Run>,
    current: Option<ScannedRun>,
    plaintext_len: u64,
    file_len: u64,
    ended: bool,
}

/// The result of a scan, with all data that continues the file with
/// [`Sealer::resume`](super::Sealer::resume).
#[must_use]
pub struct Recovered {
    pub(super) context: FileContext,
    pub(super) runs: Vec<Run>,
    pub(super) plaintext_len: u64,
    pub(super) file_len: u64,
}

/// The run that the scanner is in.
struct ScannedRun {
    salt: Salt,
    commitment: Commitment,
    place: RunPlace,
}

impl<R: ReadRange> Scanner<R> {
    /// Begins at the front of `input`, whose header must be of the kind that `binding` expects.
    pub fn new(mut input: R, binding: Binding) -> Result<Self, OpenError> {
        let header = Header::of_file(&mut input)?;
        if header.kind() != binding.kind {
            return Err(OpenError::Damaged);
        }
        Ok(Self {
            input,
            context: FileContext::new(header, binding),
            runs: Vec::new(),
            current: None,
            plaintext_len: 0,
            file_len: HEADER_LEN as u64,
            ended: false,
        })
    }

    /// The header, which names the data key.
    pub fn header(&self) -> Header {
        self.context.header
    }

    /// Replaces `segment` by the plaintext of the next segment. Returns `false` if no further segment authenticates.
    ///
    /// An error of the input is an error, not an end: the same call can be repeated.
    pub fn next(&mut self, key: &DataKey, segment: &mut Vec<u8>) -> Result<bool, OpenError> {
        segment.clear();
        if self.ended {
            return Ok(false);
        }
        let sealed_len = self.context.header.segment_len() as usize + TAG_LEN;
        self.input.read_range(self.file_len, sealed_len, segment)?;
        if segment.len() == sealed_len {
            if self.continues_run(key, segment) {
                self.advance(sealed_len);
                return Ok(true);
            }
            if let Some(run) = self.begins_run(key, segment, sealed_len)? {
                self.runs.push(Run { salt: run.salt, segments: 0 });
                self.current = Some(run);
                self.advance(RUN_HEAD_LEN + sealed_len);
                return Ok(true);
            }
        }
        segment.clear();
        self.ended = true;
        Ok(false)
    }

    /// The result of the scan so far. Usually called after [`next`](Self::next) returned `false`; before that, the rest is lost.
    pub fn finish(self) -> Recovered {
        Recovered {
            context: self.context,
            runs: self.runs,
            plaintext_len: self.plaintext_len,
            file_len: self.file_len,
        }
    }

    #[cfg(test)]
    pub(super) fn input_mut(&mut self) -> &mut R {
        &mut self.input
    }

    /// Opens the bytes as the next segment of the current run. Leaves them unchanged if they are not.
    fn continues_run(&self, key: &DataKey, sealed: &mut Vec<u8>) -> bool {
        let (Some(current), Some(run)) = (&self.current, self.runs.last()) else { return false };
        let Some(nonce) = Nonce::of_segment(run.segments) else { return false };
        let derivation = self.context.run(key, &current.salt, current.place);
        derivation.open(&current.commitment, &nonce, &[], sealed).is_ok()
    }

    /// Opens the bytes as the head of a new run and, with the bytes after them, its first segment.
    fn begins_run(
        &mut self,
        key: &DataKey,
        sealed: &mut Vec<u8>,
        sealed_len: usize,
    ) -> Result<Option<ScannedRun>, OpenError> {
        if MAX_RUNS <= self.runs.len() {
            return Ok(None);
        }
        let Some((salt, rest)) = sealed.split_first_chunk::<SALT_LEN>() else { return Ok(None) };
        let Some((commitment, _)) = rest.split_first_chunk() else { return Ok(None) };
        let (salt, commitment) = (Salt(*salt), *commitment);
        let previous = self.runs.last().map_or(Salt::NONE, |run| run.salt);
        let place = RunPlace { start: self.plaintext_len, previous };
        let run_key = self.context.run(key, &salt, place).key();
        let Some(nonce) = Nonce::of_segment(0) else { return Ok(None) };
        if !run_key.commits_to(&commitment) {
            return Ok(None);
        }
        // The head was read in place of the segment: remove it and read the rest.
        sealed.drain(..RUN_HEAD_LEN);
        self.input.read_range(self.file_len + sealed_len as u64, RUN_HEAD_LEN, sealed)?;
        let whole = sealed.len() == sealed_len && run_key.open(&nonce, &[], sealed).is_ok();
        Ok(whole.then_some(ScannedRun { salt, commitment, place }))
    }

    /// Counts a full segment that took this many bytes of the file.
    fn advance(&mut self, file_bytes: usize) {
        self.file_len += file_bytes as u64;
        self.plaintext_len += u64::from(self.context.header.segment_len());
        if let Some(run) = self.runs.last_mut() {
            run.segments += 1;
        }
    }
}

impl<R: ReadRange> fmt::Debug for Scanner<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scanner")
            .field("header", &self.context.header)
            .field("plaintext_len", &self.plaintext_len)
            .field("file_len", &self.file_len)
            .finish_non_exhaustive()
    }
}

impl Recovered {
    /// The length to truncate the file to: everything before it is intact.
    pub fn file_len(&self) -> u64 {
        self.file_len
    }

    /// How many bytes of content are intact. The upload continues from here.
    pub fn plaintext_len(&self) -> u64 {
        self.plaintext_len
    }

    /// The header of the file.
    pub fn header(&self) -> Header {
        self.context.header
    }
}

impl fmt::Debug for Recovered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recovered")
            .field("header", &self.context.header)
            .field("plaintext_len", &self.plaintext_len)
            .field("file_len", &self.file_len)
            .finish_non_exhaustive()
    }
}
