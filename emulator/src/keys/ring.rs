//! The registry's access to its key: the facade of this area.
//!
//! A [`KeyRing`] has the sealed ring in memory, a slot for each data key that was ever used, and the vault's last answers.
//! It asks (`ask.rs`), keeps (`keeper.rs`), judges (`state/machine.rs`), rotates (`rotate.rs`) and follows
//! the newest version (`watcher.rs`). When a caller asks for the state, or the vault reports a change, it probes (`probe.rs`).
//!
//! Invariants:
//! - A data key is in memory in plaintext only in a slot, and for the moments of a question and of a rotation.
//! - A data key is durable before it is used.
//! - The order of locks is: the flight of a slot, machine, the table of slots, the contents of a slot. The ring itself
//!   has a separate lock, which is held only to copy a pointer.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use azure_emulator_core::clock::Clock;
use time::OffsetDateTime;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::audit::{AuditSink, AuditedAccess, AuditedVault, Purpose};
use super::error::{KeyError, RingError};
use super::lease::{IdleLease, KeyLease};
use super::probe::Probing;
use super::rotate::{Rotation, RotationTarget, Starter};
use super::service_key::ServiceKey;
use super::slot::{Slot, lock};
use super::state::Machine;
use super::stored::{Head, Ring, RingStore};
use super::vault::{KeyInfo, VaultError};
use super::watcher::PausedFollowing;
use super::{Happening, IdentityId, KeyEvent, KeyId, State, Status, Transition, VaultAccess};
use sealed_envelope::DataKeyId;

/// The shortest lease: a shorter one would end before the vault has answered.
const MIN_LEASE: Duration = Duration::from_millis(50);

/// The settings of a ring.
#[derive(Clone, Debug)]
pub struct RingConfig {
    /// The registry. Everything that is sealed is bound to its name.
    pub registry: String,
    /// The customer-managed key that a new ring is made with; `None` for only the service-managed key. An existing ring
    /// keeps its key: only a rotation changes it.
    pub configured: Option<KeyId>,
    /// The identity that a new ring is made with; `None` for the identity that the program was started with. An existing ring
    /// keeps its identity too.
    pub identity: Option<IdentityId>,
    /// How long a data key may be used without asking the vault.
    pub lease: Duration,
    /// How long a caller waits for an answer, in real time.
    pub wait_limit: Duration,
    /// How often the ring looks for a newer version of a key without a version, in emulator time.
    pub rotation_check: Duration,
    /// Whether the ring uses newer versions at all. A repair only reads.
    pub follows: bool,
}

/// A description of a ring.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Description {
    /// The customer-managed key as it was chosen, with or without a version.
    pub configured: Option<KeyId>,
    /// The version in use.
    pub versioned: Option<KeyId>,
    /// The identity that asks the vault for it; `None` for the identity that the program was started with.
    pub identity: Option<IdentityId>,
    /// Whether the ring uses newer versions automatically.
    pub automatic: bool,
    /// When the last rotation was, if there was one, in emulator time.
    pub last_rotation: Option<OffsetDateTime>,
    /// How many data keys there are.
    pub data_keys: usize,
}

/// The registry's access to its key. Clones share it; when the last clone and the last lease are dropped, all keys are wiped.
#[derive(Clone)]
pub struct KeyRing(pub(super) Arc<Inner>);

/// The state that clones share.
pub(super) struct Inner {
    config: RingConfig,
    pub(super) service_key: ServiceKey,
    pub(super) access: Option<Arc<AuditedAccess>>,
    pub(super) store: Arc<dyn RingStore>,
    sink: Arc<dyn AuditSink>,
    pub(super) clock: Clock,
    /// Runs the questions and keepers of all callers.
    pub(super) runtime: Handle,
    ring: RwLock<Arc<Ring>>,
    slots: Mutex<HashMap<DataKeyId, Arc<Slot>>>,
    machine: Mutex<Machine>,
    status: watch::Sender<Status>,
    pub(super) probing: Probing,
    /// Held during a change of the stored ring, so that there is one at a time.
    pub(super) changing: tokio::sync::Mutex<()>,
    /// When the ring looks for a newer version next. Locked during the look.
    pub(super) next_check: Arc<tokio::sync::Mutex<OffsetDateTime>>,
    /// Cancelled when the ring is dropped.
    pub(super) stop: CancellationToken,
}

