//! `sealyard doctor`: finds why a pull, a push or a rotation fails now, and the command that repairs it.
//!
//! The emulator reports problems of registries and their keys over the admin API; this command itself checks the environment
//! (ports, names, certificates, docker, `az`), because it runs on the same machine as the clients. Each check is a
//! module that returns [`Finding`]s. `doctor` changes and repairs nothing, and also works without a running emulator.

mod emulator;
mod finding;
mod names;
mod registries;
mod repair;
mod tools;
mod trust;

use std::net::SocketAddr;

use azure_emulator_core::listen::parse_address;
use clap::Args;

use super::Context;
use super::error::Exit;
use crate::config;
use finding::Report;

pub(super) const HELP: &str = "\
Examples:
  sealyard doctor              print problems, their reasons, and the commands that repair them
  sealyard doctor --json       print `healthy`, and `findings` with check, verdict, cause and repair

Exit codes:
  0  nothing is wrong; notes are possible
  1  something is wrong
  3  no emulator runs, or several run and the command names none";

#[derive(Args, Debug)]
pub(super) struct DoctorArgs {
    /// The address to check for the registry if no emulator runs
    #[arg(long, value_name = "ADDRESS", env = "SEALYARD_LISTEN", default_value_t = config::DEFAULT_LISTEN, value_parser = parse_address)]
    listen: SocketAddr,
    /// The address to check for the Azure side if no emulator runs
    #[arg(long, value_name = "ADDRESS", env = "SEALYARD_AZURE_LISTEN", default_value_t = config::DEFAULT_AZURE_LISTEN, value_parser = parse_address)]
    azure_listen: SocketAddr,
}

/// Performs all checks at once, and reports the findings.
pub(super) async fn doctor(args: &DoctorArgs, context: &Context) -> Exit {
    let (seen, az) = tokio::join!(emulator::examine(args, context), tools::az());
    let docker = tools::docker(seen.report.as_ref()).await;
    let is_running = seen.is_running;
    let findings = seen.findings.into_iter().chain(az).chain(docker).collect();
    let report = Report::new(is_running, findings);
    context.output.result(&report.render(), &report);
    report.exit()
}

#[cfg(test)]
mod tests;
