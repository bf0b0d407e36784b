//! A running vault: its addresses, its folder, its clock and its end.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::gate::Gate;
use super::manager::Manager;
use super::timekeeper::Timekeeper;
use crate::app::App;
use crate::audit::Call;
use crate::model::KeyReference;
use crate::model::error::VaultError;
use crate::model::names::VaultName;
use crate::operation::Operation;
use azure_emulator_core::clock::Clock;
use azure_emulator_core::durable::Listener;
use azure_emulator_core::events::KeyEvent;
use azure_emulator_core::host_router::EmbeddedRoutes;
use azure_emulator_core::identity::{APP_SERVICE_PATH, Credentials, Secret, TENANT};
use azure_emulator_core::tls::LocalAuthority;

/// A running vault. It ends when the handle is dropped.
///
/// ```
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// use mock_keyvault::{KeySize, MockKeyVault};
///
/// let vault = MockKeyVault::builder().ephemeral().start().await.unwrap();
/// let key = vault.create_key("local", "registry-key", KeySize::Rsa2048).await.unwrap();
///
/// assert!(vault.key_uri("local", &key).starts_with(&vault.uri()));
/// # });
/// ```
#[derive(Debug)]
pub struct MockKeyVault {
    pub(super) app: Arc<App>,
    pub(super) address: SocketAddr,
    pub(super) authority: LocalAuthority,
    pub(super) stop: CancellationToken,
    pub(super) server: Option<JoinHandle<()>>,
    pub(super) timekeeper: Timekeeper,
    /// Performs the scheduled actions as time passes.
    pub(super) time: Option<JoinHandle<()>>,
    /// Reports the changes that come with time.
    pub(super) change_notifier: Option<JoinHandle<()>>,
    /// Ends the server when the handle is dropped.
    pub(super) _stop_on_drop: DropGuard,
}

impl MockKeyVault {
    /// The address of the vault called `local`, such as `https://local.vault.localhost:8443`.
    ///
    /// Not every resolver knows names under `localhost`: a client may need to be told that the name means [`Self::address`].
    pub fn uri(&self) -> String {
        self.vault_uri(VaultName::LOCAL)
    }

    /// The address of a vault.
    pub fn vault_uri(&self, vault: &str) -> String {
        format!("https://{vault}.vault.localhost:{}", self.address.port())
    }

    /// The address of a key, or of a version if one is named.
    pub fn key_uri(&self, vault: &str, key: &KeyReference) -> String {
        format!("{}/keys/{key}", self.vault_uri(vault))
    }

    /// The address of the issuer, such as `https://login.localhost:8443`.
    pub fn authority_uri(&self) -> String {
        format!("https://login.localhost:{}", self.address.port())
    }

    /// The value of `AZURE_POD_IDENTITY_AUTHORITY_HOST` for clients that get managed-identity tokens as on a virtual machine.
    pub fn imds_uri(&self) -> String {
        format!("http://{}", self.reachable())
    }

    /// The value of `IDENTITY_ENDPOINT` for clients that get managed-identity tokens as in App Service.
    pub fn identity_endpoint(&self) -> String {
        format!("http://{}{APP_SERVICE_PATH}", self.reachable())
    }

    /// The value of `IDENTITY_HEADER`, which belongs to that endpoint.
    pub fn identity_header(&self) -> &Secret {
        self.app.issuer.identity_header()
    }

    /// Notices about the stored rows since the start, as sentences for people.
    pub fn notices(&self) -> Vec<String> {
        self.app.vaults.notices()
    }

    /// Registers a listener for notices about the stored rows: it gets the existing notices at once, and later ones as they come.
    pub fn listen_to_notices(&self, listener: Listener) {
        self.app.vaults.listen_to_notices(listener);
    }

    /// The address of the listener.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate of the local authority, PEM.
    pub fn ca_pem(&self) -> &str {
        self.authority.ca_pem()
    }

