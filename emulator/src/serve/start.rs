//! Starts an emulator: opens all its parts in order, and connects them.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use azure_emulator_core::clock::Clock;
use azure_emulator_core::listen::{self, Transport};
use mock_keyvault::MockKeyVault;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::builder::Builder;
use super::error::StartError;
use super::handle::Sealyard;
use super::registries::open_registries;
use super::settings::configure;
use super::storage::open_folder;
use super::temporary_folder::folder_until_exit;
use crate::acr::Ping;
use crate::admin::EndpointsFile;
use crate::app::{App, Parts};
use crate::arm::{ControlPlane, PlaneOptions};
use crate::config::ArmOperations;
use crate::directory::EmbeddedDirectory;
use crate::endpoints::Endpoints;
use crate::faults::FaultRules;
use crate::inflight::InflightRequests;
use crate::listeners::{AzureRoutes, Certificates, Guard, Ports};
use crate::platform::LocalPlatform;
use crate::registry::{
    Authenticator, Directory, Events, Intents, ManageError, NoDirectory, RegistryName,
};
use crate::resume::Runner;
use crate::revocation::Revocations;
use crate::routes;
use crate::running::{Entry, Registration, RunningError, RuntimeFolder};
use crate::scheduler::{Scheduler, VaultTime};
use crate::state_watch::StateWatch;
use crate::store::Store;
use crate::vault::VaultConnection;

impl Builder {
    /// Starts the emulator. When this returns, it answers requests.
    pub async fn start(self) -> Result<Sealyard, StartError> {
        let Self { mut config, clock, mut settings, hidden, registers } = self;
        let clock = clock.unwrap_or_else(Clock::system);
        let folder = folder_until_exit(&config)?;
        let data_dir = folder
            .as_ref()
            .map_or_else(|| config.data_dir.clone(), |folder| folder.path().join("data"));
        if hidden {
            config.data_dir.clone_from(&data_dir);
            config.found_by_data_dir = true;
        }
        let any_port = config.listen.port() == 0;
        let listener = bind(config.listen).await?;
        let address = listener.local_addr()?;
        config.listen = address;
        let (store, vault) = open_folder(&mut config, &data_dir, &clock).await?;
        let released = store.released();
        let access = VaultConnection::from_config(&config, vault.as_ref(), &clock)?;
        let owner = access.owner()?;
        configure(&mut settings, &config);
        let platform =
            LocalPlatform::new(access.clone(), owner.clone(), vault.as_ref(), config.key_size)?;
        let events = settings.events.clone();
        tell_notices(vault.as_ref(), &events, &clock);
        let intents = Intents::open(Arc::clone(&store), clock.clone(), events.clone())
            .map_err(ManageError::from)?;
        let revocations = Revocations::open(Arc::clone(&store), intents.clone())?;
        let authenticator = open_authenticator(&store, vault.as_ref(), &clock)?;
        let feed = access.change_feed()?;
        let (registries, subscription) =
            open_registries(&config, store, platform, settings, intents, feed.as_ref()).await?;
        let local = registries.get(RegistryName::LOCAL).ok_or(StartError::NoLocal)?;
        if let Err(error) = revocations.remove_deleted_registries(&registries).await {
            tracing::warn!(%error, "could not delete the revocation records of deleted registries");
        }
        let faults = FaultRules::new(clock.clone());
        let guard = Guard::open(&config, config.listen, &data_dir)?;
        let certificates = Certificates::open(&config, vault.as_ref(), &data_dir, &clock).await?;
        let stop = CancellationToken::new();
        // A failed or cancelled start ends everything that it has begun.
        let stop_on_drop = stop.clone().drop_guard();
        let ports = Ports::new(address, any_port, Arc::clone(&certificates.server), stop.clone());
        let endpoints = Endpoints::new(address, &access, certificates.ca, &data_dir);
        let shared = vault.as_ref().map(|vault| VaultTime::Shared(vault.timekeeper()));
        let time = shared.map_or_else(|| VaultTime::from_connection(&access), Ok)?;
        let scheduler =
            Scheduler::new(clock.clone(), time, registries.clone(), data_dir.clone(), stop.clone());
        tokio::spawn(Arc::clone(&scheduler).follow());
        let lease = config.key_lease;
        let state_watch =
            StateWatch::new(registries.clone(), clock.clone(), lease, feed, stop.clone());
        tokio::spawn(Arc::clone(&state_watch).run(subscription));
        let app = App::new(Parts {
            registries,
            clock,
            config,
            endpoints,
            events,
            ports,
            owner,
            embedded: vault.as_ref().map(MockKeyVault::manager),
            revocations,
            faults,
            resetting: tokio::sync::Mutex::default(),
            scheduler,
            state_watch,
            authenticator,
            inflight: InflightRequests::default(),
            guard,
        });
        resume_operations(&app, vault.as_ref(), &data_dir, &stop).await?;
        let server = tokio::spawn(listen::serve(
            listener,
            routes::routes(&app),
            Transport::TlsAndPlain(certificates.server),
            stop.clone(),
        ));
        app.ports.reconcile(&app).await;
        tokio::spawn(app.ports.clone().follow(app.clone()));
        // Registration comes first: a program that reads the files finds the emulator registered.
        let registration = if registers { register(&app).await } else { None };
        // A program that reads the files finds the disk reserve as full as it can be.
        app.registries.disk_space().refill();
        EndpointsFile::create(&app).await?;
        tokio::spawn(app.clone().remove_records_of_deleted_registries(stop.clone()));
        tokio::spawn(EndpointsFile::follow(app.clone(), stop));
        Ok(Sealyard {
            stop: stop_on_drop,
            app,
            local,
            address,
            vault,
            server,
            registration,
            folder,
            released,
        })
    }
}

