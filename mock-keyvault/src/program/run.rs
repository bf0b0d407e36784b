//! Runs the command of the arguments.

use std::io;
use std::process::ExitCode;

use clap::Parser as _;
use tracing_subscriber::EnvFilter;

use super::failure::failed;
use super::options::{Command, Options};
use super::{env, health, repair, serve};

/// The environment variable with the filter of the log, in the syntax of `tracing-subscriber`.
const LOG_ENV: &str = "MOCK_KEYVAULT_LOG";

/// Runs the command of the arguments. Exit code 1 is a failure, 2 an invalid argument.
pub(crate) fn main() -> ExitCode {
    let options = Options::parse();
    let filter = EnvFilter::try_from_env(LOG_ENV).unwrap_or_else(|_| {
        EnvFilter::new("warn,mock_keyvault=info,azure_emulator_core=info,sled=off")
    });
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
    if let Some(Command::Repair(wish)) = &options.command {
        return repair::repair(&options, wish);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    let done = runtime.block_on(async {
        match &options.command {
            Some(Command::Health) => health::health(&options).await,
            Some(Command::Env(wish)) => env::env(&options, wish).await,
            Some(Command::Repair(_)) | None => serve::serve(&options).await,
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}
