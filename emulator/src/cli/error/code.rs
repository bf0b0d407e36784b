//! The exit code of each error, and its code for programs.

use std::io;

use super::cli_error::CliError;
use crate::cli::exit::Exit;

impl CliError {
    /// The exit code.
    pub(in crate::cli) fn exit(&self) -> Exit {
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
    pub(in crate::cli) fn code(&self) -> &str {
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
}
