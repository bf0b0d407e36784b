//! `sealyard serve`: the emulator in the foreground, until it is told to stop.

use std::error::Error as _;
use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

use azure_emulator_core::identity::OWNER_CLIENT_ID;
use azure_emulator_core::listen::DRAIN;
use mock_keyvault::StartError as VaultStartError;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

use super::Context;
use super::error::{CliError, Exit};
use super::hints::{Hint, Hints};
use super::output::{count, for_people};
use super::port_owner::PortOwner;
use super::status::{data_in_words, insecure_registries, state_in_words};
use crate::admin::{PasswordPlace, StatusReport};
use crate::config::{Config, ServeArgs};
use crate::password::PasswordSource;
use crate::serve::{LOCAL, Sealyard, StartError};

/// Serves until SIGINT or SIGTERM.
pub(super) fn serve(mut args: ServeArgs, context: &Context) -> Result<Exit, CliError> {
    args.data_dir.clone_from(&context.global.data_dir);
    args.password = ServeArgs::password_of_environment();
    let config = Config::try_from(args)?;
    set_limits();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(run(config, context));
    if let Ok(Exit::Of(_)) = ended {
        // The second Ctrl-C does not wait for a disk either.
        runtime.shutdown_background();
    }
    ended
}

async fn run(config: Config, context: &Context) -> Result<Exit, CliError> {
    // Whatever makes a file, such as the database: what is for others says so.
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    let (listen, azure_listen) = (config.listen, config.azure_listen);
    // Before anything is there to be cleaned up.
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let started = tokio::select! {
        started = Sealyard::builder().config(config).register().start() => started,
        _ = interrupt.recv() => return Ok(Exit::Of(130)),
        _ = terminate.recv() => return Ok(Exit::Of(143)),
    };
    let emulator = started.map_err(|error| explained(error, listen, azure_listen))?;
    let app = emulator.app();
    let report = StatusReport::of(app).await.map_err(io::Error::other)?;
    // The folder of an ephemeral emulator can be that of another one, and a variable can name another one.
    let needs_endpoint = app.config.ephemeral || context.global.endpoint.is_some();
    let hints = if needs_endpoint && !context.hints.is_outside() {
        context.hints.only_at(&report.registry)
    } else {
        context.hints.clone()
    };
    if report.password.is_none() && app.config.password != PasswordSource::Generated {
        tracing::warn!(
            "nobody is asked for the password that was given: all listeners are on the loopback"
        );
    }
    context.output.result(&banner(&report, &hints, Ending::CtrlC), &report);
    tokio::select! {
        _ = interrupt.recv() => tracing::info!("interrupted: stopping"),
        _ = terminate.recv() => tracing::info!("asked to terminate: stopping"),
    }
    if let Some(words) = waits_for(&emulator.app().under_way.requests()) {
        tracing::warn!("{words}");
    }
    // Whoever asks twice does not want to wait for requests that are under way.
    tokio::select! {
        () = emulator.shutdown() => Ok(Exit::Fine),
        _ = interrupt.recv() => Ok(Exit::Of(130)),
        _ = terminate.recv() => Ok(Exit::Of(143)),
    }
}

/// What a stop waits for. None: no request is under way.
fn waits_for(requests: &[String]) -> Option<String> {
    let (first, more) = requests.split_first()?;
    let more = match more.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(format!(
        "waiting at most {} for {} under way: {first}{more}; Ctrl-C again ends at once",
        for_people(DRAIN),
        count(requests.len() as u64, "request"),
    ))
}

/// How an emulator is stopped.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ending<'a> {
    /// It runs in this terminal.
    CtrlC,
    /// It runs in the background.
    Background {
        /// Where its lines go.
        log: &'a Path,
    },
}

/// What to type next.
pub(super) fn banner(report: &StatusReport, hints: &Hints, ending: Ending<'_>) -> String {
    let mut text = String::from("Sealyard is ready.\n\n");
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "  {name:<9} {value}");
    };
    let local = report.find("local");
    let state =
        local.map(|local| state_in_words(&local.state, local.cause.as_deref())).unwrap_or_default();
    line("registry", &format!("{} ({state})", report.registry));
    line("vault", &report.vault);
    if let Some(key) = local.and_then(|local| local.key.as_ref()) {
        line("key", key.versioned_key_identifier.as_ref().unwrap_or(&key.key_identifier));
    }
    line("data", &data_in_words(report, hints));
    if let Ending::Background { log } = ending {
        line("log", &log.display().to_string());
    }
    let server = local.map_or("localhost:5000", |local| local.login_server.as_str());
    let insecure = insecure_registries(server).map_or_else(String::new, |words| words + "\n");
    let _ = write!(
        text,
        "\nPush something to it:\n\
         \x20 docker tag alpine {server}/alpine:1 && docker push {server}/alpine:1\n\
         \x20 podman push --tls-verify=false alpine {server}/alpine:1\n\
         \x20 helm push app-1.0.0.tgz oci://{server}/charts --plain-http\n\
         {insecure}\n\
         Then take the key away, look, and give it back:\n\
         \x20 {}\n\
         \x20 {}\n\
         \x20 {}\n\
         {}\n\
         {} stops it.\n",
        hints.line(&Hint::RevokePolicy),
        hints.line(&Hint::Status),
        hints.line(&Hint::Restore { registry: LOCAL }),
        secrets(report, hints),
        match ending {
            Ending::CtrlC => "Ctrl-C".to_owned(),
            Ending::Background { .. } => format!("`{}`", hints.line(&Hint::Stop)),
        },
    );
    text
}

