//! Starts a vault and holds it: [`MockKeyVault`], for tests, for the emulator, and for the `mock-keyvault` program.
//!
//! Opening blocks (disk, primes) and happens off the async threads; the issuer's key is made beside all else.
//! The server ends when the handle is dropped; [`MockKeyVault::shutdown`] also waits for requests under way.

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
use crate::operation::Operation;
use crate::router::App;
use crate::throttle::Throttling;
use crate::vault::ec::Curve;
use crate::vault::error::VaultError;
use crate::vault::names::{KeyName, KeyVersion, VaultName};
use crate::vault::policy::{AccessPolicy, KeyPermission};
use crate::vault::rsa::KeySize;
use crate::vault::{KeyChanges, KeyReference, KeyShape, NewKey, PolicyTerms, Trigger, Vaults};
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

/// A running vault. It ends when this is dropped.
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
    /// Does what becomes due as time passes.
    time: Option<JoinHandle<()>>,
    /// Tells of what changes as time passes.
    herald: Option<JoinHandle<()>>,
    /// Ends the server when the handle is dropped.
    _stop_on_drop: DropGuard,
}

impl MockKeyVault {
    /// How a vault is to be started.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The address of the vault called `local`, such as `https://local.vault.localhost:8443`.
    ///
    /// Not every resolver knows names under `localhost`: a client may have to be told that it is [`Self::address`].
    pub fn uri(&self) -> String {
        self.vault_uri(VaultName::LOCAL)
    }

    /// The address of a vault.
    pub fn vault_uri(&self, vault: &str) -> String {
        format!("https://{vault}.vault.localhost:{}", self.address.port())
    }

    /// The address of a key, or of the version that is named.
    pub fn key_uri(&self, vault: &str, key: &KeyReference) -> String {
        format!("{}/keys/{key}", self.vault_uri(vault))
    }

    /// The address of the issuer, such as `https://login.localhost:8443`.
    pub fn authority_uri(&self) -> String {
        format!("https://login.localhost:{}", self.address.port())
    }

    /// What `AZURE_POD_IDENTITY_AUTHORITY_HOST` is to hold, for clients that get managed-identity tokens from a virtual machine.
    pub fn imds_uri(&self) -> String {
        format!("http://{}", self.reachable())
    }

    /// What `IDENTITY_ENDPOINT` is to hold, for clients that get managed-identity tokens from App Service.
    pub fn identity_endpoint(&self) -> String {
        format!("http://{}{APP_SERVICE_PATH}", self.reachable())
    }

    /// What `IDENTITY_HEADER` is to hold beside it.
    pub fn identity_header(&self) -> &Secret {
        self.app.issuer.identity_header()
    }

    /// What people should know about the stored rows since the start, in sentences.
    pub fn notices(&self) -> Vec<String> {
        self.app.vaults.notices()
    }

