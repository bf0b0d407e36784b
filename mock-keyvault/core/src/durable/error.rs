//! The errors of the files of the journal.

use std::io;
use std::path::{Path, PathBuf};

/// The reason that a file of the journal was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// The file contains bytes that this program did not write there.
    #[error("{} is damaged at byte {offset}: {what}", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// The offset of the damaged frame.
        offset: u64,
        /// The kind of damage.
        what: FrameDamage,
    },
    /// The operating system returned an error, which names the file.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl FormatError {
    /// The error of a damaged frame of this file.
    pub fn damaged(file: &Path, offset: u64, what: FrameDamage) -> Self {
        Self::Damaged { file: file.to_owned(), offset, what }
    }
}

/// The kind of damage of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameDamage {
    /// The file ends within the frame.
    #[error("the file ends within a frame")]
    Cut,
    /// The frame does not begin with the magic of its kind.
    #[error("no frame begins here")]
    Magic,
    /// A later version of this program wrote the frame.
    #[error("a later version of this program wrote this file")]
    Version,
    /// The frame is longer than any that this program writes.
    #[error("the length of the frame is out of range")]
    Length,
    /// The authentication code does not match: the bytes were changed, or another key wrote them.
    #[error("the authentication code does not match")]
    Mac,
    /// The frame is authentic but does not continue the one before it.
    #[error("the record does not continue the one before it")]
    Chain,
    /// The frame is authentic, but its content is not valid.
    #[error("the content of the frame is not valid")]
    Content,
    /// The rows are not in ascending order.
    #[error("the rows are not in ascending order")]
    Order,
    /// The rows do not add up to the set sum.
    #[error("the rows do not add up to the set sum")]
    SetSum,
    /// Bytes follow the position where the file should end.
    #[error("bytes follow the end of the content")]
    Trailing,
    /// No file contains a generation that is needed.
    #[error("generation {0} is missing")]
    Missing(u64),
}
