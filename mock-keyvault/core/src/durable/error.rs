//! What a file of the journal can have wrong with it.

use std::io;
use std::path::{Path, PathBuf};

/// Why a file of the journal was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// The file holds bytes that this program did not write there.
    #[error("{} is damaged at byte {offset}: {what}", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// Where the damaged frame begins.
        offset: u64,
        /// What is wrong there.
        what: What,
    },
    /// The operating system refused. The error names the file.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl FormatError {
    /// The error of a damaged frame of this file.
    pub fn damaged(file: &Path, offset: u64, what: What) -> Self {
        Self::Damaged { file: file.to_owned(), offset, what }
    }
}

/// What is wrong with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum What {
    /// The file ends within the frame.
    #[error("the file ends within a frame")]
    Cut,
    /// The frame begins with other bytes than its kind does.
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
    /// The frame is authentic but its content has no meaning.
    #[error("the content of the frame has no meaning to this program")]
    Content,
    /// The rows are not in ascending order.
    #[error("the rows are not in ascending order")]
    Order,
    /// The rows are not the ones that the set sum was taken over.
    #[error("the rows do not add up to the set sum")]
    SetSum,
    /// Bytes follow where the file should end.
    #[error("bytes follow the end of the content")]
    Trailing,
    /// A generation that is needed is in none of the files.
    #[error("generation {0} is missing")]
    Missing(u64),
}
