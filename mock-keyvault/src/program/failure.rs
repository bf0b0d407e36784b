//! Why the program ends with exit code 1.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

/// Why the program ends with exit code 1.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Start(#[from] mock_keyvault::StartError),
    #[error(transparent)]
    Repair(#[from] mock_keyvault::repair::RepairError),
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("not healthy: {0}")]
    NotHealthy(String),
    #[error("no vault runs with the data folder {}; start one, or name its folder with --data-dir", .0.display())]
    NotRunning(PathBuf),
    #[error("no data folder: the home folder of this user is not known; use --data-dir")]
    NoDataDir,
}

/// Prints an error, and returns the exit code.
pub(super) fn failed(error: &dyn std::error::Error) -> ExitCode {
    let _ = writeln!(io::stderr(), "mock-keyvault: {error}");
    ExitCode::FAILURE
}
