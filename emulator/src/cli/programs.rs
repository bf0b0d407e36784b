//! Finds programs in PATH.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use fs_err as fs;

/// A program in PATH.
pub(super) fn in_path(name: &str) -> Option<PathBuf> {
    let is_program = |path: &PathBuf| {
        fs::metadata(path)
            .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(is_program)
}
