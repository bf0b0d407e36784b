//! Serves a vault until the process is asked to stop.

use std::io;

use mock_keyvault::MockKeyVault;
use mock_keyvault::files::{Access, write_whole};
use rustix::process::{Resource, Rlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

use super::endpoints::Endpoints;
use super::options::Options;
use super::{Failure, say};

pub(super) async fn serve(options: &Options) -> Result<(), Failure> {
    no_core_dumps();
    // Before anything is there to be cleaned up.
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let data_dir = options.data_dir()?;
    let builder = MockKeyVault::builder()
        .data_dir(&data_dir)
        .listen(options.listen)
        .trusted_network(options.trusted_network);
    let builder =
        options.hostname_alias.iter().fold(builder, mock_keyvault::Builder::hostname_alias);
    let vault = builder.start().await?;
    if let Some(path) = &options.ca_file {
        write_whole(path, vault.ca_pem().as_bytes(), Access::Public)?;
    }
    let _written = Endpoints::of(&vault).write(&data_dir, options.endpoints_file.as_deref())?;
    say(&banner(&vault, options));
    tokio::select! {
        _ = interrupt.recv() => tracing::info!("interrupted: stopping"),
        _ = terminate.recv() => tracing::info!("asked to terminate: stopping"),
    }
    vault.shutdown().await;
    Ok(())
}

fn banner(vault: &MockKeyVault, options: &Options) -> String {
    let owner = vault.owner();
    let secret = if vault.address().ip().is_loopback() || options.trusted_network {
        "sealyard".to_owned()
    } else {
        format!("in {}", vault.data_dir().join("identity").display())
    };
    format!(
        "mock-keyvault is ready.\n\n  \
         vault   {}\n  \
         socket  {}\n  \
         login   {}\n  \
         CA      {}\n  \
         tenant  {}\n  \
         owner   {} (client id), its secret: {secret}\n\n\
         Ctrl-C stops it.",
        vault.uri(),
        vault.address(),
        vault.authority_uri(),
        vault.ca_path().display(),
        vault.tenant(),
        owner.client_id,
    )
}

/// A core dump would hold private keys.
fn no_core_dumps() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none).map_err(io::Error::from) {
        tracing::warn!(%error, "core dumps could not be turned off");
    }
}
