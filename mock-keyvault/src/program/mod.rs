//! The command line of `mock-keyvault`: serves a vault, or asks whether one is healthy.
//!
//! `options` reads the arguments, `serve` runs a vault until it is told to stop, `endpoints` is the file that says where
//! it is, and `health` asks. Everything else is in the library.

mod endpoints;
mod health;
mod options;
mod serve;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use tracing_subscriber::EnvFilter;

use options::{Command, Options};

/// The environment variable that filters the log, as `tracing-subscriber` reads it.
const LOG_ENV: &str = "MOCK_KEYVAULT_LOG";

/// Does what the arguments ask for. Exit code 1 is a failure, 2 an argument that is not understood.
pub(crate) fn main() -> ExitCode {
    let options = Options::parse();
    let filter = EnvFilter::try_from_env(LOG_ENV)
        .unwrap_or_else(|_| EnvFilter::new("warn,mock_keyvault=info,sled=error"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    let done = runtime.block_on(async {
        match options.command {
            Some(Command::Health) => health::health(&options).await,
            None => serve::serve(&options).await,
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

/// Why the program ends with exit code 1.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Start(#[from] mock_keyvault::StartError),
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("not healthy: {0}")]
    NotHealthy(String),
    #[error("no data folder: the home folder of this user is not known; use --data-dir")]
    NoDataDir,
}

/// A line for people, on standard output. It is gone if nobody reads it, which is no failure of a vault.
fn say(words: &str) {
    let _ = writeln!(io::stdout(), "{words}");
}

fn failed(error: &dyn std::error::Error) -> ExitCode {
    let _ = writeln!(io::stderr(), "mock-keyvault: {error}");
    ExitCode::FAILURE
}
