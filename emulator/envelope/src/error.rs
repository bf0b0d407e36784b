//! What can go wrong when sealing and when opening.
//!
//! Every failed authentication is one opaque variant, [`OpenError::Damaged`]: whether a key was the wrong one, a tag did
//! not match or a file had another name is nothing that an attacker may learn from us. Structure that anybody can see
//! in the file without a key has variants of its own.

use std::io;

/// Why bytes could not be sealed. After any of them the [`Sealer`](super::Sealer) is of no use but to be dropped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The output refused the bytes. What it holds now is for [`Scanner`](super::Scanner) to say.
    #[error("the sealed file cannot be written")]
    Io(#[from] io::Error),
    /// The operating system gave no random bytes, without which nothing may be sealed.
    #[error("the operating system gives no random bytes")]
    Random,
    /// An earlier call on this sealer failed.
    #[error("an earlier write to this sealed file failed")]
    Poisoned,
    /// The data key is not the one that the run was begun with.
    #[error("another data key than the one this file was begun with")]
    WrongKey,
    /// The segment length is not a power of two between the two bounds.
    #[error("{0} is no length for a segment")]
    SegmentLen(u32),
    /// The identity is longer than [`MAX_IDENTITY_LEN`](super::MAX_IDENTITY_LEN).
    #[error("an identity of {0} bytes is too long")]
    IdentityLen(usize),
    /// The file was interrupted more than [`MAX_RUNS`](super::MAX_RUNS) times.
    #[error("the sealed file was interrupted too often")]
    TooManyRuns,
    /// The content is longer than one key may seal.
    #[error("the content is too long for one run")]
    TooLong,
}

/// Why sealed bytes could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The input could not be read. It says nothing about what is in it.
    #[error("the sealed file cannot be read")]
    Io(#[from] io::Error),
    /// The first bytes are not the magic of a sealed file, or there are not enough of them.
    #[error("this is not a sealed file")]
    NotSealed,
    /// A version of the format that this program does not know.
    #[error("version {0} of the sealed format is not supported")]
    UnsupportedVersion(u16),
    /// Bytes that nobody keeps secret do not follow the format. The words say which.
    #[error("malformed sealed data: {0}")]
    Malformed(&'static str),
    /// The segment asked for lies beyond the end. A mistake of the caller, not of the file.
    #[error("there is no segment {0}")]
    NoSuchSegment(u64),
    /// Something does not authenticate: changed content, another key, another place, another name. Deliberately opaque.
    #[error("the sealed data does not authenticate")]
    Damaged,
}

impl OpenError {
    /// Turns an end of input that came too early into [`OpenError::Damaged`]: a file that was cut is no I/O trouble.
    pub(super) fn from_read(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof { Self::Damaged } else { Self::Io(error) }
    }
}
