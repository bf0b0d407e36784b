//! The exit codes.

use std::process::ExitCode;

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// It succeeded.
    Success,
    /// It failed, or found a problem.
    Failed,
    /// The command line is wrong.
    Usage,
    /// No emulator is running.
    NotRunning,
    /// The key of the registry cannot be used.
    Refused,
    /// `verify` found content that is damaged.
    Damaged,
    /// `verify` found content whose file is missing.
    Missing,
    /// `verify` found files or folders that cannot be read.
    Unreadable,
    /// `verify` found rows that cannot be read.
    RowsDamaged,
    /// The vault refused the key before `verify` had read everything.
    Incomplete,
    /// The exit code of the command that `run` or `az` ran.
    Code(u8),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Success => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::NotRunning => 3,
            Exit::Refused => 4,
            Exit::Damaged => 5,
            Exit::Missing => 6,
            Exit::Unreadable => 7,
            Exit::RowsDamaged => 8,
            Exit::Incomplete => 9,
            Exit::Code(code) => code,
        })
    }
}
