//! `mock-keyvault env`: prints the environment variables for a client of the vault that runs with this data folder.

use std::path::PathBuf;

use clap::Args;

use super::client_env::{Identity, Shell, Variables, write_bundle};
use super::endpoints::Endpoints;
use super::options::Options;
use super::{Failure, health, names_resolve, say};

/// The options of `env`.
#[derive(Args, Debug)]
pub(super) struct EnvOptions {
    /// Shell that reads the output
    #[arg(long, value_name = "SHELL", value_enum, default_value_t)]
    shell: Shell,
    /// Identity of the client
    #[arg(long, value_name = "IDENTITY", value_enum, default_value_t)]
    identity: Identity,
    /// The path of the CA certificate on the client's machine, if it is a copy
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

pub(super) async fn env(options: &Options, wish: &EnvOptions) -> Result<(), Failure> {
    let data_dir = options.data_dir()?;
    let none = || Failure::NotRunning(data_dir.clone());
    let mut endpoints = Endpoints::read(&data_dir)?.ok_or_else(none)?;
    // A killed process leaves its file.
    health::asked(endpoints.address).await.map_err(|_| none())?;
    let bundle = match &wish.ca {
        Some(copy) => {
            endpoints.ca.clone_from(copy);
            copy.clone()
        }
        None => write_bundle(&data_dir, &endpoints.ca)?,
    };
    let resolves = names_resolve(&endpoints).await;
    let variables = Variables::of(&endpoints, &bundle, wish.identity, resolves)?;
    say(variables.render(wish.shell).trim_end());
    Ok(())
}
