//! `sealyard run -- CMD`: one command with the environment of `sealyard env`, and with the emulator as its proxy.
//!
//! Azure's own names lead to the emulator then, without a hosts file. The proxy leads nowhere else: a program that needs
//! the rest of the world as well is better off with `sealyard env`.
//!
//! The command takes the place of this process, so that its exit code, its signals and its terminal are its own.

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

Azure's own names lead to the emulator for this command, through HTTPS_PROXY.
Other hosts are refused; plain HTTP and 127.0.0.1 go their own way.

Exit codes: those of the command; 126 if it cannot be run, 127 if it is not found.";

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

/// A command that is ready to take the place of this process.
#[derive(Debug)]
pub(super) struct Replacement {
    command: Vec<OsString>,
    variables: Variables,
    /// What is said if it fails. It is waited for then.
    hint: Option<String>,
    /// Which warnings are looked for after it. It is waited for then.
    watch: Option<Watch>,
}

pub(super) async fn prepare(args: RunArgs, emulator: &Emulator) -> Result<Replacement, CliError> {
    let report = emulator.report_for_this_side().await?;
    let bundle = trust::write_bundle(emulator, &report)?;
    let variables = for_one_command(&report, bundle.as_deref());
    Ok(Replacement::new(args.command, variables))
}

impl Replacement {
    /// A command and its arguments, with variables beside those of this process.
    pub(super) fn new(command: Vec<OsString>, variables: Variables) -> Self {
        Self { command, variables, hint: None, watch: None }
    }

    /// Says this after it, if it fails.
    pub(super) fn with_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }

    /// Looks for these warnings after it.
    pub(super) fn with_watch(mut self, watch: Option<Watch>) -> Self {
        self.watch = watch;
        self
    }

    /// Runs it in the place of this process. With a hint or a watch it is waited for instead, and its exit code is passed on.
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
        // A shell says of a program that a signal has ended that its code is 128 and the number of the signal.
        let code = status.code().or_else(|| Some(128 + status.signal()?));
        Ok(Exit::Of(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
    }
}