/// How to get the secrets that clients need. The secrets themselves never stand here: what is printed ends in a log.
fn secrets(report: &StatusReport, hints: &Hints) -> String {
    let mut text = String::new();
    match &report.password {
        None => (),
        Some(PasswordPlace::Given) => {
            text += "\nClients log in with any user name and the password that you gave.\n";
        }
        Some(PasswordPlace::File(_)) => {
            let command = hints.line(&Hint::Password { owner: false });
            let _ = write!(
                text,
                "\nClients log in with any user name and the password that this prints:\n  {command}\n"
            );
        }
    }
    if report.owner_secret.is_some() {
        let command = hints.line(&Hint::Password { owner: true });
        let _ = write!(
            text,
            "\nAzure's clients sign in as {OWNER_CLIENT_ID} with the secret that this prints:\n  {command}\n"
        );
    }
    text
}

/// A taken port is the error that people meet first: it says who has it, and what to do.
fn explained(error: StartError, listen: SocketAddr, azure_listen: SocketAddr) -> CliError {
    if !is_taken(&error) {
        return error.into();
    }
    let (address, flag) = match error {
        StartError::Listen { .. } => (listen, "--listen"),
        _ => (azure_listen, "--azure-listen"),
    };
    CliError::PortTaken { address, flag, owner: PortOwner::of(address) }
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

/// No core dumps: they would hold keys and content. As many open files as the system lets us have.
pub(super) fn set_limits() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none) {
        tracing::warn!(%error, "core dumps could not be turned off");
    }
    let files = getrlimit(Resource::Nofile);
    if let Err(error) =
        setrlimit(Resource::Nofile, Rlimit { current: files.maximum, maximum: files.maximum })
    {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_says_what_it_waits_for() {
        let requests = ["PATCH /v2/app/blobs/uploads/1", "GET /v2/"].map(str::to_owned);

        assert_eq!(waits_for(&[]), None);
        assert_eq!(
            waits_for(&requests[..1]).unwrap(),
            "waiting at most 10s for 1 request under way: PATCH /v2/app/blobs/uploads/1; Ctrl-C again ends at once"
        );
        assert!(waits_for(&requests).unwrap().contains("2 requests under way: PATCH"));
    }

    #[test]
    fn a_taken_port_is_told_with_its_owner_and_the_flag_that_chooses_another() {
        let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = holder.local_addr().unwrap();
        let source = std::net::TcpListener::bind(address).unwrap_err();
        let hints = Hints::new(None, None);

        let error = explained(StartError::Listen { address, source }, address, address);

        let words = error.to_string();
        assert!(words.starts_with(&format!("port {} is taken by ", address.port())), "{words}");
        assert!(words.ends_with(&format!("(pid {})", std::process::id())), "{words}");
        assert_eq!(error.hint(&hints).unwrap(), "stop it, or choose another with --listen");
        assert_eq!(error.exit(), Exit::Failed);
    }

    #[test]
    fn a_taken_port_of_the_azure_side_names_its_own_flag() {
        let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let azure = holder.local_addr().unwrap();
        let error = StartError::Vault(VaultStartError::PortTaken { address: azure });

        let error = explained(error, "127.0.0.1:5000".parse().unwrap(), azure);

        let words = error.to_string();
        assert!(words.starts_with(&format!("port {} is taken by ", azure.port())), "{words}");
        let hint = error.hint(&Hints::new(None, None)).unwrap();
        assert_eq!(hint, "stop it, or choose another with --azure-listen");
    }

    #[test]
    fn an_address_that_is_not_ours_is_not_a_taken_port() {
        let address: SocketAddr = "192.0.2.1:5000".parse().unwrap();
        let source = std::net::TcpListener::bind(address).unwrap_err();

        let error = explained(StartError::Listen { address, source }, address, address);

        assert!(matches!(error, CliError::Start(_)));
    }
}
