//! The errors of sealing and of opening.
//!
//! Every failed authentication is one opaque variant, [`OpenError::Damaged`]: an attacker must not learn from us whether
//! the key was wrong, a tag did not match or the file had another name. Structure that is visible
//! without a key has variants of its own.

use std::io;

/// The reasons why bytes could not be sealed. After an error the [`Sealer`](super::Sealer) can only be dropped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The output refused the bytes. A [`Scanner`](super::Scanner) finds out what it contains.
    #[error("the sealed file cannot be written")]
    Io(#[from] io::Error),
    /// The operating system gave no random bytes, which are required for sealing.
    #[error("the operating system gives no random bytes")]
    Random,
    /// An earlier call on this sealer failed.
    #[error("an earlier write to this sealed file failed")]
    Poisoned,
    /// The run was begun with a different data key.
    #[error("wrong data key for this file: it was begun with another one")]
    WrongKey,
    /// The segment length is not a power of two between the two bounds.
    #[error("invalid segment length {0}")]
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

/// The reasons why sealed bytes could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The input could not be read. This says nothing about its content.
    #[error("the sealed file cannot be read")]
    Io(#[from] io::Error),
    /// The first bytes are not the magic of a sealed file, or the input is too short.
    #[error("this is not a sealed file")]
    NotSealed,
    /// A version of the format that this program does not know.
    #[error("version {0} of the sealed format is not supported")]
    UnsupportedVersion(u16),
    /// Public bytes do not follow the format. The message names them.
    #[error("malformed sealed data: {0}")]
    Malformed(&'static str),
    /// The requested segment lies beyond the end. This is a mistake of the caller, not of the file.
    #[error("there is no segment {0}")]
    NoSuchSegment(u64),
    /// Something does not authenticate: changed content, another key, another place, another name. Deliberately opaque.
    #[error("the sealed data does not authenticate")]
    Damaged,
}

impl OpenError {
    /// Turns an early end of the input into [`OpenError::Damaged`]: a truncated file is not an I/O error.
    pub(super) fn from_read(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof { Self::Damaged } else { Self::Io(error) }
    }
}
