//! Serves a vault until the process is asked to stop.

use std::io;

use azure_emulator_core::disk_space::is_out_of_space;
use azure_emulator_core::files::{Access, write_whole};
use mock_keyvault::MockKeyVault;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

use super::client_env::{Identity, Shell, Variables, write_bundle};
use super::endpoints::Endpoints;
use super::failure::Failure;
use super::network::names_resolve;
use super::options::Options;
use super::output::print_line;

pub(super) async fn serve(options: &Options) -> Result<(), Failure> {
    set_limits();
    // For all files: those for other users get their mode explicitly.
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    // Before the vault creates anything that it must clean up.
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let data_dir = options.data_dir()?;
    let builder = MockKeyVault::builder()
        .data_dir(&data_dir)
        .listen(options.listen)
        .trusted_network(options.trusted_network)
        .accept_any_token(options.accept_any_token);
    let builder =
        options.hostname_alias.iter().fold(builder, mock_keyvault::Builder::hostname_alias);
    let vault = builder.start().await?;
    if let Some(path) = &options.ca_file {
        // On a full disk, the file of an earlier start is good enough.
        let is_there = path.exists();
        match write_whole(path, vault.ca_pem().as_bytes(), Access::Public) {
            Err(error) if is_there && is_out_of_space(&error) => warn_of_full_disk(&error),
            written => written?,
        }
    }
    let endpoints = Endpoints::new(&vault);
    let bundle = write_bundle(&data_dir, &endpoints.ca)?;
    let resolves = names_resolve(&endpoints.vault).await;
    let variables = Variables::new(&endpoints, &bundle, Identity::default(), resolves)?;
    let written = endpoints.write(&data_dir, options.endpoints_file.as_deref())?;
    print_line(&banner(&endpoints, &variables, resolves, &own_command(options)));
    tokio::select! {
        _ = interrupt.recv() => tracing::info!("interrupted: stopping"),
        _ = terminate.recv() => tracing::info!("asked to terminate: stopping"),
    }
    // Before the folder is released to the next vault.
    drop(written);
    vault.shutdown().await;
    Ok(())
}

/// The text for a person when requests are answered: the addresses, and the next commands to type.
pub(super) fn banner(
    endpoints: &Endpoints,
    variables: &Variables,
    resolves: bool,
    own_command: &str,
) -> String {
    let variables = match &endpoints.secret_file {
        None => variables.render(Shell::Posix),
        // A generated secret does not belong on a screen or in a log.
        Some(_) => format!("eval \"$({own_command} env)\"\n"),
    };
    let names = if resolves {
        ""
    } else {
        "This machine's resolver does not know names under localhost, so the addresses above use `localhost`. SDKs compare it\n\
         with the resource of their token: turn that off (Python: verify_challenge_resource=False), or add this line to\n\
         /etc/hosts:  127.0.0.1 local.vault.localhost login.localhost\n\n"
    };
    format!(
        "mock-keyvault is ready.\n\n  \
         vault   {}\n  \
         login   {}\n  \
         socket  {}\n  \
         CA      {}\n\n\
         Run this in the shell of a client, or: eval \"$({own_command} env)\"\n\n  \
         {}\n\n\
         {names}\
         With a secret, Python's credentials need disable_instance_discovery=True, those of JavaScript disableInstanceDiscovery.\n\
         With a managed identity, clients need neither: `{own_command} env --identity virtual-machine`.\n\n\
         Ctrl-C stops it.",
        endpoints.vault,
        endpoints.login,
        endpoints.address,
        endpoints.ca.display(),
        variables.trim_end().replace('\n', "\n  "),
    )
}

/// The command with which this program was started, with its data folder if that is not the default: a hint to type.
fn own_command(options: &Options) -> String {
    let program = std::env::args().next().unwrap_or_else(|| "mock-keyvault".to_owned());
    match options.named_data_dir() {
        Some(folder) => {
            format!("{} --data-dir {}", quoted(&program), quoted(&folder.to_string_lossy()))
        }
        None => quoted(&program),
    }
}

/// Quotes an argument for a POSIX shell.
fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

fn warn_of_full_disk(error: &io::Error) {
    tracing::warn!(%error, "the disk is full: cannot write a file for clients");
}

/// Turns off core dumps, which would hold private keys, and raises the limit of open files to the maximum.
fn set_limits() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none).map_err(io::Error::from) {
        tracing::warn!(%error, "cannot turn off core dumps");
    }
    let files = getrlimit(Resource::Nofile);
    let most = Rlimit { current: files.maximum, maximum: files.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, most).map_err(io::Error::from) {
        tracing::debug!(%error, "cannot raise the limit of open files");
    }
}
