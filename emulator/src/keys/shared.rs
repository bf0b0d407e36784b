//! The state that all parts of a ring share: settings, stored ring, slots, the vault's answers, status.
//!
//! [`Inner`] keeps them and asks nothing. `unwrap_request.rs`, `keeper.rs`, `probe.rs`, `rotate.rs` and the others add the work, each for
//! one task; `ring.rs` is the facade over all of them.
//!
//! **Invariant:** the order of locks is: the request in flight of a slot, machine, the table of slots, the contents of a slot. The ring
//! itself has a separate lock, which is held only to copy a pointer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use azure_emulator_core::clock::Clock;
use time::OffsetDateTime;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::audit::{AuditSink, AuditedAccess, AuditedVault};
use super::error::KeyError;
use super::probe_state::ProbeState;
use super::service_key::ServiceKey;
use super::slot::{Slot, lock};
use super::state::Machine;
use super::stored::{Head, Ring, RingStore};
use super::vault::{KeyInfo, VaultError};
use super::{Cause, IdentityId, KeyEvent, KeyEventKind, KeyId, State, Status, Transition};
use sealed_envelope::DataKeyId;

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

/// The state that clones share.
pub(super) struct Inner {
    config: RingConfig,
    pub(super) service_key: ServiceKey,
    pub(super) access: Option<Arc<AuditedAccess>>,
    pub(super) store: Arc<dyn RingStore>,
    sink: Arc<dyn AuditSink>,
    pub(super) clock: Clock,
    /// Runs the requests and keepers of all callers.
    pub(super) runtime: Handle,
    ring: RwLock<Arc<Ring>>,
    slots: Mutex<HashMap<DataKeyId, Arc<Slot>>>,
    machine: Mutex<Machine>,
    status: watch::Sender<Status>,
    pub(super) probing: ProbeState,
    /// Held during a change of the stored ring, so that there is one at a time.
    pub(super) changing: tokio::sync::Mutex<()>,
    /// When the ring looks for a newer version next. Locked during the look.
    pub(super) next_check: Arc<tokio::sync::Mutex<OffsetDateTime>>,
    /// Cancelled when the ring is dropped.
    pub(super) stop: CancellationToken,
}

/// The parts that a ring is made of, and that it keeps.
pub(super) struct RingParts {
    pub(super) config: RingConfig,
    pub(super) service_key: ServiceKey,
    pub(super) access: Option<Arc<AuditedAccess>>,
    pub(super) store: Arc<dyn RingStore>,
    pub(super) sink: Arc<dyn AuditSink>,
    pub(super) clock: Clock,
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

impl Inner {
    /// A ring that was opened or, if `made`, made just now. Nothing runs for it yet.
    pub(super) fn new(parts: RingParts, ring: Ring, made: bool) -> Self {
        let RingParts { config, service_key, access, store, sink, clock } = parts;
        let known = made || ring.head.kek.is_none();
        let state = if known { State::Active } else { State::Checking };
        let status = Status { state, cause: None, message: None, since: clock.now() };
        // A ring that was just made has the newest version. The age of an existing ring's version is not known.
        let next_check = if made { clock.now() + config.rotation_check } else { clock.now() };
        Self {
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
            probing: ProbeState::default(),
            changing: tokio::sync::Mutex::default(),
            next_check: Arc::new(tokio::sync::Mutex::new(next_check)),
            stop: CancellationToken::new(),
        }
    }

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
        self.access.as_ref().map(|access| access.for_identity(head.identity.clone()))
    }

    pub(super) fn identifier(&self, key: &KeyId) -> String {
        self.access.as_ref().map(|access| access.identifier(key)).unwrap_or_default()
    }

    /// The slot of a data key of the ring.
    pub(super) fn slot(&self, id: DataKeyId) -> Result<Arc<Slot>, KeyError> {
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

    pub(super) fn alive_slot(&self) -> Option<Arc<Slot>> {
        lock(&self.slots).values().find(|slot| slot.is_alive(&self.clock)).cloned()
    }

    pub(super) fn any_alive(&self) -> bool {
        self.alive_slot().is_some()
    }

    /// Applies the vault's answer about the version in use.
    pub(super) fn apply_key_info(&self, kek: &KeyId, info: Result<KeyInfo, VaultError>) {
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

    /// The current state.
    pub(super) fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// Reports every change of the state, until the ring is dropped.
    pub(super) fn watch(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    pub(super) fn is_active(&self) -> bool {
        self.status.borrow().state == State::Active
    }

    /// Publishes a status, if it is different. The caller must have locked the machine, so that states keep their order.
    pub(super) fn publish(&self, status: &Status) {
        let mut before = None;
        let changed = self.status.send_if_modified(|shown| {
            let same = (shown.state, shown.cause, &shown.message)
                == (status.state, status.cause, &status.message);
            if !same {
                before = Some(std::mem::replace(shown, status.clone()).state);
            }
            !same
        });
        let (true, Some(before)) = (changed, before) else { return };
        self.publish_event(KeyEventKind::StateChanged(Transition {
            from: before,
            to: status.state,
            cause: status.cause,
            message: status.message.clone(),
            key: self.key_in_use(),
        }));
        let (registry, cause) = (self.registry(), status.cause.map(Cause::name));
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
    pub(super) fn publish_event(&self, what: KeyEventKind) {
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
