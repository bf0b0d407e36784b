//! `sealyard doctor`: why a pull, a push or a rotation fails now, and the command that repairs it.
//!
//! What is wrong with registries and their keys is known to the emulator, which is asked over the admin API; what is wrong
//! around it (ports, names, certificates, docker, `az`) is looked at from here, where clients run as well. Each look is a
//! module that gives [`Finding`]s. Nothing is repaired and nothing is changed. It works without a running emulator too.

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
  sealyard doctor              what is wrong, why, and the command that repairs it
  sealyard doctor --json       the same for programs: healthy, and findings with check, verdict, cause and repair

Exit codes:
  0  nothing is wrong; there may be notes
  1  something is
  3  no emulator is running, or several are and none is named";

#[derive(Args, Debug)]
pub(super) struct DoctorArgs {
    /// Where the registry would listen, to see who has the port when no emulator is running
    #[arg(long, value_name = "ADDRESS", env = "SEALYARD_LISTEN", default_value_t = config::DEFAULT_LISTEN, value_parser = parse_address)]
    listen: SocketAddr,
    /// Where the Azure side would listen
    #[arg(long, value_name = "ADDRESS", env = "SEALYARD_AZURE_LISTEN", default_value_t = config::DEFAULT_AZURE_LISTEN, value_parser = parse_address)]
    azure_listen: SocketAddr,
}

/// Looks at everything at once, and says what was found.
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