/// Resumes interrupted operations, beginning with those that `local` depends on, and opens the Azure side.
async fn resume_operations(
    app: &App,
    vault: Option<&MockKeyVault>,
    data_dir: &Path,
    stop: &CancellationToken,
) -> Result<(), StartError> {
    let options = PlaneOptions {
        polled: app.config.arm_operations == ArmOperations::Polled,
        strict: app.config.strict_parity,
    };
    let plane = vault.map(|vault| ControlPlane::new(app.registries.clone(), vault.gate(), options));
    let runner = Runner::new(app.clone(), plane.clone(), stop.clone());
    runner.before_ready().await;
    if let (Some(vault), Some(plane)) = (vault, plane) {
        let guard = Guard::open(&app.config, vault.address(), data_dir)?;
        let content = routes::registry_routes(app, &guard, RegistryName::LOCAL, Ping::Challenge);
        vault.set_embedded_routes(Arc::new(AzureRoutes::new(content, plane.router())));
    }
    tokio::spawn(runner.follow());
    Ok(())
}

/// Registers an emulator. If that fails, commands still find it by its data folder or its URL.
async fn register(app: &App) -> Option<Registration> {
    let endpoints = &app.endpoints;
    let entry = Entry {
        registry: endpoints.registry().to_owned(),
        pid: std::process::id(),
        instance: endpoints.instance().to_owned(),
        data_dir: endpoints.data_dir().to_owned(),
    };
    let register = move || RuntimeFolder::for_user()?.register(&entry);
    let registered = tokio::task::spawn_blocking(register).await;
    match registered {
        Ok(Ok(registration)) => Some(registration),
        // The home folder of a container is often missing or read-only. Its commands name the data folder.
        Ok(Err(error @ (RunningError::NoFolder | RunningError::Io(_))))
            if app.config.found_by_data_dir =>
        {
            tracing::debug!(%error, "the emulator is not registered");
            None
        }
        Ok(Err(error)) => {
            tracing::warn!(%error, "commands find this emulator only with --endpoint or --data-dir");
            None
        }
        Err(_) => None,
    }
}

/// Opens the authenticator of registries, with the roles of the embedded vault if there is one.
fn open_authenticator(
    store: &Arc<Store>,
    vault: Option<&MockKeyVault>,
    clock: &Clock,
) -> Result<Authenticator, StartError> {
    let directory: Arc<dyn Directory> = match vault {
        Some(vault) => Arc::new(EmbeddedDirectory::new(vault.directory())),
        None => Arc::new(NoDirectory),
    };
    let opened = Authenticator::open(store, directory, clock.clone());
    Ok(opened.map_err(ManageError::from)?)
}

/// Turns notices about the rows of the embedded vault into events.
fn tell_notices(vault: Option<&MockKeyVault>, events: &Events, clock: &Clock) {
    if let Some(vault) = vault {
        let (events, time) = (events.clone(), clock.clone());
        let tell = move |notice: &_| events.noticed(time.now(), "vault", notice);
        vault.listen_to_notices(Box::new(tell));
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| StartError::Listen { address, source })
}
