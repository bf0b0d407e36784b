//! Errors of writes that mean that no space is left, or that nothing can be written.

use std::io;

/// Whether an error means that there is no space: ours and the operating system's have the same kinds.
pub fn is_out_of_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Whether an error means that nothing can be written: because a failed sync or damage made the rows read-only, or because
/// the file system is read-only.
pub fn is_read_only(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ReadOnlyFilesystem
}
