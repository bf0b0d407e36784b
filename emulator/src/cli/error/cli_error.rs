//! The errors and their messages.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use http::StatusCode;
use thiserror::Error;

use crate::admin::ErrorReport;
use crate::cli::last_run::LastRun;
use crate::cli::port_owner::PortOwner;
use crate::cli::serve_args::ConfigError;
use crate::repair::RepairFailure;
use crate::running::{Entry, RunningError};
use crate::serve::StartError;

/// The reason why a command failed.
#[derive(Debug, Error)]
pub(in crate::cli) enum CliError {
    /// The value of a flag is invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Options cannot be combined, or a value is invalid. The message names them.
    #[error("{0}")]
    Flag(String),
    /// The command line names something that does not exist. The message lists what exists.
    #[error("{0}")]
    NotFound(String),
    /// The value of an environment variable is invalid.
    #[error("the environment variable {name} is invalid: {message}")]
    Variable {
        /// Its name.
        name: &'static str,
        /// The expected value.
        message: String,
    },
    /// No emulator runs for this data folder.
    #[error("no emulator is running for {}{}", folder.display(), last_end(last.as_ref()))]
    NotRunning {
        /// The data folder.
        folder: PathBuf,
        /// The last emulator of the folder, if it ended without a shutdown.
        last: Option<LastRun>,
    },
    /// Several emulators run, and none of them is the default one.
    #[error("several emulators are running, and the command does not name one of them:{}", list_of(.0))]
    SeveralRunning(Vec<Entry>),
    /// The running emulators cannot be listed.
    #[error(transparent)]
    Running(#[from] RunningError),
    /// No emulator answers at this URL.
    #[error("no emulator answers at {url}{}{}", reason(failure.as_ref()), last_end(last.as_ref()))]
    NoAnswer {
        /// The URL.
        url: String,
        /// The error of the request. The message contains its innermost cause; the outer ones say nothing more.
        failure: Option<reqwest::Error>,
        /// The last emulator that answered there, if it ended without a shutdown.
        last: Option<LastRun>,
    },
    /// The server is not an emulator, or an emulator of another version.
    #[error("the server at {url} is not an emulator of this version: {status}")]
    NotAnEmulator {
        /// The URL.
        url: String,
        /// The status of its answer.
        status: StatusCode,
    },
    /// The connection broke in the middle of an answer.
    #[error("the connection to the emulator broke before its answer was complete{}", reason(.0.as_ref()))]
    ConnectionLost(Option<reqwest::Error>),
    /// The emulator refused the request.
    #[error("{}", .0.message)]
    Answer(ErrorReport),
    /// The user did not confirm a command that cannot be undone.
    #[error("aborted without a change: this cannot be undone, and it was not confirmed")]
    NotConfirmed,
    /// A port is taken.
    #[error("{}", port_in_use(*address, owner.as_ref()))]
    PortTaken {
        /// The requested address.
        address: SocketAddr,
        /// The flag that sets the address.
        flag: &'static str,
        /// The process that uses it.
        owner: Option<PortOwner>,
    },
    /// The emulator did not start.
    #[error("the emulator did not start")]
    Start(#[from] StartError),
    /// The emulator in the background did not start.
    #[error("the emulator did not start:\n{end_of_log}")]
    NotStarted {
        /// The end of its log.
        end_of_log: String,
        /// Its log, unless the log was removed.
        log: Option<PathBuf>,
    },
    /// An emulator already runs for this data folder.
    #[error("an emulator already runs for {}, at {url}", folder.display())]
    RunsAlready {
        /// The data folder.
        folder: PathBuf,
        /// Its URL.
        url: String,
    },
    /// The emulator does not run on this machine, so its process cannot be stopped from here.
    #[error(
        "cannot stop the emulator at {0}: it does not seem to run on this machine; stop it where it runs"
    )]
    OnOtherMachine(String),
    /// The emulator was asked to stop, but still runs.
    #[error("the emulator was asked to stop, but still runs as process {0}")]
    StillRuns(u32),
    /// The folder was not repaired, or not completely.
    #[error(transparent)]
    Repair(#[from] RepairFailure),
    /// The command of `run` could not be run.
    #[error("cannot run {command}")]
    Command {
        /// The command.
        command: String,
        /// The reason.
        source: io::Error,
    },
    /// There is no Azure CLI.
    #[error("there is no `az` in PATH")]
    NoAz,
    /// The emulator has no control plane for the Azure CLI.
    #[error(
        "cannot run `az`: it needs the control plane of the embedded vault, and this emulator uses an external vault"
    )]
    AzWithoutVault,
    /// The Azure CLI cannot run this command against the emulator.
    #[error("{0}")]
    AzCannot(String),
    /// The Azure CLI could not be signed in.
    #[error("cannot sign the Azure CLI in to the emulator:\n{0}")]
    AzSignIn(String),
    /// There is no cache folder for the files of an emulator on another machine.
    #[error(
        "cannot store the emulator's certificates: there is no cache folder; set HOME or XDG_CACHE_HOME"
    )]
    NoCacheFolder,
    /// There is no password to print.
    #[error("{0}")]
    NoPassword(&'static str),
    /// An error of a file or the terminal.
    #[error(transparent)]
    Io(#[from] io::Error),
}

fn list_of(running: &[Entry]) -> String {
    let line = |entry: &Entry| {
        let Entry { registry, pid, data_dir, .. } = entry;
        format!("\n  --endpoint {registry}  process {pid}, data in {}", data_dir.display())
    };
    running.iter().map(line).collect()
}

/// The innermost cause of a failed request. The outer ones only name the layers of the client.
fn reason(failure: Option<&reqwest::Error>) -> String {
    let Some(failure) = failure else { return String::new() };
    if failure.is_timeout() {
        return ": the request timed out".to_owned();
    }
    if is_refused(failure) {
        return ": no program listens there".to_owned();
    }
    format!(": {}", innermost(failure))
}

fn innermost(failure: &reqwest::Error) -> &dyn std::error::Error {
    let mut cause: &dyn std::error::Error = failure;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause
}

/// Whether nothing listens at the address.
pub(super) fn is_refused(failure: &reqwest::Error) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(failure);
    while let Some(error) = cause {
        let io = error.downcast_ref::<io::Error>();
        if io.is_some_and(|io| io.kind() == io::ErrorKind::ConnectionRefused) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// How the last emulator ended.
fn last_end(last: Option<&LastRun>) -> String {
    last.map_or_else(String::new, |last| {
        format!(": the last emulator, process {}, was killed or crashed", last.pid)
    })
}

fn port_in_use(address: SocketAddr, owner: Option<&PortOwner>) -> String {
    match owner {
        Some(owner) => format!("port {} is in use by {owner}", address.port()),
        None => format!("port {} is in use", address.port()),
    }
}
