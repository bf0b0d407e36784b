//! Writes a sealed file from front to back.
//!
//! While a file is open, only full segments are sealed and written; content that does not fill a segment waits in memory. So
//! a segment is never sealed twice with different content, and a counter of a run is never issued twice: a writer that
//! continues a file, after a restart or after an error, begins a new run with a new salt.
//!
//! A [`Sealer`] does not sync, does not compute digests and does not know whether its output is a file.

use std::fmt;
use std::io::Write;

use super::header::{HEADER_LEN, Header};
use super::kdf::{Binding, FileContext, RunPlace};
use super::message_key::{Commitment, MessageKey};
use super::nonce::Counter;
use super::random::{Salt, Salts};
use super::runs::{MAX_RUNS, Run};
use super::scan::Recovered;
use super::tail::Tail;
use super::trailer::{MAX_IDENTITY_LEN, Trailer};
use super::{DataKey, DataKeyId, SealError};

/// Writes a sealed file. It MUST end in [`Sealer::finish`]: without the trailer, no [`Opener`](super::Opener) opens it.
///
/// The caller passes the data key to each call, so that it can borrow the key for only that long. After an error the sealer
/// refuses everything; drop it and, to keep the file, scan it and [`resume`](Sealer::resume).
#[must_use]
pub struct Sealer<W: Write> {
    out: W,
    context: FileContext,
    salts: Salts,
    runs: Vec<Run>,
    current: Option<CurrentRun>,
    tail: Tail,
    sealed_len: u64,
    file_len: u64,
    poisoned: bool,
}

/// The lengths of a finished file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FinishedSeal {
    /// How many bytes of content it holds.
    pub plaintext_len: u64,
    /// How many bytes the whole file has.
    pub file_len: u64,
}

/// The run that segments go into. It ends with the sealer.
struct CurrentRun {
    salt: Salt,
    place: RunPlace,
    commitment: Commitment,
    counter: Counter,
}

impl<W: Write> Sealer<W> {
    /// Begins a file: writes its header. `segment_len` is usually [`SEGMENT_LEN`](super::SEGMENT_LEN).
    pub fn create(
        out: W,
        data_key: DataKeyId,
        binding: Binding,
        segment_len: u32,
    ) -> Result<Self, SealError> {
        Self::create_with(out, data_key, binding, segment_len, Salts::System)
    }

    pub(super) fn create_with(
        mut out: W,
        data_key: DataKeyId,
        binding: Binding,
        segment_len: u32,
        salts: Salts,
    ) -> Result<Self, SealError> {
        let header = Header::new(data_key, segment_len, binding.kind)?;
        out.write_all(&header.to_bytes())?;
        Ok(Self {
            out,
            context: FileContext::new(header, binding),
            salts,
            runs: Vec::new(),
            current: None,
            tail: Tail::new(segment_len),
            sealed_len: 0,
            file_len: HEADER_LEN as u64,
            poisoned: false,
        })
    }

    /// Continues a file that a [`Scanner`](super::Scanner) read. `out` must be truncated to
    /// [`Recovered::file_len`] and positioned at its end. New content goes into a new run.
    pub fn resume(out: W, recovered: Recovered) -> Self {
        Self::resume_with(out, recovered, Salts::System)
    }

    pub(super) fn resume_with(out: W, recovered: Recovered, salts: Salts) -> Self {
        let Recovered { context, runs, plaintext_len, file_len } = recovered;
        let tail = Tail::new(context.header.segment_len());
        Self {
            out,
            context,
            salts,
            runs,
            current: None,
            tail,
            sealed_len: plaintext_len,
            file_len,
            poisoned: false,
        }
    }

    /// Adds content. Every segment that it fills is sealed and written; the rest waits in memory.
    pub fn append(&mut self, key: &DataKey, mut bytes: &[u8]) -> Result<(), SealError> {
        self.poison()?;
        let segment_len = self.context.header.segment_len() as usize;
        // Derived when the first segment is full, shared by all segments of this call, dropped at its end.
        let mut run_key = None;
        while !bytes.is_empty() {
            if self.tail.is_empty()
                && let Some((segment, rest)) = bytes.split_at_checked(segment_len)
            {
                self.seal_segment(key, &mut run_key, Some(segment))?;
                bytes = rest;
            } else {
                bytes = self.tail.push(bytes);
                if self.tail.is_full() {
                    self.seal_segment(key, &mut run_key, None)?;
                }
            }
        }
        self.poisoned = false;
        Ok(())
    }