    /// The path of that certificate's file.
    pub fn ca_path(&self) -> &Path {
        self.authority.ca_path()
    }

    /// The local authority, which can also issue certificates for other listeners of the program.
    pub fn certificate_authority(&self) -> &LocalAuthority {
        &self.authority
    }

    /// The gate, with which an embedding control plane authenticates and authorizes callers.
    pub fn gate(&self) -> Gate {
        Gate::new(&self.app)
    }

    /// Sets the routes that an embedding program serves on this listener, in place of earlier ones.
    pub fn set_embedded_routes(&self, routes: Arc<dyn EmbeddedRoutes>) {
        self.app.host_router.set(Some(routes));
    }

    /// The data folder.
    pub fn data_dir(&self) -> &Path {
        self.app.folder.path()
    }

    /// The tenant of all identities.
    pub fn tenant(&self) -> &'static str {
        TENANT
    }

    /// The owner, who has every permission.
    pub fn owner(&self) -> &Credentials {
        self.app.issuer.owner()
    }

    /// The well-known identity of a registry, which has the permissions get, wrap and unwrap.
    pub fn managed_identity(&self) -> &Credentials {
        self.app.issuer.managed_identity()
    }

    /// The clock of the vault.
    pub fn clock(&self) -> &Clock {
        &self.app.clock
    }

    /// The timekeeper, with which the mover of the clock performs the scheduled actions.
    pub fn timekeeper(&self) -> Timekeeper {
        self.timekeeper.clone()
    }

    /// The manager, with which an embedding control plane creates identities and permits them to use keys.
    pub fn manager(&self) -> Manager {
        Manager::new(&self.app)
    }

    /// Performs everything that is due by the clock, in the order of time: rotations, notices, expirations, purges.
    ///
    /// The vault also does this by itself. Call this after you move the clock, to see the effects.
    pub async fn run_due(&self) -> Result<(), VaultError> {
        self.timekeeper.run_due().await.map(drop)
    }

    /// Moves the clock, and returns when the vault has done everything that became due.
    ///
    /// The offset survives a restart if the clock is this vault's own.
    pub async fn advance(&self, by: Duration) -> Result<(), VaultError> {
        self.app.clock.advance(by);
        let app = Arc::clone(&self.app);
        tokio::task::spawn_blocking(move || app.save_clock())
            .await
            .map_err(|error| VaultError::Internal(error.to_string()))??;
        self.run_due().await
    }

    /// The events of keys so far, the oldest first: at most the last 1,000.
    pub fn events(&self) -> Vec<KeyEvent> {
        self.app.vaults.events().events()
    }

    /// The calls of the keys API so far, the oldest first: at most the last 10,000. Methods of this handle are not included.
    pub fn calls(&self) -> Vec<Call> {
        self.app.audit.calls()
    }

    /// The calls of one operation in [`Self::calls`], including refused ones: see their `status`.
    pub fn calls_of(&self, operation: Operation) -> Vec<Call> {
        self.calls().into_iter().filter(|call| call.operation == operation).collect()
    }

    /// Stops accepting connections, waits at most [`azure_emulator_core::listen::DRAIN`] for running requests, and returns when all is closed.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        if let Some(server) = self.server.take() {
            // The server ends in any case, and an error of its end cannot be handled.
            let _ = server.await;
        }
        for task in [self.time.take(), self.change_notifier.take()].into_iter().flatten() {
            let _ = task.await;
        }
        // The last owner of the database closes it, which blocks.
        let _ = tokio::task::spawn_blocking(move || {
            self.app.audit.close();
            drop(self);
        })
        .await;
    }

    /// The address of the listener, with the unspecified address replaced by the loopback.
    fn reachable(&self) -> SocketAddr {
        let mut address = self.address;
        match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => (),
        }
        address
    }
}

impl Drop for MockKeyVault {
    fn drop(&mut self) {
        // The routes of the embedding program may hold a reference to the vault: without this, neither would ever end.
        self.app.host_router.set(None);
    }
}