impl Default for RingConfig {
    fn default() -> Self {
        Self {
            registry: String::new(),
            configured: None,
            identity: None,
            lease: Duration::from_secs(5),
            wait_limit: Duration::from_secs(10),
            rotation_check: Duration::from_mins(15),
            follows: true,
        }
    }
}

impl KeyRing {
    /// Opens the ring of a registry, or makes one if there is none.
    ///
    /// The vault has to answer to make one. An existing ring opens even if the vault is down: it is then
    /// [`State::Checking`], and asks. Needs a tokio runtime for the background work.
    pub async fn open(
        mut config: RingConfig,
        access: Option<Arc<dyn VaultAccess>>,
        service_key: ServiceKey,
        store: Arc<dyn RingStore>,
        sink: Arc<dyn AuditSink>,
        clock: Clock,
    ) -> Result<Self, RingError> {
        config.lease = config.lease.max(MIN_LEASE);
        let access =
            access.map(|access| AuditedAccess::new(access, Arc::clone(&sink), clock.clone()));
        let opening = super::rotate::Opening {
            config: &config,
            access: access.as_ref(),
            service_key: &service_key,
            store: &store,
        };
        let (ring, made) = opening.run().await?;
        let known = made || ring.head.kek.is_none();
        let state = if known { State::Active } else { State::Checking };
        let status = Status { state, cause: None, words: None, since: clock.now() };
        // A ring that was just made has the newest version. The age of an existing ring's version is not known.
        let next_check = if made { clock.now() + config.rotation_check } else { clock.now() };
        let opened = Self(Arc::new(Inner {
            config,
            service_key,
            access,
            store,
            sink,
            clock,
            runtime: Handle::current(),
            ring: RwLock::new(Arc::new(ring)),
            slots: Mutex::default(),
            machine: Mutex::new(Machine::new()),
            status: watch::Sender::new(status),
            probing: Probing::default(),
            changing: tokio::sync::Mutex::default(),
            next_check: Arc::new(tokio::sync::Mutex::new(next_check)),
            stop: CancellationToken::new(),
        }));
        if !known {
            let ring = opened.clone();
            tokio::spawn(async move { ring.check().await });
        }
        if opened.0.config.follows {
            opened.0.start_watcher();
        }
        opened.0.start_prober();
        Ok(opened)
    }

    /// The gate of every content route: whether content may be served now.
    ///
    /// It may if a data key can be used, or if the vault permits it now. A refusal is repeated without a question for a
    /// fifth of the lease, and for a second at most.
    pub async fn admit(&self) -> Result<(), KeyError> {
        loop {
            let id = self.0.ring().head.current;
            match self.admit_by(id).await {
                Err(KeyError::NoSuchDataKey(_)) if self.0.ring().head.current != id => (),
                admitted => return admitted,
            }
        }
    }

    async fn admit_by(&self, current: DataKeyId) -> Result<(), KeyError> {
        let current = self.0.slot(current)?;
        if !current.is_alive(&self.0.clock)
            && let Some(other) = self.0.alive_slot()
        {
            other.touch(&self.0.clock);
            return Ok(());
        }
        self.0.ensure(&current).await
    }

    /// A lease on the data key for new objects.
    pub async fn current(&self) -> Result<KeyLease, KeyError> {
        loop {
            let id = self.0.ring().head.current;
            match self.lease(id).await {
                // The ring was reinitialized meanwhile.
                Err(KeyError::NoSuchDataKey(_)) if self.0.ring().head.current != id => (),
                leased => return leased,
            }
        }
    }

    /// A lease on the data key that an object names.
    pub async fn lease(&self, id: DataKeyId) -> Result<KeyLease, KeyError> {
        let slot = self.0.slot(id)?;
        // Before the wait: a key that a caller waits for is not retired.
        let usage = slot.usage();
        self.0.ensure(&slot).await?;
        Ok(KeyLease::new(Arc::clone(&self.0), slot, usage))
    }

    /// The right to use a data key only while other leases keep it alive. It asks nothing and does not count as use.
    pub fn idle_lease(&self, id: DataKeyId) -> Result<IdleLease, KeyError> {
        Ok(IdleLease::new(Arc::clone(&self.0), self.0.slot(id)?))
    }

