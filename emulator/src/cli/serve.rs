//! `sealyard serve`: runs the emulator in the foreground until it is stopped.

use std::error::Error as _;
use std::io;
use std::net::SocketAddr;

use azure_emulator_core::listen::DRAIN;
use mock_keyvault::StartError as VaultStartError;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

use super::banner::{Ending, banner};
use super::context::Context;
use super::error::CliError;
use super::exit::Exit;
use super::output::{count, for_people};
use super::port_owner::PortOwner;
use super::serve_args::ServeArgs;
use crate::admin::StatusReport;
use crate::config::Config;
use crate::password::PasswordSource;
use crate::serve::{Sealyard, StartError};

/// Serves until SIGINT or SIGTERM.
pub(super) fn serve(mut args: ServeArgs, context: &Context) -> Result<Exit, CliError> {
    args.data_dir.clone_from(&context.global.data_dir);
    args.password = ServeArgs::password_from_environment();
    let config = Config::try_from(args)?;
    set_limits();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(run(config, context));
    if let Ok(Exit::Code(_)) = ended {
        // A second Ctrl-C does not wait for the disk either.
        runtime.shutdown_background();
    }
    ended
}

async fn run(config: Config, context: &Context) -> Result<Exit, CliError> {
    // All files are private by default, also those of the database. Files for others get their mode explicitly.
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    let (listen, azure_listen) = (config.listen, config.azure_listen);
    // Before the emulator creates anything that it would have to clean up.
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let started = tokio::select! {
        started = Sealyard::builder().config(config).register().start() => started,
        _ = interrupt.recv() => return Ok(Exit::Code(130)),
        _ = terminate.recv() => return Ok(Exit::Code(143)),
    };
    let emulator = started.map_err(|error| explain(error, listen, azure_listen))?;
    let app = &emulator.app;
    let report = StatusReport::collect(app).await.map_err(io::Error::other)?;
    // The folder of an ephemeral emulator, or a variable, can name another emulator.
    let needs_endpoint = app.config.ephemeral || context.global.endpoint.is_some();
    let hints = if needs_endpoint && !context.hints.is_outside_container() {
        context.hints.only_at(&report.registry)
    } else {
        context.hints.clone()
    };
    if report.password.is_none() && app.config.password != PasswordSource::Generated {
        tracing::warn!(
            "the given password is not used: all listeners are on the loopback, where clients need none"
        );
    }
    context.output.result(&banner(&report, &hints, Ending::CtrlC), &report);
    tokio::select! {
        _ = interrupt.recv() => tracing::info!("interrupted: stopping"),
        _ = terminate.recv() => tracing::info!("terminated: stopping"),
    }
    if let Some(message) = waits_for(&emulator.app.inflight.requests()) {
        tracing::warn!("{message}");
    }
    // A user who asks twice does not want to wait for running requests.
    tokio::select! {
        () = emulator.shutdown() => Ok(Exit::Success),
        _ = interrupt.recv() => Ok(Exit::Code(130)),
        _ = terminate.recv() => Ok(Exit::Code(143)),
    }
}

/// The message about the requests that a stop waits for, if there are any.
fn waits_for(requests: &[String]) -> Option<String> {
    let (first, more) = requests.split_first()?;
    let more = match more.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(format!(
        "waiting at most {} for {} to end: {first}{more}; press Ctrl-C again to stop at once",
        for_people(DRAIN),
        count(requests.len() as u64, "request"),
    ))
}

/// Explains the most common first error: a port in use. The message names the process and the hint.
fn explain(error: StartError, listen: SocketAddr, azure_listen: SocketAddr) -> CliError {
    if !is_taken(&error) {
        return error.into();
    }
    let (address, flag) = match error {
        StartError::Listen { .. } => (listen, "--listen"),
        _ => (azure_listen, "--azure-listen"),
    };
    CliError::PortTaken { address, flag, owner: PortOwner::find(address) }
}

fn is_taken(error: &StartError) -> bool {
    if matches!(error, StartError::Vault(VaultStartError::PortTaken { .. })) {
        return true;
    }
    let mut source = error.source();
    while let Some(cause) = source {
        if cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::AddrInUse)
        {
            return true;
        }
        source = cause.source();
    }
    false
}

/// Turns off core dumps, which would contain keys and content, and raises the limit of open files to the maximum.
pub(super) fn set_limits() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none) {
        tracing::warn!(%error, "cannot turn off core dumps");
    }
    let files = getrlimit(Resource::Nofile);
    if let Err(error) =
        setrlimit(Resource::Nofile, Rlimit { current: files.maximum, maximum: files.maximum })
    {
        tracing::debug!(%error, "cannot raise the limit of open files");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::hints::Hints;

    #[test]
    fn a_stop_says_what_it_waits_for() {
        let requests = ["PATCH /v2/app/blobs/uploads/1", "GET /v2/"].map(str::to_owned);

        assert_eq!(waits_for(&[]), None);
        assert_eq!(
            waits_for(&requests[..1]).unwrap(),
            "waiting at most 10s for 1 request to end: PATCH /v2/app/blobs/uploads/1; press Ctrl-C again to stop at once"
        );
        assert!(waits_for(&requests).unwrap().contains("2 requests to end: PATCH"));
    }

    #[test]
    fn the_error_for_a_port_in_use_names_the_process_and_the_flag() {
        let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = holder.local_addr().unwrap();
        let source = std::net::TcpListener::bind(address).unwrap_err();
        let hints = Hints::new(None, None);

        let error = explain(StartError::Listen { address, source }, address, address);

        let message = error.to_string();
        assert!(
            message.starts_with(&format!("port {} is in use by ", address.port())),
            "{message}"
        );
        assert!(message.ends_with(&format!("(pid {})", std::process::id())), "{message}");
        assert_eq!(
            error.hint(&hints).unwrap(),
            "stop that process, or choose another port with --listen"
        );
        assert_eq!(error.exit(), Exit::Failed);
    }

    #[test]
    fn the_error_for_a_port_of_the_azure_side_names_its_flag() {
        let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let azure = holder.local_addr().unwrap();
        let error = StartError::Vault(VaultStartError::PortTaken { address: azure });

        let error = explain(error, "127.0.0.1:5000".parse().unwrap(), azure);

        let message = error.to_string();
        assert!(message.starts_with(&format!("port {} is in use by ", azure.port())), "{message}");
        let hint = error.hint(&Hints::new(None, None)).unwrap();
        assert_eq!(hint, "stop that process, or choose another port with --azure-listen");
    }

    #[test]
    fn an_address_of_another_machine_is_not_a_port_in_use() {
        let address: SocketAddr = "192.0.2.1:5000".parse().unwrap();
        let source = std::net::TcpListener::bind(address).unwrap_err();

        let error = explain(StartError::Listen { address, source }, address, address);

        assert!(matches!(error, CliError::Start(_)));
    }
}
