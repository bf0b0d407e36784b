//! The errors of commands, with hints that say how to solve them.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use http::StatusCode;
use thiserror::Error;

use super::exit::Exit;
use super::hints::{Hint, Hints};
use super::last_run::LastRun;
use super::port_owner::PortOwner;
use super::serve_args::ConfigError;
use super::variables::TOKEN_ENV;
use crate::admin::ErrorReport;
use crate::config::DEFAULT_LISTEN;
use crate::endpoints::reachable;
use crate::registry::RegistryName;
use crate::repair::RepairFailure;
use crate::running::{Entry, RunningError};
use crate::serve::StartError;

/// The reason why a command failed.
#[derive(Debug, Error)]
pub(super) enum CliError {
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

impl CliError {
    /// The exit code.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Config(_)
            | Self::Flag(_)
            | Self::Variable { .. }
            | Self::AzCannot(_)
            | Self::NotConfirmed => Exit::Usage,
            Self::NotRunning { .. } | Self::SeveralRunning(_) | Self::NoAnswer { .. } => {
                Exit::NotRunning
            }
            Self::Answer(report) if report.state.is_some() => Exit::Refused,
            Self::Command { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => Exit::Code(127),
                _ => Exit::Code(126),
            },
            Self::NotAnEmulator { .. }
            | Self::NotFound(_)
            | Self::ConnectionLost(_)
            | Self::Answer(_)
            | Self::PortTaken { .. }
            | Self::Start(_)
            | Self::NotStarted { .. }
            | Self::RunsAlready { .. }
            | Self::OnOtherMachine(_)
            | Self::StillRuns(_)
            | Self::Repair(_)
            | Self::AzWithoutVault
            | Self::AzSignIn(_)
            | Self::NoCacheFolder
            | Self::Running(_)
            | Self::NoPassword(_)
            | Self::Io(_) => Exit::Failed,
            Self::NoAz => Exit::Code(127),
        }
    }

    /// The error code for programs.
    pub(super) fn code(&self) -> &str {
        match self {
            Self::Config(_) | Self::Flag(_) | Self::Variable { .. } => "Usage",
            Self::NotFound(_) => "NotFound",
            Self::NotRunning { .. } => "NotRunning",
            Self::SeveralRunning(_) => "SeveralRunning",
            Self::Running(_) => "RunningUnknown",
            Self::NoAnswer { .. } => "NoAnswer",
            Self::NotAnEmulator { .. } => "NotAnEmulator",
            Self::ConnectionLost(_) => "ConnectionLost",
            Self::Answer(report) => &report.code,
            Self::NotConfirmed => "NotConfirmed",
            Self::PortTaken { .. } => "PortTaken",
            Self::Start(_) | Self::NotStarted { .. } => "NotStarted",
            Self::RunsAlready { .. } => "RunsAlready",
            Self::OnOtherMachine(_) => "NotHere",
            Self::StillRuns(_) => "StillRuns",
            Self::Repair(_) => "NotRepaired",
            Self::Command { .. } => "CommandNotRun",
            Self::NoAz => "NoAzureCli",
            Self::AzWithoutVault => "NoControlPlane",
            Self::AzCannot(_) => "CannotWork",
            Self::AzSignIn(_) => "NotSignedIn",
            Self::NoCacheFolder => "NoCacheFolder",
            Self::NoPassword(_) => "NoPassword",
            Self::Io(_) => "Io",
        }
    }

    /// The hint that says how to solve the error.
    pub(super) fn hint(&self, hints: &Hints) -> Option<String> {
        match self {
            Self::NotRunning { last: Some(_), .. } | Self::NoAnswer { last: Some(_), .. } => {
                self.repair_command(hints).map(|line| format!("start it again with `{line}`"))
            }
            Self::NotRunning { last: None, .. } => {
                self.repair_command(hints).map(|line| format!("start one with `{line}`"))
            }
            Self::SeveralRunning(_) => {
                Some("nothing was changed: name one of them with --endpoint".to_owned())
            }
            Self::NoAnswer { .. } => {
                let advice = "check the URL, or name the emulator's folder with `--data-dir`";
                Some(match self.repair_command(hints) {
                    Some(line) => format!("{advice}; `{line}` starts an emulator there"),
                    None => advice.to_owned(),
                })
            }
            Self::NotStarted { log, .. } => {
                log.as_ref().map(|log| format!("the log is {}", log.display()))
            }
            Self::RunsAlready { .. } => {
                Some(format!("`{}` stops it", hints.line(&Hint::Stop)))
            }
            Self::NotConfirmed => Some(format!("confirm with `{}`", hints.line(&Hint::ResetYes))),
            Self::PortTaken { address, flag, owner } => Some(match owner {
                Some(owner) if owner.is_sealyard() => {
                    // Only the registry's port answers.
                    let url = format!("http://{}", reachable(*address));
                    let hints =
                        if *flag == "--listen" { hints.only_at(&url) } else { hints.anywhere() };
                    format!(
                        "an emulator already runs there: `{}` shows it; or choose another port with {flag}",
                        hints.line(&Hint::Status)
                    )
                }
                Some(_) => format!("stop that process, or choose another port with {flag}"),
                None => format!("stop the process that uses the port, or choose another port with {flag}"),
            }),
            Self::NoAz => Some(
                "install the Azure CLI from your system's packages, or with `python3 -m venv ~/azure-cli && ~/azure-cli/bin/pip install azure-cli`, and add ~/azure-cli/bin to PATH; see https://learn.microsoft.com/cli/azure/install-azure-cli".to_owned(),
            ),
            Self::Answer(report) if report.code == "Unauthorized" => Some(format!(
                "name the emulator's folder with --data-dir, or set {1} to the content of the file {0} in that folder",
                crate::listeners::ADMIN_TOKEN_FILE,
                TOKEN_ENV
            )),
            Self::Answer(report) if report.state.is_some() || report.cause.is_some() => {
                let cause = report.cause;
                let registry = report.registry.as_deref().unwrap_or(RegistryName::LOCAL);
                let repair = cause.and_then(|cause| hints.repair_hint(cause, registry, &[]));
                repair.or_else(|| Some(format!("`{}` shows the state", hints.line(&Hint::Status))))
            }
            _ => None,
        }
    }

    /// The command that solves the error, if there is one.
    pub(super) fn repair_command(&self, hints: &Hints) -> Option<String> {
        match self {
            Self::NotRunning { last: Some(last), .. } | Self::NoAnswer { last: Some(last), .. } => {
                Some(last.start_command(hints))
            }
            Self::NotRunning { last: None, .. } => {
                Some(hints.line(&Hint::Serve { listen: None, azure_listen: None }))
            }
            Self::NoAnswer { url, failure: Some(failure), last: None } if is_refused(failure) => {
                let listen = loopback(url)?;
                let listen = (listen != DEFAULT_LISTEN).then_some(listen);
                Some(hints.line(&Hint::Serve { listen, azure_listen: None }))
            }
            _ => None,
        }
    }
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
fn is_refused(failure: &reqwest::Error) -> bool {
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

/// The address of a URL, if it is one of this machine.
fn loopback(url: &str) -> Option<SocketAddr> {
    let url: url::Url = url.parse().ok()?;
    let address = url.socket_addrs(|| None).ok()?.into_iter().next()?;
    address.ip().is_loopback().then_some(address)
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
