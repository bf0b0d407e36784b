//! The registry's access to its key: the facade of this area.
//!
//! A [`KeyRing`] has the sealed ring in memory, a slot for each data key that was ever used, and the vault's last answers
//! (`shared.rs`). It asks (`unwrap_request.rs`), keeps (`keeper.rs`), judges (`state/machine.rs`), rotates (`rotate.rs`) and follows
//! the newest version (`watcher.rs`). When a caller asks for the state, or the vault reports a change, it probes (`probe.rs`).
//!
//! Invariants:
//! - A data key is in memory in plaintext only in a slot, and for the moments of a request and of a rotation.
//! - A data key is durable before it is used.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use azure_emulator_core::clock::Clock;
use time::OffsetDateTime;
use tokio::sync::watch;

use super::audit::{AuditSink, AuditedAccess, Purpose};
use super::error::{KeyError, RingError};
use super::lease::{IdleLease, KeyLease};
use super::ring_opening::RingOpening;
use super::rotate::{Rotation, RotationTarget, RotationTrigger};
use super::service_key::ServiceKey;
use super::shared::{Inner, RingConfig, RingParts};
use super::stored::RingStore;
use super::watcher::PausedFollowing;
use super::{IdentityId, KeyId, Status, VaultAccess};
use sealed_envelope::DataKeyId;

/// The shortest lease: a shorter one would end before the vault has answered.
const MIN_LEASE: Duration = Duration::from_millis(50);

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

impl KeyRing {
    /// Opens the ring of a registry, or makes one if there is none.
    ///
    /// The vault has to answer to make one. An existing ring opens even if the vault is down: it is then
    /// [`State::Checking`](super::State::Checking), and asks. Needs a tokio runtime for the background work.
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
        let opening = RingOpening {
            config: &config,
            access: access.as_ref(),
            service_key: &service_key,
            store: &store,
        };
        let (ring, made) = opening.run().await?;
        let parts = RingParts { config, service_key, access, store, sink, clock };
        let opened = Self(Arc::new(Inner::new(parts, ring, made)));
        // Only a ring that needs no answer is active from the start.
        if !opened.0.is_active() {
            let ring = opened.clone();
            tokio::spawn(async move { ring.check().await });
        }
        if opened.0.config().follows {
            opened.0.start_watcher();
        }
        opened.0.start_prober();
        Ok(opened)
    }

    /// The gate of every content route: whether content may be served now.
    ///
    /// It may if a data key can be used, or if the vault permits it now. A refusal is repeated without a request for a
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
        self.0.status()
    }

    /// Reports every change of the state, until the ring is dropped.
    pub fn watch(&self) -> watch::Receiver<Status> {
        self.0.watch()
    }

    /// Wraps all data keys anew: under the newest version of the key, or under another key, which is the configured one
    /// from then on. A key without a version is followed automatically, a key with a version is not.
    ///
    /// The vault unwraps each data key under the old version. A key from memory is never used, because that would bypass a
    /// revocation. The work goes on if the caller is dropped. If a step fails, nothing is changed: if the vault refuses the
    /// new version, the state stays as it was.
    pub async fn rotate(&self, target: RotationTarget) -> Result<Rotation, RingError> {
        let inner = Arc::clone(&self.0);
        let task = self
            .0
            .runtime
            .spawn(async move { inner.rotate(target, RotationTrigger::Caller).await });
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
    /// Looks up the validity of the version in use. A failure says nothing about the data keys.
    async fn look_at(&self, kek: &KeyId) {
        let Some(vault) = self.vault(&self.ring().head) else { return };
        self.apply_key_info(kek, vault.get(kek, Purpose::Check).await);
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing").field("registry", &self.0.registry()).finish_non_exhaustive()
    }
}
