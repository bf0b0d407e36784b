//! A command of the user that replaces this process, so that it has its own exit code, signals and terminal.

use std::ffi::OsString;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::Command;

use super::context::Context;
use super::env::Variables;
use super::error::CliError;
use super::exit::Exit;

/// The work after the command, which gets whether the command succeeded.
pub(super) type After = Box<dyn FnOnce(bool, &Context)>;

/// A command that is ready to replace this process.
pub(super) struct Replacement {
    command: Vec<OsString>,
    variables: Variables,
    /// The hint to print if the command fails. With a hint, this process waits for the command.
    hint: Option<String>,
    /// Called after the command with whether it succeeded. With this, this process waits for the command.
    after: Option<After>,
}

impl Replacement {
    /// A command and its arguments, with additional environment variables.
    pub(super) fn new(command: Vec<OsString>, variables: Variables) -> Self {
        Self { command, variables, hint: None, after: None }
    }

    /// Prints this hint after the command, if it fails.
    pub(super) fn with_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }

    /// Calls this after the command.
    pub(super) fn with_after(mut self, after: Option<After>) -> Self {
        self.after = after;
        self
    }

    /// Replaces this process by the command. With a hint or a call for afterwards, it waits for the command instead and returns its exit code.
    pub(super) fn exec(self, context: &Context) -> Result<Exit, CliError> {
        let mut command_line = self.command.into_iter();
        let program = command_line.next().unwrap_or_default();
        let failed =
            |source| CliError::Command { command: program.to_string_lossy().into_owned(), source };
        let mut command = Command::new(&program);
        command.args(command_line).envs(self.variables);
        if self.hint.is_none() && self.after.is_none() {
            return Err(failed(command.exec()));
        }
        let status = command.status().map_err(failed)?;
        if let Some(hint) = self.hint.filter(|_| !status.success()) {
            context.output.hint(&hint);
        }
        if let Some(after) = self.after {
            after(status.success(), context);
        }
        // As in a shell, the code of a program that a signal ended is 128 plus the number of the signal.
        let code = status.code().or_else(|| Some(128 + status.signal()?));
        Ok(Exit::Code(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
    }
}
