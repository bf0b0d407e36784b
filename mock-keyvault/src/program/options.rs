//! The arguments, each with an environment variable of the same meaning.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use azure_emulator_core::listen;
use clap::{Args, Parser, Subcommand};
use directories::ProjectDirs;

use super::client_env::{Identity, Shell};
use super::failure::Failure;

const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8443);

const REPAIR_HELP: &str = "\
Repairs the folder of a vault that does not run, even if the vault cannot start. The repair restores
the journal as far as it can be verified, from the last checkpoints or from an index whose checksum
is right.
It writes the new rows, with the keys of the vault, next to the damaged ones and replaces them in
one step. If the disk has too little space for them, nothing is changed.
The damaged files stay in the data folder, in damaged-TIME/, with a list of the losses in
damaged-TIME/lost.txt.
If the repair is interrupted, the folder is either unchanged or repaired, and the next repair or
start reports the losses.

Examples:
  mock-keyvault repair --dry-run       show what would be done
  mock-keyvault repair                 show it, ask, and do it
  mock-keyvault repair --yes --json    for scripts

Exit codes:
  0  nothing is lost: nothing was damaged, or everything was restored
  1  failed
  2  invalid argument
  5  nothing was changed: the repair was not confirmed
  6  repaired, with the losses that were printed
  7  a vault has the folder open";

/// A local Azure Key Vault for keys.
///
/// Serve a vault until Ctrl-C. The host name selects the vault: NAME.vault.localhost; any other name selects the vault
/// `local`. The program issues its own tokens, at login.localhost or at the same address. All data is in the data
/// folder, which you can use with any port.
#[derive(Debug, Parser)]
#[command(
    version,
    disable_help_subcommand = true,
    after_help = "\
Examples:
  mock-keyvault                        serve on 127.0.0.1:8443
  mock-keyvault --listen 0             on any free port; `mock-keyvault env` prints it
  eval \"$(mock-keyvault env)\"          in the shell of a client: set the vault's address and an identity
  mock-keyvault --accept-any-token     for a client with credentials of another issuer

Exit codes:
  0  stopped as requested, healthy, or variables printed
  1  cannot start, not healthy, or no vault runs
  2  invalid argument"
)]
pub(super) struct Options {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    /// The address to serve with TLS: a port without a host means the loopback, and 0 means any free port. `health` asks
    /// this address if the data folder has no file endpoints.json; `env` and `repair` ignore it
    #[arg(long, global = true, value_name = "ADDRESS", env = "MOCK_KEYVAULT_LISTEN", default_value_t = DEFAULT_LISTEN, value_parser = listen::parse_address)]
    pub(super) listen: SocketAddr,
    /// Store everything in this folder [default: the platform's data folder]
    #[arg(long, global = true, value_name = "FOLDER", env = "MOCK_KEYVAULT_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Also write the vault's addresses to this file when it answers requests
    #[arg(long, value_name = "FILE", env = "MOCK_KEYVAULT_ENDPOINTS_FILE")]
    pub(super) endpoints_file: Option<PathBuf>,
    /// Use the fixed secret `sealyard`, and allow the admin API and managed identities, even if the listener is not on the
    /// loopback
    #[arg(long, env = "MOCK_KEYVAULT_TRUSTED_NETWORK")]
    pub(super) trusted_network: bool,
    /// Treat any bearer token as the owner's, except those of the vault's own issuer; refused outside the loopback
    #[arg(long, env = "MOCK_KEYVAULT_ACCEPT_ANY_TOKEN")]
    pub(super) accept_any_token: bool,
    /// Also accept this host name or address of clients, such as a container's name; may be repeated
    #[arg(long, value_name = "NAME", env = "MOCK_KEYVAULT_HOSTNAME_ALIAS", value_delimiter = ',')]
    pub(super) hostname_alias: Vec<String>,
    /// Also write the certificate of the local authority to this file, for clients to trust
    #[arg(long, value_name = "FILE", env = "MOCK_KEYVAULT_CA_FILE")]
    pub(super) ca_file: Option<PathBuf>,
}

/// The commands other than serving.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check whether the vault of this data folder is healthy; for health checks
    Health,
    /// Print the environment variables for clients of the vault of this data folder
    #[command(after_help = "\
Examples:
  eval \"$(mock-keyvault env)\"                       bash, zsh
  mock-keyvault env --identity virtual-machine      without a secret: for an unchanged DefaultAzureCredential
  mock-keyvault env --shell fish | source
  mock-keyvault env --shell powershell | Out-String | Invoke-Expression")]
    Env(EnvOptions),
    /// Repair a damaged data folder, and list the keys that are lost
    #[command(after_help = REPAIR_HELP)]
    Repair(RepairOptions),
}

/// The options of `env`.
#[derive(Args, Debug)]
pub(super) struct EnvOptions {
    /// Shell that reads the output
    #[arg(long, value_name = "SHELL", value_enum, default_value_t)]
    pub(super) shell: Shell,
    /// Identity of the client
    #[arg(long, value_name = "IDENTITY", value_enum, default_value_t)]
    pub(super) identity: Identity,
    /// The path of the CA certificate on the client's machine, if it is a copy
    #[arg(long, value_name = "FILE")]
    pub(super) ca: Option<PathBuf>,
}

/// The options of `repair`.
#[derive(Args, Debug)]
pub(super) struct RepairOptions {
    /// Repair without asking
    #[arg(long)]
    pub(super) yes: bool,
    /// Show what would be done, and change nothing
    #[arg(long, conflicts_with = "yes")]
    pub(super) dry_run: bool,
    /// Print one JSON document, for programs
    #[arg(long)]
    pub(super) json: bool,
}

impl Options {
    /// The folder that `--data-dir` names.
    pub(super) fn named_data_dir(&self) -> Option<&Path> {
        self.data_dir.as_deref()
    }

    /// The folder that `--data-dir` names, or the platform's.
    pub(super) fn data_dir(&self) -> Result<PathBuf, Failure> {
        if let Some(folder) = &self.data_dir {
            return Ok(folder.clone());
        }
        let folders = ProjectDirs::from("", "", "mock-keyvault").ok_or(Failure::NoDataDir)?;
        Ok(folders.data_dir().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_argument_definitions_are_valid() {
        Options::command().debug_assert();
    }

    #[test]
    fn without_arguments_it_only_listens_on_the_loopback() {
        let options = Options::try_parse_from(["mock-keyvault"]).unwrap();

        assert_eq!(options.listen, DEFAULT_LISTEN);
        assert!(!options.trusted_network);
    }

    #[test]
    fn health_accepts_the_folder_after_the_command() {
        let options =
            Options::try_parse_from(["mock-keyvault", "health", "--data-dir=/data"]).unwrap();

        assert!(matches!(options.command, Some(Command::Health)));
        assert_eq!(options.data_dir().unwrap(), PathBuf::from("/data"));
    }
}