    /// Ends the file: seals the last segment, if it is not full, and the trailer, which binds `identity` (the digest of
    /// the content, at most [`MAX_IDENTITY_LEN`] bytes). Flushes, and returns the output; the caller must sync it.
    #[must_use = "the output must be synced"]
    pub fn finish(mut self, key: &DataKey, identity: &str) -> Result<(W, FinishedSeal), SealError> {
        self.poison()?;
        if MAX_IDENTITY_LEN < identity.len() {
            return Err(SealError::IdentityLen(identity.len()));
        }
        if !self.tail.is_empty() {
            self.seal_segment(key, &mut None, None)?;
        }
        let salt = self.salts.draw()?;
        let identity = identity.to_owned();
        let trailer = Trailer { plaintext_len: self.sealed_len, identity, runs: self.runs };
        let sealed = trailer.seal(&self.context, key, &salt)?;
        self.out.write_all(&sealed)?;
        self.out.flush()?;
        let file_len = self.file_len + sealed.len() as u64;
        Ok((self.out, FinishedSeal { plaintext_len: self.sealed_len, file_len }))
    }

    pub(super) fn flush_output(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }

    /// How many bytes of content were accepted, including those that wait in memory.
    #[expect(clippy::len_without_is_empty, reason = "a length of content, not a collection")]
    pub fn len(&self) -> u64 {
        self.sealed_len + self.tail.len() as u64
    }

    /// How many bytes of content are in written segments.
    pub fn sealed_len(&self) -> u64 {
        self.sealed_len
    }

    /// The content after the last full segment, which waits in memory: plaintext, for one more hash of it.
    pub fn tail(&self) -> &[u8] {
        self.tail.plaintext()
    }

    /// How many bytes were written.
    pub fn file_len(&self) -> u64 {
        self.file_len
    }

    /// The data key that this file is sealed under.
    pub fn data_key(&self) -> DataKeyId {
        self.context.header.data_key()
    }

    /// Fails if an earlier call failed, and marks this call as failed until it clears the mark.
    fn poison(&mut self) -> Result<(), SealError> {
        if std::mem::replace(&mut self.poisoned, true) {
            return Err(SealError::Poisoned);
        }
        Ok(())
    }

    /// Seals `segment`, or else the content of the tail, and writes it with the head of the run if it is the first.
    fn seal_segment(
        &mut self,
        key: &DataKey,
        run_key: &mut Option<MessageKey>,
        segment: Option<&[u8]>,
    ) -> Result<(), SealError> {
        let run_key = match run_key {
            Some(run_key) => run_key,
            None => run_key.insert(self.run_key(key)?),
        };
        let Some(current) = &mut self.current else { return Err(SealError::Poisoned) };
        let first = current.counter.given() == 0;
        let head = first.then_some(&current.salt);
        let nonce = current.counter.next().ok_or(SealError::TooLong)?;
        let len = segment.map_or(self.tail.len(), <[u8]>::len) as u64;
        let sealed_len = self.sealed_len.checked_add(len).ok_or(SealError::TooLong)?;
        let sealed = match segment {
            Some(segment) => self.tail.seal_from(segment, run_key, &nonce, head),
            None => self.tail.seal(run_key, &nonce, head),
        }
        .map_err(|_| SealError::TooLong)?;
        self.out.write_all(sealed)?;
        self.file_len += sealed.len() as u64;
        self.sealed_len = sealed_len;
        match self.runs.last_mut() {
            Some(run) if !first => run.segments += 1,
            _ => self.runs.push(Run { salt: current.salt, segments: 1 }),
        }
        Ok(())
    }

    /// The key of the current run. Begins a run if there is none.
    fn run_key(&mut self, key: &DataKey) -> Result<MessageKey, SealError> {
        if let Some(current) = &self.current {
            let run_key = self.context.run(key, &current.salt, current.place).key();
            // A run under two keys would be lost. The commitment reveals it in time.
            return if run_key.commits_to(&current.commitment) {
                Ok(run_key)
            } else {
                Err(SealError::WrongKey)
            };
        }
        if MAX_RUNS <= self.runs.len() {
            return Err(SealError::TooManyRuns);
        }
        let salt = self.salts.draw()?;
        let previous = self.runs.last().map_or(Salt::NONE, |run| run.salt);
        let place = RunPlace { start: self.sealed_len, previous };
        let run_key = self.context.run(key, &salt, place).key();
        let commitment = *run_key.commitment();
        self.current = Some(CurrentRun { salt, place, commitment, counter: Counter::of_new_run() });
        Ok(run_key)
    }
}

impl<W: Write> fmt::Debug for Sealer<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer")
            .field("header", &self.context.header)
            .field("sealed_len", &self.sealed_len)
            .field("file_len", &self.file_len)
            .field("poisoned", &self.poisoned)
            .finish_non_exhaustive()
    }
}
