//! `sealyard run -- CMD`: runs a command with the variables of `sealyard env` and with the emulator as its proxy.
//!
//! Azure's host names then lead to the emulator, without a hosts file. The proxy forwards to no other host: a program that
//! needs other hosts as well should use `sealyard env`.
//!
//! The command replaces this process, so that it has its own exit code, signals and terminal.

use std::ffi::OsString;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::Command;

use clap::Args;

use super::Context;
use super::az::Watch;
use super::client::Emulator;
use super::env::{Variables, for_one_command};
use super::error::{CliError, Exit};
use super::trust;

pub(super) const EXAMPLES: &str = "\
Examples:
  sealyard run -- python3 app.py
  sealyard run -- curl -i https://local.vault.azure.net/keys?api-version=7.4

For this command, Azure's host names lead to the emulator, through HTTPS_PROXY.
HTTPS to other hosts is refused. Plain HTTP and 127.0.0.1 do not use the proxy.

Exit codes: those of the command; otherwise 3 if no emulator runs, 126 if the command cannot be
run, and 127 if it is not found.";

#[derive(Args, Debug)]
pub(super) struct RunArgs {
    /// The command and its arguments
    #[arg(
        value_name = "CMD",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    command: Vec<OsString>,
}

/// A command that is ready to replace this process.
#[derive(Debug)]
pub(super) struct Replacement {
    command: Vec<OsString>,
    variables: Variables,
    /// The hint to print if the command fails. With a hint, this process waits for the command.
    hint: Option<String>,
    /// The warnings to look for after the command. With a watch, this process waits for the command.
    watch: Option<Watch>,
}

pub(super) async fn prepare(args: RunArgs, emulator: &Emulator) -> Result<Replacement, CliError> {
    let report = emulator.report_for_this_side().await?;
    let bundle = trust::write_bundle(emulator, &report)?;
    let variables = for_one_command(&report, bundle.as_deref());
    Ok(Replacement::new(args.command, variables))
}

impl Replacement {
    /// A command and its arguments, with additional environment variables.
    pub(super) fn new(command: Vec<OsString>, variables: Variables) -> Self {
        Self { command, variables, hint: None, watch: None }
    }

    /// Prints this hint after the command, if it fails.
    pub(super) fn with_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }

    /// Looks for these warnings after the command.
    pub(super) fn with_watch(mut self, watch: Option<Watch>) -> Self {
        self.watch = watch;
        self
    }

    /// Replaces this process by the command. With a hint or a watch, it waits for the command instead and returns its exit code.
    pub(super) fn exec(self, context: &Context) -> Result<Exit, CliError> {
        let mut words = self.command.into_iter();
        let program = words.next().unwrap_or_default();
        let failed =
            |source| CliError::Command { command: program.to_string_lossy().into_owned(), source };
        let mut command = Command::new(&program);
        command.args(words).envs(self.variables);
        if self.hint.is_none() && self.watch.is_none() {
            return Err(failed(command.exec()));
        }
        let status = command.status().map_err(failed)?;
        if let Some(hint) = self.hint.filter(|_| !status.success()) {
            context.output.hint(&hint);
        }
        if let Some(watch) = self.watch {
            watch.tell(status.success(), context);
        }
        // As in a shell, the code of a program that a signal ended is 128 plus the number of the signal.
        let code = status.code().or_else(|| Some(128 + status.signal()?));
        Ok(Exit::Of(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
    }
}