    /// Tells a listener of what people should know about the stored rows: of what there is at once, and of what comes.
    pub fn listen_to_notices(&self, listener: Listener) {
        self.app.vaults.listen_to_notices(listener);
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate of the local authority, PEM.
    pub fn ca_pem(&self) -> &str {
        self.authority.ca_pem()
    }

    /// The file of that certificate.
    pub fn ca_path(&self) -> &Path {
        self.authority.ca_path()
    }

    /// The local authority: other listeners of the same program may have its certificates as well.
    pub fn certificate_authority(&self) -> &LocalAuthority {
        &self.authority
    }

    /// What says who asks and what they may, for a control plane that embeds the vault.
    pub fn gate(&self) -> Gate {
        Gate::new(&self.app)
    }

    /// Has an embedding program answer on this listener for what is its own, in place of what answered before.
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

    /// Who may do everything.
    pub fn owner(&self) -> &Credentials {
        self.app.issuer.owner()
    }

    /// Who may get, wrap and unwrap: the identity of a registry.
    pub fn managed_identity(&self) -> &Credentials {
        self.app.issuer.managed_identity()
    }

    /// The clock that everything here goes by.
    pub fn clock(&self) -> &Clock {
        &self.app.clock
    }

    /// What makes the vault do what is due, for whoever moves its clock.
    pub fn timekeeper(&self) -> Timekeeper {
        self.timekeeper.clone()
    }

    /// What makes identities here and lets them use keys, for a control plane that embeds the vault.
    pub fn manager(&self) -> Manager {
        Manager::new(&self.app)
    }

    /// Returns when everything that is due by the clock was done, in the order of time: rotations, notices, ends, purges.
    ///
    /// It happens by itself too. Call this after the clock was moved, to see what came of it.
    pub async fn run_due(&self) -> Result<(), VaultError> {
        self.timekeeper.run_due().await.map(drop)
    }

    /// Moves the time of everything here, and returns when everything that became due was done.
    ///
    /// The offset is kept over a restart if the clock is this vault's own.
    pub async fn advance(&self, by: Duration) -> Result<(), VaultError> {
        self.app.clock.advance(by);
        let app = Arc::clone(&self.app);
        tokio::task::spawn_blocking(move || app.keep_clock())
            .await
            .map_err(|error| VaultError::Internal(error.to_string()))??;
        self.run_due().await
    }

    /// What became of keys so far, the oldest first: at most the last 1,000.
    pub fn events(&self) -> Vec<KeyEvent> {
        self.app.vaults.events().events()
    }

    /// Makes an RSA key, or a new version of it, and returns when it is durable.
    pub async fn create_key(
        &self,
        vault: &str,
        key: &str,
        size: KeySize,
    ) -> Result<KeyReference, VaultError> {
        self.create(vault, key, KeyShape::Rsa(size)).await
    }

    /// Makes a key on an elliptic curve, or a new version of it, and returns when it is durable.
    pub async fn create_ec_key(
        &self,
        vault: &str,
        key: &str,
        curve: Curve,
    ) -> Result<KeyReference, VaultError> {
        self.create(vault, key, KeyShape::Ec(curve)).await
    }

    /// The newest version of a key, or none if there is no such key.
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

    /// Makes a new version of a key like its newest, and returns when it is durable.
    pub async fn rotate_key(&self, vault: &str, key: &str) -> Result<KeyReference, VaultError> {
        let name: KeyName = key.parse()?;
        let made = self.call(vault, move |vaults, vault| vaults.rotate(vault, &name)).await?;
        Ok(KeyReference { name: made.name, version: Some(made.version.id.clone()) })
    }

    /// Has a key rotate this long after each version was made, in place of the policy that it had. A version that is made
    /// so ends after `expiry`, if that is said. See [`Self::advance`].
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

    /// Enables or disables a version of a key, or the newest.
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

    /// Gives an identity, by its object id, these permissions in place of those it had.
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

    /// Takes the access policy of an identity away.
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

    /// Brings a deleted key back.
    pub async fn recover_key(&self, vault: &str, key: &str) -> Result<(), VaultError> {
        let name: KeyName = key.parse()?;
        self.call(vault, move |vaults, vault| vaults.recover(vault, &name)).await.map(drop)
    }

    /// Destroys a deleted key for good.
    pub async fn purge_key(&self, vault: &str, key: &str) -> Result<(), VaultError> {
        let name: KeyName = key.parse()?;
        self.call(vault, move |vaults, vault| vaults.purge(vault, &name)).await
    }

    /// All principals, the two well-known ones among them.
    pub fn principals(&self) -> Vec<Arc<Principal>> {
        self.app.issuer.principals()
    }

    /// Makes an application with a secret, which is allowed nothing yet: see [`Self::set_access_policy`].
    pub async fn add_application(&self, name: &str) -> Result<MadePrincipal, PrincipalError> {
        self.add_principal(NewPrincipal::application(name)?).await
    }

    /// Makes a principal, and returns when it is durable.
    pub async fn add_principal(&self, new: NewPrincipal) -> Result<MadePrincipal, PrincipalError> {
        self.issue(move |issuer| issuer.add_principal(new)).await
    }

    /// Removes a principal by its client id: it gets no more tokens, and its next call is refused.
    pub async fn remove_principal(&self, client_id: &str) -> Result<(), PrincipalError> {
        let client_id = client_id.to_owned();
        self.issue(move |issuer| issuer.remove_principal(&client_id)).await
    }

    /// A token of a principal, by its client id, for a resource such as `https://vault.azure.net`: as it would get one.
    pub fn token(&self, client_id: &str, resource: &str) -> Result<Secret, PrincipalError> {
        let issuer = &self.app.issuer;
        Ok(issuer.token_for(&*issuer.principal(client_id)?, resource)?)
    }

    /// Has every vault answer 503 until it is set back: a fault called `outage`. The issuer goes on.
    pub fn set_outage(&self, outage: bool) {
        self.set_outage_of("keys", "outage", outage);
    }

    /// Has the issuer answer 503 until it is set back: a fault called `issuer-outage`. The vaults go on.
    pub fn set_issuer_outage(&self, outage: bool) {
        self.set_outage_of("issuer", "issuer-outage", outage);
    }

    /// Has the vault find its disk full until it is set back. It answers a change with 507; deletions and uses of keys go
    /// on, because the reserve is there for them.
    pub fn set_disk_full(&self, full: bool) {
        self.set_disk(if full { Pretended::Full } else { Pretended::Nothing });
    }

    /// Has the disk of the vault look like this. With [`Pretended::UsedUp`] the vault refuses deletions and uses of keys as
    /// well.
    pub fn set_disk(&self, disk: Pretended) {
        self.app.folder.room().pretend(disk);
    }

    /// Adds a fault, or replaces the one of its name. Returns what it is removed by.
    pub fn add_fault(&self, rule: FaultRule) -> Result<String, FaultError> {
        self.app.faults.add(rule)
    }

    /// Removes a fault. Returns whether there was one.
    pub fn remove_fault(&self, id: &str) -> bool {
        self.app.faults.remove(id)
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.app.faults.clear();
    }

    /// The faults that have not ended.
    pub fn faults(&self) -> Vec<FaultReport> {
        self.app.faults.rules()
    }

    /// Holds each vault to these limits from now on, or to none, which is the default.
    pub fn set_throttling(&self, limits: Option<Throttling>) {
        self.app.throttle.set(limits);
    }

    fn set_outage_of(&self, class: &str, name: &str, outage: bool) {
        if outage {
            let rule = FaultRule::new(class, FaultKind::Outage).named(name);
            if let Err(error) = self.app.faults.add(rule) {
                tracing::error!(%error, "an outage could not be set");
            }
        } else {
            self.app.faults.remove(name);
        }
    }

    /// The calls of the keys API so far, the oldest first: at most the last 10,000. What this handle does is not among them.
    pub fn calls(&self) -> Vec<Call> {
        self.app.audit.calls()
    }

    /// The calls of one operation among [`Self::calls`], refused ones too: their `status` tells.
    pub fn calls_of(&self, operation: Operation) -> Vec<Call> {
        self.calls().into_iter().filter(|call| call.operation == operation).collect()
    }

    /// Stops accepting, lets requests under way end for [`azure_emulator_core::listen::DRAIN`] at most, and returns when all is closed.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        if let Some(server) = self.server.take() {
            // The server ends in any case, and there is nothing to be done about one that did not end well.
            let _ = server.await;
        }
        for task in [self.time.take(), self.herald.take()].into_iter().flatten() {
            let _ = task.await;
        }
        // The last holder of the database closes it, which blocks.
        let _ = tokio::task::spawn_blocking(move || {
            self.app.audit.close();
            drop(self);
        })
        .await;
    }

    /// What listens on every address is reached on the loopback.
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
        // What the program serves may hold on to the vault: without this, neither of them would ever end.
        self.app.front.set(None);
    }
}
