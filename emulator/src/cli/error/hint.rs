//! The hint of each error, and the command that solves it.

use std::net::SocketAddr;

use super::cli_error::{CliError, is_refused};
use crate::cli::hints::{Hint, Hints};
use crate::cli::variables::TOKEN_ENV;
use crate::config::DEFAULT_LISTEN;
use crate::endpoints::reachable;
use crate::registry::RegistryName;

impl CliError {
    /// The hint that says how to solve the error.
    pub(in crate::cli) fn hint(&self, hints: &Hints) -> Option<String> {
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
    pub(in crate::cli) fn repair_command(&self, hints: &Hints) -> Option<String> {
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

/// The address of a URL, if it is one of this machine.
fn loopback(url: &str) -> Option<SocketAddr> {
    let url: url::Url = url.parse().ok()?;
    let address = url.socket_addrs(|| None).ok()?.into_iter().next()?;
    address.ip().is_loopback().then_some(address)
}
