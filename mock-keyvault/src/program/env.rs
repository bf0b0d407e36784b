//! `mock-keyvault env`: prints the environment variables for a client of the vault that runs with this data folder.

use super::client_env::{Variables, write_bundle};
use super::endpoints::Endpoints;
use super::failure::Failure;
use super::health;
use super::network::names_resolve;
use super::options::{EnvOptions, Options};
use super::output::print_line;

pub(super) async fn env(options: &Options, wish: &EnvOptions) -> Result<(), Failure> {
    let data_dir = options.data_dir()?;
    let none = || Failure::NotRunning(data_dir.clone());
    let mut endpoints = Endpoints::read(&data_dir)?.ok_or_else(none)?;
    // A killed process leaves its file.
    health::check(endpoints.address).await.map_err(|_| none())?;
    let bundle = match &wish.ca {
        Some(copy) => {
            endpoints.ca.clone_from(copy);
            copy.clone()
        }
        None => write_bundle(&data_dir, &endpoints.ca)?,
    };
    let resolves = names_resolve(&endpoints.vault).await;
    let variables = Variables::new(&endpoints, &bundle, wish.identity, resolves)?;
    print_line(variables.render(wish.shell).trim_end());
    Ok(())
}
