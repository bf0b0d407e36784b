//! Starts a vault and keeps it running: [`MockKeyVault`], for tests, for the emulator, and for the `mock-keyvault` program.
//!
//! Opening blocks (disk, primes) and runs outside the async threads; the issuer's key is created in parallel. The server ends
//! when the handle is dropped; [`MockKeyVault::shutdown`] also waits for running requests.

mod builder;
mod folder;
mod gate;
mod herald;
mod manager;
mod timekeeper;
mod vaults;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::audit::Call;
use crate::model::KeyReference;
use crate::model::ec::Curve;
use crate::model::error::VaultError;
use crate::model::material::KeyShape;
use crate::model::names::{KeyName, KeyVersion, VaultName};
use crate::model::policy::{AccessPolicy, KeyPermission};
use crate::model::rotation::{PolicyTerms, Trigger};
use crate::model::rsa::KeySize;
use crate::operation::Operation;
use crate::router::App;
use crate::throttle::Throttling;
use crate::vault::{KeyChanges, NewKey, Vaults};
use azure_emulator_core::clock::Clock;
use azure_emulator_core::durable::Listener;
use azure_emulator_core::duration::IsoDuration;
use azure_emulator_core::events::KeyEvent;
use azure_emulator_core::faults::{FaultError, FaultKind, FaultReport, FaultRule};
use azure_emulator_core::front::Front;
use azure_emulator_core::identity::{
    APP_SERVICE_PATH, Credentials, Issuer, MadePrincipal, NewPrincipal, Principal, PrincipalError,
    Secret, TENANT,
};
use azure_emulator_core::room::Pretended;
use azure_emulator_core::tls::LocalAuthority;

pub use builder::{Builder, StartError};
pub(crate) use folder::Folder;
pub(crate) use gate::Accepted;
pub use gate::{Gate, GateRefusal};
pub use manager::{Manager, ManagerError};
pub use timekeeper::Timekeeper;
pub use vaults::RoleError;

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
    app: Arc<App>,
    address: SocketAddr,
    authority: LocalAuthority,
    stop: CancellationToken,
    server: Option<JoinHandle<()>>,
    timekeeper: Timekeeper,
    /// Performs the scheduled actions as time passes.
    time: Option<JoinHandle<()>>,
    /// Reports the changes that come with time.
    herald: Option<JoinHandle<()>>,
    /// Ends the server when the handle is dropped.
    _stop_on_drop: DropGuard,
}

impl MockKeyVault {
    /// A builder with the default settings.
    pub fn builder() -> Builder {
        Builder::default()
    }

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
    pub fn set_front(&self, front: Arc<dyn Front>) {
        self.app.front.set(Some(front));
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
        tokio::task::spawn_blocking(move || app.keep_clock())
            .await
            .map_err(|error| VaultError::Internal(error.to_string()))??;
        self.run_due().await
    }

    /// The events of keys so far, the oldest first: at most the last 1,000.
    pub fn events(&self) -> Vec<KeyEvent> {
        self.app.vaults.events().events()
    }

    /// Creates an RSA key, or a new version of it, and returns when it is durable.
    pub async fn create_key(
        &self,
        vault: &str,
        key: &str,
        size: KeySize,
    ) -> Result<KeyReference, VaultError> {
        self.create(vault, key, KeyShape::Rsa(size)).await
    }

    /// Creates a key on an elliptic curve, or a new version of it, and returns when it is durable.
    pub async fn create_ec_key(
        &self,
        vault: &str,
        key: &str,
        curve: Curve,
    ) -> Result<KeyReference, VaultError> {
        self.create(vault, key, KeyShape::Ec(curve)).await
    }

