//! The arguments of `sealyard doctor`.

use std::net::SocketAddr;

use azure_emulator_core::listen::parse_address;
use clap::Args;

use crate::config;

pub(in crate::cli) const HELP: &str = "\
Examples:
  sealyard doctor              print problems, their reasons, and the commands that repair them
  sealyard doctor --json       print `healthy`, and `findings` with check, verdict, cause and repair

Exit codes:
  0  nothing is wrong; notes are possible
  1  something is wrong
  3  no emulator runs, or several run and the command names none";

#[derive(Args, Debug)]
pub(in crate::cli) struct DoctorArgs {
    /// The address to check for the registry if no emulator runs
    #[arg(long, value_name = "ADDRESS", env = "SEALYARD_LISTEN", default_value_t = config::DEFAULT_LISTEN, value_parser = parse_address)]
    pub(super) listen: SocketAddr,
    /// The address to check for the Azure side if no emulator runs
    #[arg(long, value_name = "ADDRESS", env = "SEALYARD_AZURE_LISTEN", default_value_t = config::DEFAULT_AZURE_LISTEN, value_parser = parse_address)]
    pub(super) azure_listen: SocketAddr,
}