    /// Asks the vault now, whatever the lease says. The returned state is not older than the call.
    pub async fn check(&self) -> Status {
        if let Some(kek) = self.0.ring().head.kek.clone() {
            let answer = match self.0.slot(self.0.ring().head.current) {
                Ok(slot) => self.0.ask_anew(&slot, Purpose::Check).await,
                Err(error) => Err(error),
            };
            match answer {
                Ok(()) => self.0.look_at(&kek).await,
                Err(error) => {
                    tracing::debug!(registry.name = self.0.registry(), %error, "checked the key");
                }
            }
        }
        self.status()
    }

    /// The current state, without asking the vault.
    pub fn status(&self) -> Status {
        self.0.status.borrow().clone()
    }

    /// Reports every change of the state, until the ring is dropped.
    pub fn watch(&self) -> watch::Receiver<Status> {
        self.0.status.subscribe()
    }

    /// Wraps all data keys anew: under the newest version of the key, or under another key, which is the configured one
    /// from then on. A key without a version is followed automatically, a key with a version is not.
    ///
    /// The vault unwraps each data key under the old version. A key from memory is never used, because that would bypass a
    /// revocation. The work goes on if the caller is dropped. If a step fails, nothing is changed: if the vault refuses the
    /// new version, the state stays as it was.
    pub async fn rotate(&self, target: RotationTarget) -> Result<Rotation, RingError> {
        let inner = Arc::clone(&self.0);
        let task = self.0.runtime.spawn(async move { inner.rotate(target, Starter::Caller).await });
        task.await.map_err(|_| RingError::BrokenOff)?
    }

    /// Removes the data keys that seal nothing from the ring, except the current one. Returns how many.
    pub async fn retire_unused(&self) -> Result<usize, RingError> {
        let inner = Arc::clone(&self.0);
        let task = self.0.runtime.spawn(async move { inner.retire_unused().await });
        task.await.map_err(|_| RingError::BrokenOff)?
    }

    /// Keeps the ring from looking for a newer version of its key, until the returned guard is dropped or resumed.
    ///
    /// For code that moves the clock: the vault must do the work that became due before the ring looks, or the ring would
    /// find the old version and not look again for a while.
    pub async fn pause_following(&self) -> PausedFollowing {
        let next = Arc::clone(&self.0.next_check).lock_owned().await;
        PausedFollowing { inner: Arc::clone(&self.0), next }
    }

    /// Describes the ring.
    pub fn describe(&self) -> Description {
        let ring = self.0.ring();
        let head = &ring.head;
        Description {
            automatic: head.configured.as_ref().is_some_and(|key| key.version().is_none()),
            configured: head.configured.clone(),
            versioned: head.kek.clone(),
            identity: head.identity.clone(),
            last_rotation: head.rotated.and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok()),
            data_keys: ring.len(),
        }
    }
}

impl Inner {
    pub(super) fn registry(&self) -> &str {
        &self.config.registry
    }

    pub(super) fn config(&self) -> &RingConfig {
        &self.config
    }

    pub(super) fn lease(&self) -> Duration {
        self.config.lease
    }

    pub(super) fn rotation_check(&self) -> Duration {
        self.config.rotation_check
    }

    pub(super) fn wait_limit(&self) -> Duration {
        self.config.wait_limit
    }