    /// The newest version of a key, or `None` if the key does not exist.
    pub async fn latest_version(
        &self,
        vault: &str,
        key: &str,
    ) -> Result<Option<KeyReference>, VaultError> {
        let at = KeyReference { name: key.parse()?, version: None };
        match self.call(vault, move |vaults, vault| vaults.key(vault, &at)).await {
            Ok(found) => {
                Ok(Some(KeyReference { name: found.name, version: Some(found.version.id.clone()) }))
            }
            Err(VaultError::KeyNotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Creates a new version of a key like its newest version, and returns when it is durable.
    pub async fn rotate_key(&self, vault: &str, key: &str) -> Result<KeyReference, VaultError> {
        let name: KeyName = key.parse()?;
        let made = self.call(vault, move |vaults, vault| vaults.rotate(vault, &name)).await?;
        Ok(KeyReference { name: made.name, version: Some(made.version.id.clone()) })
    }

    /// Rotates a key automatically this long after the creation of each version, in place of its earlier policy. These versions
    /// expire after `expiry`, if there is one. See [`Self::advance`].
    pub async fn rotate_automatically(
        &self,
        vault: &str,
        key: &str,
        after_create: IsoDuration,
        expiry: Option<IsoDuration>,
    ) -> Result<(), VaultError> {
        let name: KeyName = key.parse()?;
        let terms = PolicyTerms::new(Some(Trigger::AfterCreate(after_create)), None, expiry)?;
        self.call(vault, move |vaults, vault| vaults.set_rotation_policy(vault, &name, terms))
            .await
            .map(drop)
    }

    /// Enables or disables a version of a key, or its newest version.
    pub async fn set_key_enabled(
        &self,
        vault: &str,
        key: &str,
        version: Option<&str>,
        enabled: bool,
    ) -> Result<(), VaultError> {
        let version: Option<KeyVersion> = version.map(str::parse).transpose()?;
        let at = KeyReference { name: key.parse()?, version };
        let changes = KeyChanges { enabled: Some(enabled), ..KeyChanges::default() };
        self.call(vault, move |vaults, vault| vaults.update(vault, &at, changes)).await.map(drop)
    }

    /// Gives an identity, by its object id, these permissions in place of its earlier ones.
    pub async fn set_access_policy(
        &self,
        vault: &str,
        object_id: &str,
        permissions: &[KeyPermission],
    ) -> Result<(), VaultError> {
        let policy = AccessPolicy::new(object_id, permissions);
        let object_id = object_id.to_owned();
        self.call(vault, move |vaults, vault| vaults.set_policy(vault, &object_id, Some(policy)))
            .await
    }

    /// Removes the access policy of an identity.
    pub async fn remove_access_policy(
        &self,
        vault: &str,
        object_id: &str,
    ) -> Result<(), VaultError> {
        let object_id = object_id.to_owned();
        self.call(vault, move |vaults, vault| vaults.set_policy(vault, &object_id, None)).await
    }

    /// Deletes a key with all its versions; it can be recovered.
    pub async fn delete_key(&self, vault: &str, key: &str) -> Result<(), VaultError> {
        let name: KeyName = key.parse()?;
        self.call(vault, move |vaults, vault| vaults.delete(vault, &name)).await.map(drop)
    }

    /// Recovers a deleted key.
    pub async fn recover_key(&self, vault: &str, key: &str) -> Result<(), VaultError> {
        let name: KeyName = key.parse()?;
        self.call(vault, move |vaults, vault| vaults.recover(vault, &name)).await.map(drop)
    }

    /// Purges a deleted key for good.
    pub async fn purge_key(&self, vault: &str, key: &str) -> Result<(), VaultError> {
        let name: KeyName = key.parse()?;
        self.call(vault, move |vaults, vault| vaults.purge(vault, &name)).await
    }

    /// All principals, including the two well-known ones.
    pub fn principals(&self) -> Vec<Arc<Principal>> {
        self.app.issuer.principals()
    }

    /// Creates an application with a secret and without permissions: see [`Self::set_access_policy`].
    pub async fn add_application(&self, name: &str) -> Result<MadePrincipal, PrincipalError> {
        self.add_principal(NewPrincipal::application(name)?).await
    }

    /// Creates a principal, and returns when it is durable.
    pub async fn add_principal(&self, new: NewPrincipal) -> Result<MadePrincipal, PrincipalError> {
        self.issue(move |issuer| issuer.add_principal(new)).await
    }

    /// Removes a principal by its client id: it gets no more tokens, and its next call is refused.
    pub async fn remove_principal(&self, client_id: &str) -> Result<(), PrincipalError> {
        let client_id = client_id.to_owned();
        self.issue(move |issuer| issuer.remove_principal(&client_id)).await
    }

    /// A token for a principal, by its client id, and a resource such as `https://vault.azure.net`: like one from the issuer.
    pub fn token(&self, client_id: &str, resource: &str) -> Result<Secret, PrincipalError> {
        let issuer = &self.app.issuer;
        Ok(issuer.token_for(&*issuer.principal(client_id)?, resource)?)
    }

    /// Starts or ends an outage, in which every vault answers 503: a fault called `outage`. The issuer keeps working.
    pub fn set_outage(&self, outage: bool) {
        self.set_outage_of("keys", "outage", outage);
    }

    /// Starts or ends an outage in which the issuer answers 503: a fault called `issuer-outage`. The vaults keep working.
    pub fn set_issuer_outage(&self, outage: bool) {
        self.set_outage_of("issuer", "issuer-outage", outage);
    }

    /// Starts or ends the simulation of a full disk. The vault answers a change with 507; deletions and uses of keys still work,
    /// because the reserve is there for them.
    pub fn set_disk_full(&self, full: bool) {
        self.set_disk(if full { Pretended::Full } else { Pretended::Nothing });
    }

    /// Simulates this state of the disk. With [`Pretended::UsedUp`] the vault refuses deletions and uses of keys as well.
    pub fn set_disk(&self, disk: Pretended) {
        self.app.folder.room().pretend(disk);
    }

    /// Adds a fault, or replaces the fault with the same name. Returns the id with which it can be removed.
    pub fn add_fault(&self, rule: FaultRule) -> Result<String, FaultError> {
        self.app.faults.add(rule)
    }

    /// Removes a fault. Returns whether the fault existed.
    pub fn remove_fault(&self, id: &str) -> bool {
        self.app.faults.remove(id)
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.app.faults.clear();
    }

    /// The active faults.
    pub fn faults(&self) -> Vec<FaultReport> {
        self.app.faults.rules()
    }

    /// Sets the limits of each vault; `None`, which is the default, removes them.
    pub fn set_throttling(&self, limits: Option<Throttling>) {
        self.app.throttle.set(limits);
    }

    fn set_outage_of(&self, class: &str, name: &str, outage: bool) {
        if outage {
            let rule = FaultRule::new(class, FaultKind::Outage).named(name);
            if let Err(error) = self.app.faults.add(rule) {
                tracing::error!(%error, "cannot set an outage");
            }
        } else {
            self.app.faults.remove(name);
        }
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
        for task in [self.time.take(), self.herald.take()].into_iter().flatten() {
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

    async fn issue<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Issuer) -> Result<T, PrincipalError> + Send + 'static,
    ) -> Result<T, PrincipalError> {
        let issuer = Arc::clone(&self.app.issuer);
        tokio::task::spawn_blocking(move || call(&issuer)).await.map_err(io::Error::other)?
    }

    async fn create(
        &self,
        vault: &str,
        key: &str,
        shape: KeyShape,
    ) -> Result<KeyReference, VaultError> {
        let name: KeyName = key.parse()?;
        let made = self
            .call(vault, move |vaults, vault| vaults.create(vault, &name, NewKey::of(shape)))
            .await?;
        Ok(KeyReference { name: made.name, version: Some(made.version.id.clone()) })
    }

    async fn call<T: Send + 'static>(
        &self,
        vault: &str,
        call: impl FnOnce(&Vaults, &VaultName) -> Result<T, VaultError> + Send + 'static,
    ) -> Result<T, VaultError> {
        let vault: VaultName = vault.parse()?;
        let vaults = Arc::clone(&self.app.vaults);
        tokio::task::spawn_blocking(move || call(&vaults, &vault))
            .await
            .map_err(|error| VaultError::Internal(error.to_string()))?
    }
}

impl Drop for MockKeyVault {
    fn drop(&mut self) {
        // The routes of the embedding program may hold a reference to the vault: without this, neither would ever end.
        self.app.front.set(None);
    }
}
