//! Why a command did not do what it was asked, with what to do about it, and the exit codes.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use http::StatusCode;
use thiserror::Error;

use super::hints::{Hint, Hints};
use super::last_run::LastRun;
use super::port_owner::PortOwner;
use crate::admin::{ErrorReport, reachable};
use crate::config::{ConfigError, DEFAULT_LISTEN};
use crate::repair::RepairFailure;
use crate::running::{Entry, RunningError};
use crate::serve::{LOCAL, StartError};

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// It did what it was asked.
    Fine,
    /// It failed, or what it looked at is not healthy or not sound.
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
    /// `verify` met files or folders that cannot be read.
    Unreadable,
    /// `verify` met rows that cannot be read.
    RowsDamaged,
    /// The key was refused before `verify` had read everything.
    Incomplete,
    /// Of the command that `run` or `az` ran.
    Of(u8),
}

/// Why a command did not do what it was asked.
#[derive(Debug, Error)]
pub(super) enum CliError {
    /// A flag's value cannot be gone by.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Options do not go together, or a value makes no sense. The sentence names them.
    #[error("{0}")]
    Flag(String),
    /// What the command line names is not there. The sentence says what is.
    #[error("{0}")]
    NotThere(String),
    /// A variable of the environment has no use.
    #[error("the variable {name} is wrong: {words}")]
    Variable {
        /// Its name.
        name: &'static str,
        /// What is expected.
        words: String,
    },
    /// Nothing runs for this data folder.
    #[error("no emulator is running for {}{}", folder.display(), ended(last.as_ref()))]
    NotRunning {
        /// The data folder.
        folder: PathBuf,
        /// The last one that did, if it ended without a shutdown.
        last: Option<LastRun>,
    },
    /// Several run, and none of them is the one that is meant without a name.
    #[error("several emulators are running, and the command does not name one:{}", listed(.0))]
    SeveralRunning(Vec<Entry>),
    /// The running emulators cannot be listed.
    #[error(transparent)]
    Running(#[from] RunningError),
    /// Nothing answers at this URL.
    #[error("no emulator answers at {url}{}{}", because(failure.as_ref()), ended(last.as_ref()))]
    NoAnswer {
        /// The URL.
        url: String,
        /// What became of the request. Its innermost cause is a part of the message; what lies between says nothing more.
        failure: Option<reqwest::Error>,
        /// The last one that answered there, if it ended without a shutdown.
        last: Option<LastRun>,
    },
    /// Something answers that is no emulator, or one of another version.
    #[error("what answers at {url} is not an emulator of this version: {status}")]
    NotOurs {
        /// The URL.
        url: String,
        /// What it said.
        status: StatusCode,
    },
    /// The connection broke in the middle of an answer.
    #[error("the emulator went away before its answer was complete{}", because(.0.as_ref()))]
    Cut(Option<reqwest::Error>),
    /// The emulator refused.
    #[error("{}", .0.message)]
    Answer(ErrorReport),
    /// Something that cannot be undone was asked for, and nobody said yes.
    #[error("nothing was done: this cannot be undone, and nobody said yes")]
    NotConfirmed,
    /// A port is taken.
    #[error("{}", taken(*address, owner.as_ref()))]
    PortTaken {
        /// The address that was asked for.
        address: SocketAddr,
        /// The flag that chooses another.
        flag: &'static str,
        /// Who has it.
        owner: Option<PortOwner>,
    },
    /// The emulator did not start.
    #[error("the emulator did not start")]
    Start(#[from] StartError),
    /// The emulator in the background did not start.
    #[error("the emulator did not start:\n{words}")]
    NotStarted {
        /// The end of its log.
        words: String,
        /// Its log, unless it is gone.
        log: Option<PathBuf>,
    },
    /// One runs already for this data folder.
    #[error("an emulator is running already for {}, at {url}", folder.display())]
    RunsAlready {
        /// The data folder.
        folder: PathBuf,
        /// Where it answers.
        url: String,
    },
    /// The emulator is not one of this machine, so that its process cannot be ended.
    #[error("the emulator at {0} is not known to run on this machine: stop it where it runs")]
    NotHere(String),
    /// The emulator was asked to end, and is still there.
    #[error("the emulator was asked to stop and still runs as process {0}")]
    StillRuns(u32),
    /// The folder was not repaired, or not in full.
    #[error(transparent)]
    Repair(#[from] RepairFailure),
    /// The command of `run` could not be run.
    #[error("{command} cannot be run")]
    Command {
        /// The command.
        command: String,
        /// Why.
        source: io::Error,
    },
    /// There is no Azure CLI.
    #[error("there is no `az` in PATH")]
    NoAz,
    /// There is no control plane for it.
    #[error(
        "`az` needs the embedded vault, which has the control plane: this emulator uses a vault elsewhere"
    )]
    AzWithoutVault,
    /// The Azure CLI could not do this here.
    #[error("{0}")]
    AzCannot(String),
    /// The Azure CLI could not be signed in.
    #[error("the Azure CLI could not be signed in to the emulator:\n{0}")]
    AzSignIn(String),
    /// There is no place for the files of an emulator on another machine.
    #[error(
        "there is no cache folder for the certificates of the emulator: set HOME or XDG_CACHE_HOME"
    )]
    NoCacheFolder,
    /// There is no password to be printed.
    #[error("{0}")]
    NoPassword(&'static str),
    /// A file or a terminal.
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
                io::ErrorKind::NotFound => Exit::Of(127),
                _ => Exit::Of(126),
            },
            Self::NotOurs { .. }
            | Self::NotThere(_)
            | Self::Cut(_)
            | Self::Answer(_)
            | Self::PortTaken { .. }
            | Self::Start(_)
            | Self::NotStarted { .. }
            | Self::RunsAlready { .. }
            | Self::NotHere(_)
            | Self::StillRuns(_)
            | Self::Repair(_)
            | Self::AzWithoutVault
            | Self::AzSignIn(_)
            | Self::NoCacheFolder
            | Self::Running(_)
            | Self::NoPassword(_)
            | Self::Io(_) => Exit::Failed,
            Self::NoAz => Exit::Of(127),
        }
    }

    /// A word for programs.
    pub(super) fn code(&self) -> &str {
        match self {
            Self::Config(_) | Self::Flag(_) | Self::Variable { .. } => "Usage",
            Self::NotThere(_) => "NotFound",
            Self::NotRunning { .. } => "NotRunning",
            Self::SeveralRunning(_) => "SeveralRunning",
            Self::Running(_) => "RunningUnknown",
            Self::NoAnswer { .. } => "NoAnswer",
            Self::NotOurs { .. } => "NotAnEmulator",
            Self::Cut(_) => "ConnectionLost",
            Self::Answer(report) => &report.code,
            Self::NotConfirmed => "NotConfirmed",
            Self::PortTaken { .. } => "PortTaken",
            Self::Start(_) | Self::NotStarted { .. } => "NotStarted",
            Self::RunsAlready { .. } => "RunsAlready",
            Self::NotHere(_) => "NotHere",
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

    /// What to do about it.
    pub(super) fn hint(&self, hints: &Hints) -> Option<String> {
        match self {
            Self::NotRunning { last: Some(_), .. } | Self::NoAnswer { last: Some(_), .. } => {
                self.repair(hints).map(|line| format!("start it again with `{line}`"))
            }
            Self::NotRunning { last: None, .. } => {
                self.repair(hints).map(|line| format!("start one with `{line}`"))
            }
            Self::SeveralRunning(_) => {
                Some("nothing was done: name one of them with --endpoint".to_owned())
            }
            Self::NoAnswer { .. } => {
                let words = "is the URL right? `--data-dir` finds the emulator by its folder";
                Some(match self.repair(hints) {
                    Some(line) => format!("{words}; `{line}` starts one there"),
                    None => words.to_owned(),
                })
            }
            Self::NotStarted { log, .. } => {
                log.as_ref().map(|log| format!("its log is {}", log.display()))
            }
            Self::RunsAlready { .. } => {
                Some(format!("`{}` ends it", hints.line(&Hint::Stop)))
            }
            Self::NotConfirmed => Some(format!("`{}` does not ask", hints.line(&Hint::ResetYes))),
            Self::PortTaken { address, flag, owner } => Some(match owner {
                Some(owner) if owner.is_sealyard() => {
                    // Only the registry's port answers.
                    let url = format!("http://{}", reachable(*address));
                    let hints =
                        if *flag == "--listen" { hints.only_at(&url) } else { hints.anywhere() };
                    format!(
                        "an emulator runs already: `{}` shows it; or choose another port with {flag}",
                        hints.line(&Hint::Status)
                    )
                }
                Some(_) => format!("stop it, or choose another with {flag}"),
                None => format!("stop what has it, or choose another with {flag}"),
            }),
            Self::NoAz => Some(
                "install the Azure CLI: a package of your system, or `python3 -m venv ~/azure-cli && ~/azure-cli/bin/pip install azure-cli`, and put ~/azure-cli/bin into PATH; https://learn.microsoft.com/cli/azure/install-azure-cli says more".to_owned(),
            ),
            Self::Answer(report) if report.code == "Unauthorized" => Some(format!(
                "use --data-dir of the running emulator, or put what its file {} holds into {}",
                crate::admin::ADMIN_TOKEN_FILE,
                super::client::TOKEN_ENV
            )),
            Self::Answer(report) if report.state.is_some() || report.cause.is_some() => {
                let cause = report.cause.as_deref();
                let registry = report.registry.as_deref().unwrap_or(LOCAL);
                let way_back = cause.and_then(|cause| hints.way_back(cause, registry, &[]));
                way_back.or_else(|| Some(format!("`{}` says more", hints.line(&Hint::Status))))
            }
            _ => None,
        }
    }

    /// The command that repairs it, if one does.
    pub(super) fn repair(&self, hints: &Hints) -> Option<String> {
        match self {
            Self::NotRunning { last: Some(last), .. } | Self::NoAnswer { last: Some(last), .. } => {
                Some(last.start(hints))
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

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Fine => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::NotRunning => 3,
            Exit::Refused => 4,
            Exit::Damaged => 5,
            Exit::Missing => 6,
            Exit::Unreadable => 7,
            Exit::RowsDamaged => 8,
            Exit::Incomplete => 9,
            Exit::Of(code) => code,
        })
    }
}

fn listed(running: &[Entry]) -> String {
    let line = |entry: &Entry| {
        let Entry { registry, pid, data_dir, .. } = entry;
        format!("\n  --endpoint {registry}  process {pid}, data in {}", data_dir.display())
    };
    running.iter().map(line).collect()
}

/// The innermost cause of a request that failed. Those around it only name the layers of the client.
fn because(failure: Option<&reqwest::Error>) -> String {
    let Some(failure) = failure else { return String::new() };
    if failure.is_timeout() {
        return ": it took too long".to_owned();
    }
    if is_refused(failure) {
        return ": nothing listens there".to_owned();
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
fn ended(last: Option<&LastRun>) -> String {
    last.map_or_else(String::new, |last| {
        format!(": the last one, process {}, was killed or crashed", last.pid)
    })
}

fn taken(address: SocketAddr, owner: Option<&PortOwner>) -> String {
    match owner {
        Some(owner) => format!("port {} is taken by {owner}", address.port()),
        None => format!("port {} is taken", address.port()),
    }
}
