//! The arguments, each also an environment variable.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use azure_emulator_core::listen;
use clap::{Parser, Subcommand};
use directories::ProjectDirs;

use super::Failure;
use super::env::EnvOptions;
use super::repair::RepairOptions;

const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8443);

/// A local Azure Key Vault for keys.
///
/// Serves until it is interrupted. Vaults are chosen by Host name, NAME.vault.localhost; with any other name the vault
/// `local` answers. Tokens come from its own issuer, at login.localhost or the same address. Everything is kept in the
/// data folder, and any port can be used with it.
#[derive(Debug, Parser)]
#[command(
    version,
    disable_help_subcommand = true,
    after_help = "\
Examples:
  mock-keyvault                        serve on 127.0.0.1:8443
  mock-keyvault --listen 0             on any free port; `mock-keyvault env` knows which
  eval \"$(mock-keyvault env)\"          in the shell of a client: where the vault is, and who you are
  mock-keyvault --accept-any-token     for a client whose credentials are of another issuer

Exit codes:
  0  it was asked to stop, it is healthy, or the variables are printed
  1  it could not start, it is not healthy, or none runs
  2  an argument was not understood"
)]
pub(super) struct Options {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    /// Where to listen, with TLS; a port alone is one of the loopback, and 0 is any free one
    #[arg(long, global = true, value_name = "ADDRESS", env = "MOCK_KEYVAULT_LISTEN", default_value_t = DEFAULT_LISTEN, value_parser = listen::parse_address)]
    pub(super) listen: SocketAddr,
    /// The folder that everything is kept in [default: the platform's data folder]
    #[arg(long, global = true, value_name = "FOLDER", env = "MOCK_KEYVAULT_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Write where everything is to this file as well, once requests are answered
    #[arg(long, value_name = "FILE", env = "MOCK_KEYVAULT_ENDPOINTS_FILE")]
    pub(super) endpoints_file: Option<PathBuf>,
    /// Use the well-known secrets, and open the admin API and managed identities, although the listener is not on the loopback
    #[arg(long, env = "MOCK_KEYVAULT_TRUSTED_NETWORK")]
    pub(super) trusted_network: bool,
    /// Take any bearer token for the owner's, unless it is one of the issuer's own; refused off the loopback
    #[arg(long, env = "MOCK_KEYVAULT_ACCEPT_ANY_TOKEN")]
    pub(super) accept_any_token: bool,
    /// A further host name or address that clients use, such as a container's name; may be given several times
    #[arg(long, value_name = "NAME", env = "MOCK_KEYVAULT_HOSTNAME_ALIAS", value_delimiter = ',')]
    pub(super) hostname_alias: Vec<String>,
    /// Write the certificate of the local authority to this file as well, for clients to trust
    #[arg(long, value_name = "FILE", env = "MOCK_KEYVAULT_CA_FILE")]
    pub(super) ca_file: Option<PathBuf>,
}

/// What to do other than to serve.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Ask the vault of this data folder whether it is well; for health checks
    Health,
    /// Print what a shell exports for clients of the vault of this data folder
    #[command(after_help = "\
Examples:
  eval \"$(mock-keyvault env)\"                       bash, zsh
  mock-keyvault env --identity virtual-machine      no secret: for DefaultAzureCredential as it is
  mock-keyvault env --shell fish | source
  mock-keyvault env --shell powershell | Out-String | Invoke-Expression")]
    Env(EnvOptions),
    /// Make a damaged data folder start again, and say which keys are lost
    #[command(after_help = super::repair::HELP)]
    Repair(RepairOptions),
}

impl Options {
    /// The folder that was asked for.
    pub(super) fn named_data_dir(&self) -> Option<&Path> {
        self.data_dir.as_deref()
    }

    /// The folder that was asked for, or the platform's.
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
    fn the_arguments_are_sound() {
        Options::command().debug_assert();
    }

    #[test]
    fn without_arguments_it_listens_on_the_loopback_alone() {
        let options = Options::try_parse_from(["mock-keyvault"]).unwrap();

        assert_eq!(options.listen, DEFAULT_LISTEN);
        assert!(!options.trusted_network);
    }

    #[test]
    fn health_takes_the_folder_after_its_name() {
        let options =
            Options::try_parse_from(["mock-keyvault", "health", "--data-dir=/data"]).unwrap();

        assert!(matches!(options.command, Some(Command::Health)));
        assert_eq!(options.data_dir().unwrap(), PathBuf::from("/data"));
    }
}
