//! The command line of `mock-keyvault`: serves a vault, checks its health, repairs its folder, or prints variables for clients.
//!
//! `options` parses the arguments, `serve` runs a vault until it is told to stop, `endpoints` writes and reads the file of its
//! addresses, `health` asks it, and `env` prints the variables of `client_env`. Everything else is in the library.

mod client_env;
mod endpoints;
mod env;
mod health;
mod options;
mod repair;
mod serve;
#[cfg(test)]
mod tests;

use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use tracing_subscriber::EnvFilter;

use endpoints::Endpoints;
use options::{Command, Options};

/// The environment variable with the filter of the log, in the syntax of `tracing-subscriber`.
const LOG_ENV: &str = "MOCK_KEYVAULT_LOG";
/// A resolver that takes longer is treated as if it did not know local names.
const RESOLVER_PATIENCE: Duration = Duration::from_secs(1);

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

/// Why the program ends with exit code 1.
#[derive(Debug, thiserror::Error)]
enum Failure {
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

/// Replaces the unspecified address, on which a listener accepts connections to every address, by the loopback.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => (),
    }
    address
}

/// Whether this machine resolves names under `localhost`. Some resolvers only know the name `localhost` itself.
async fn names_resolve(endpoints: &Endpoints) -> bool {
    let host = endpoints.vault.trim_start_matches("https://");
    let found = tokio::time::timeout(RESOLVER_PATIENCE, tokio::net::lookup_host(host)).await;
    match found {
        Ok(Ok(mut found)) => found.any(|address| address.ip().is_loopback()),
        Ok(Err(_)) | Err(_) => false,
    }
}

/// Prints a line for people to standard output. A closed output is not a failure of the vault.
fn say(words: &str) {
    let _ = writeln!(io::stdout(), "{words}");
}

fn failed(error: &dyn std::error::Error) -> ExitCode {
    let _ = writeln!(io::stderr(), "mock-keyvault: {error}");
    ExitCode::FAILURE
}
