//! `sealyard run -- CMD`: runs a command with the variables of `sealyard env` and with the emulator as its proxy.
//!
//! Azure's host names then lead to the emulator, without a hosts file. The proxy forwards to no other host: a program that
//! needs other hosts as well should use `sealyard env`.

use std::ffi::OsString;

use clap::Args;

use super::client::Emulator;
use super::env::for_one_command;
use super::error::CliError;
use super::replacement::Replacement;
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

pub(super) async fn prepare(args: RunArgs, emulator: &Emulator) -> Result<Replacement, CliError> {
    let report = trust::report_for_this_machine(emulator).await?;
    let bundle = trust::write_bundle(emulator, &report)?;
    let variables = for_one_command(&report, bundle.as_deref());
    Ok(Replacement::new(args.command, variables))
}