    pub(super) fn ring(&self) -> Arc<Ring> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes a stored ring the current one.
    pub(super) fn install(&self, ring: Ring) {
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ring);
    }

    pub(super) fn machine(&self) -> MutexGuard<'_, Machine> {
        lock(&self.machine)
    }

    /// The key version in use; `None` for a registry without one, which the vault never refuses.
    pub(super) fn key_in_use(&self) -> Option<KeyId> {
        self.ring().head.kek.clone()
    }

    /// The vaults as the identity of a ring reaches them.
    pub(super) fn vault(&self, head: &Head) -> Option<AuditedVault> {
        self.access.as_ref().map(|access| access.of(head.identity.clone()))
    }

    pub(super) fn identifier(&self, key: &KeyId) -> String {
        self.access.as_ref().map(|access| access.identifier(key)).unwrap_or_default()
    }

    /// The slot of a data key of the ring.
    fn slot(&self, id: DataKeyId) -> Result<Arc<Slot>, KeyError> {
        let mut slots = lock(&self.slots);
        if let Some(slot) = slots.get(&id) {
            return Ok(Arc::clone(slot));
        }
        if !self.ring().contains(id) {
            return Err(KeyError::NoSuchDataKey(id));
        }
        let slot = Arc::new(Slot::new(id));
        slots.insert(id, Arc::clone(&slot));
        Ok(slot)
    }

    /// Whether this is the slot of its data key; a retired slot is not.
    pub(super) fn has_slot(&self, slot: &Arc<Slot>) -> bool {
        lock(&self.slots).get(&slot.id).is_some_and(|other| Arc::ptr_eq(slot, other))
    }

    /// The data keys among these that have no lease.
    pub(super) fn not_leased(&self, ids: impl Iterator<Item = DataKeyId>) -> Vec<DataKeyId> {
        let slots = lock(&self.slots);
        ids.filter(|id| slots.get(id).is_none_or(|slot| !slot.is_leased())).collect()
    }

    /// Removes the slots of retired data keys.
    pub(super) fn drop_slots(&self, ids: &[DataKeyId]) {
        let machine = self.machine();
        let mut slots = lock(&self.slots);
        for slot in ids.iter().filter_map(|id| slots.remove(id)) {
            slot.erase();
        }
        drop((slots, machine));
    }

    pub(super) fn erase_all(&self) {
        lock(&self.slots).values().for_each(|slot| slot.erase());
    }

    fn alive_slot(&self) -> Option<Arc<Slot>> {
        lock(&self.slots).values().find(|slot| slot.is_alive(&self.clock)).cloned()
    }

    pub(super) fn any_alive(&self) -> bool {
        self.alive_slot().is_some()
    }

    /// Looks up the validity of the version in use. A failure says nothing about the data keys.
    async fn look_at(&self, kek: &KeyId) {
        let Some(vault) = self.vault(&self.ring().head) else { return };
        self.looked(kek, vault.get(kek, Purpose::Check).await);
    }

    /// Applies the vault's answer about the version in use.
    pub(super) fn looked(&self, kek: &KeyId, info: Result<KeyInfo, VaultError>) {
        match info {
            Ok(info) if self.key_in_use().as_ref() == Some(kek) => {
                let mut machine = self.machine();
                machine.set_validity(info.not_before, info.expires);
                if self.is_active() {
                    self.publish(&machine.active(self.clock.now()));
                }
            }
            Ok(_) => (),
            Err(error) => tracing::debug!(key = %kek, %error, "the key could not be looked up"),
        }
    }

    pub(super) fn is_active(&self) -> bool {
        self.status.borrow().state == State::Active
    }

    /// Publishes a status, if it is different. The caller must have locked the machine, so that states keep their order.
    pub(super) fn publish(&self, status: &Status) {
        let mut before = None;
        let changed = self.status.send_if_modified(|shown| {
            let same = (shown.state, shown.cause, &shown.words)
                == (status.state, status.cause, &status.words);
            if !same {
                before = Some(std::mem::replace(shown, status.clone()).state);
            }
            !same
        });
        let (true, Some(before)) = (changed, before) else { return };
        self.happened(Happening::StateChanged(Transition {
            from: before,
            to: status.state,
            cause: status.cause,
            words: status.words.clone(),
            key: self.key_in_use(),
        }));
        let (registry, cause) = (self.registry(), status.cause.map(super::Cause::name));
        match status.state {
            State::Unavailable => {
                tracing::warn!(registry.name = registry, cause, "content is not served");
            }
            State::Active if before == State::Unavailable => {
                tracing::info!(registry.name = registry, "content is served again");
            }
            state => tracing::debug!(
                registry.name = registry,
                state = state.name(),
                cause,
                "the state has changed"
            ),
        }
    }

    /// Sends an event to the sink.
    pub(super) fn happened(&self, what: Happening) {
        let registry = self.registry().to_owned();
        self.sink.event(KeyEvent { at: self.clock.now(), registry, what });
    }

    /// Publishes the last failure, unless some data key can still be used.
    pub(super) fn publish_if_dark(&self, machine: &Machine) {
        if let Some(status) = machine.unavailable(self.clock.now())
            && !self.any_alive()
        {
            self.publish(&status);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop.cancel();
        self.erase_all();
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing").field("registry", &self.0.registry()).finish_non_exhaustive()
    }
}
