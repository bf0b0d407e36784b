//! Changing the stored ring: making it, wrapping it anew, thinning it out.
//!
//! # A rotation
//!
//! A new data key for the next objects is made, wrapped under the new version and unwrapped back. Each older one is
//! unwrapped under the old version by the vault, wrapped under the new one, and unwrapped back; the result is compared
//! before anything is kept. Then the whole ring is replaced at once, by compare-and-swap. Until that moment the stored
//! ring is the old one, and from that moment it is the new one: wherever the program is killed, the ring that is found
//! opens. The number of vault calls is one, three for each data key, and two for the new one. No object is touched,
//! since objects name data keys only.
//!
//! Memory is never used as a source of data keys, though it may hold them: a rotation that worked without the old
//! version would get round its revocation. For the same reason the old version is asked for through the old identity: a
//! registry whose identity was taken away is not rotated to another one, as in Azure, but given it back first. One that is
//! deleted cannot be given back; then the old version is asked for through the new identity, which needs the vault's
//! permission on both keys. The new identity looks the new key up, wraps and unwraps back. Key and identity are in one row
//! and change together.
//!
//! A refusal of the old version is a refusal like any other, and darkens the registry. A refusal of the new version is
//! not: the registry goes on under the old one. An automatic rotation then notes the reason beside the state until the
//! next look succeeds. A manual rotation only returns the error to its caller, and leaves the state as it was.

use std::sync::Arc;

use super::audit::{AuditedAccess, Purpose};
use super::error::{RingError, RingStoreError};
use super::ring::{Inner, RingConfig};
use super::service_key::ServiceKey;
use super::slot::Slot;
use super::steps::Steps;
use super::stored::{Entry, Head, Ring, RingStore, StoredRing};
use super::{Cause, Happening, IdentityId, KeyId, Severity};
use sealed_envelope::{DataKey, DataKeyId};

/// How often a change is begun again because the ring was changed meanwhile.
const ATTEMPTS: usize = 3;

/// What a rotation is to lead to. By default: the newest version of the configured key, or the one version that is
/// configured, through the identity that there is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RotationTarget {
    /// The key that is configured from then on. Without a version it is followed. None: as it is.
    pub key: Option<KeyId>,
    /// Who asks the vault from then on. None: as it is.
    pub identity: Option<IdentityId>,
    /// Whether the identity in use is deleted: the new one unwraps what it cannot unwrap any more.
    pub old_is_deleted: bool,
}

/// Who starts a rotation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Starter {
    /// A person or a program, who gets the error.
    Caller,
    /// The watcher, which follows the newest version of a key.
    Watcher,
}

/// What a rotation has done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rotation {
    /// The version that was in use.
    pub from: KeyId,
    /// The version in use.
    pub to: KeyId,
    /// How many data keys were wrapped anew. None if the version was in use already.
    pub data_keys: usize,
    /// How often the vault was asked.
    pub vault_calls: u64,
}

/// Reads the ring of a registry, or makes it.
pub(super) struct Opening<'a> {
    pub(super) config: &'a RingConfig,
    pub(super) access: Option<&'a Arc<AuditedAccess>>,
    pub(super) service_key: &'a ServiceKey,
    pub(super) store: &'a Arc<dyn RingStore>,
}

impl RotationTarget {
    /// This key, through the identity that there is.
    pub fn key(key: KeyId) -> Self {
        Self { key: Some(key), ..Self::default() }
    }
}

impl Opening<'_> {
    /// The ring, and whether it was made now.
    pub(super) async fn run(&self) -> Result<(Ring, bool), RingError> {
        let registry = &self.config.registry;
        if self.config.configured.is_some() && self.access.is_none() {
            return Err(RingError::NoVault);
        }
        if let Some(stored) = load(self.store).await? {
            return Ok((self.check(Ring::read(stored, registry, self.service_key)?)?, false));
        }
        let ring = self.make().await?;
        let stored = ring.write(registry, self.service_key)?;
        if replace(self.store, None, stored).await? {
            return Ok((ring, true));
        }
        let stored = load(self.store).await?.ok_or(RingError::Conflict)?;
        Ok((self.check(Ring::read(stored, registry, self.service_key)?)?, false))
    }

    /// Whether a ring has a customer-managed key was settled when it was made.
    fn check(&self, ring: Ring) -> Result<Ring, RingError> {
        match (&ring.head.configured, &self.config.configured) {
            (Some(_), None) => Err(RingError::KeyRequired),
            (None, Some(_)) => Err(RingError::NoCustomerManagedKey),
            _ => Ok(ring),
        }
    }

    pub(super) async fn make(&self) -> Result<Ring, RingError> {
        let id = DataKeyId::random()?;
        let (entry, kek) = match (&self.config.configured, self.access) {
            (Some(configured), Some(access)) => {
                let mut steps = Steps::new(access, self.config.identity.clone(), Purpose::Create);
                let kek = steps.usable(configured).await?;
                (steps.wrap(&kek, id, &DataKey::generate()?).await?, Some(kek.id))
            }
            _ => (Entry::Bare(DataKey::generate()?), None),
        };
        let configured = self.config.configured.clone();
        let identity = kek.as_ref().and(self.config.identity.clone());
        let head = Head { configured, kek, identity, current: id, rotated: None };
        let sealed = entry.seal(id, &self.config.registry, self.service_key)?;
        Ok(Ring::new(1, head, vec![(id, sealed)]))
    }
}

impl Inner {
    pub(super) async fn rotate(
        self: &Arc<Self>,
        target: RotationTarget,
        starter: Starter,
    ) -> Result<Rotation, RingError> {
        let _alone = self.changing.lock().await;
        let suspected = self.probing.suspected();
        let rotated = self.rotate_alone(&target, starter).await;
        self.probing.suspect_again(suspected);
        rotated
    }

    async fn rotate_alone(
        self: &Arc<Self>,
        target: &RotationTarget,
        starter: Starter,
    ) -> Result<Rotation, RingError> {
        for _ in 0..ATTEMPTS {
            match self.rotate_once(target).await {
                Ok(Some(rotation)) => {
                    self.note(None);
                    self.rotated(&rotation);
                    return Ok(rotation);
                }
                Ok(None) => (),
                Err(error) => {
                    self.blocked(target, starter, &error);
                    return Err(error);
                }
            }
        }
        Err(RingError::Conflict)
    }

    /// Tells of a rotation that has done something.
    fn rotated(&self, rotation: &Rotation) {
        if rotation.data_keys > 0 {
            self.happened(Happening::Rotated {
                from: rotation.from.clone(),
                to: rotation.to.clone(),
                identity: self.ring().head.identity.clone(),
                data_keys: rotation.data_keys,
                vault_calls: rotation.vault_calls,
            });
        }
    }

    /// Tells of a rotation that has changed nothing. A failed automatic rotation is told once and noted beside the state.
    /// A failed manual rotation is told each time and leaves the state as it was.
    fn blocked(&self, target: &RotationTarget, starter: Starter, error: &RingError) {
        let news = match starter {
            Starter::Caller => true,
            Starter::Watcher => {
                note_of(error, self.key_in_use().as_ref()).is_some_and(|note| self.note(Some(note)))
            }
        };
        if news {
            let configured = || self.ring().head.configured.clone();
            let key = target.key.clone().or_else(configured);
            self.happened(Happening::RotationBlocked { key, why: words_of(error) });
        }
    }

    /// None: the ring was changed meanwhile.
    async fn rotate_once(
        self: &Arc<Self>,
        target: &RotationTarget,
    ) -> Result<Option<Rotation>, RingError> {
        let ring = self.reload().await?;
        let (Some(configured), Some(from)) = (&ring.head.configured, &ring.head.kek) else {
            return Err(RingError::NoCustomerManagedKey);
        };
        let access = self.access.as_ref().ok_or(RingError::NoVault)?;
        let steps =
            |identity: &Option<IdentityId>| Steps::new(access, identity.clone(), Purpose::Rotation);
        let mut head = ring.head.clone();
        head.configured = Some(target.key.as_ref().unwrap_or(configured).clone());
        head.identity = target.identity.clone().or(head.identity);
        let old_identity = if target.old_is_deleted { &head.identity } else { &ring.head.identity };
        access
            .may_rotate(old_identity.as_ref())
            .map_err(|source| RingError::Vault { key: configured.clone(), source })?;
        let (mut old, mut new) = (steps(old_identity), steps(&head.identity));
        let info = new.usable(head.configured.as_ref().unwrap_or(configured)).await?;
        let to = info.id.clone();
        if to == *from && head == ring.head {
            self.looked(&to, Ok(info));
            return Ok(Some(Rotation {
                from: to.clone(),
                to,
                data_keys: 0,
                vault_calls: new.calls,
            }));
        }
        // The new data key first: a new key or identity that does not do is found out before the old is asked for.
        let current = DataKeyId::random()?;
        let added = new.wrap(&info, current, &DataKey::generate()?).await?;
        let mut entries = Vec::with_capacity(ring.len() + 1);
        for id in ring.ids() {
            let key = self.unwrapped(&mut old, &ring, id, from).await?;
            let entry = new.wrap(&info, id, &key).await?;
            entries.push((id, entry.seal(id, self.registry(), &self.service_key)?));
        }
        let data_keys = entries.len();
        entries.push((current, added.seal(current, self.registry(), &self.service_key)?));
        head.current = current;
        head.kek = Some(to.clone());
        head.rotated = Some(self.clock.unix_now());
        let rotated = Ring::new(ring.generation + 1, head, entries);
        let stored = rotated.write(self.registry(), &self.service_key)?;
        match replace(&self.store, Some(ring.generation), stored).await {
            Ok(true) => self.install(rotated),
            Ok(false) => return Ok(None),
            Err(error) => {
                // It may be there nevertheless. Whatever is there opens.
                let _ = self.reload().await;
                return Err(error.into());
            }
        }
        let mut machine = self.machine();
        machine.rotated();
        machine.set_validity(info.not_before, info.expires);
        self.publish(&machine.active(self.clock.now()));
        drop(machine);
        tracing::info!(registry.name = self.registry(), from = %from, to = %to, data_keys, "the key was rotated");
        let vault_calls = old.calls + new.calls;
        Ok(Some(Rotation { from: from.clone(), to, data_keys, vault_calls }))
    }

    /// A data key, unwrapped under the old version through the old identity.
    async fn unwrapped(
        self: &Arc<Self>,
        old: &mut Steps,
        ring: &Ring,
        id: DataKeyId,
        from: &KeyId,
    ) -> Result<DataKey, RingError> {
        let Ok(Entry::Wrapped(entry)) = ring.entry(id, self.registry(), &self.service_key) else {
            return Err(RingError::DamagedDataKey(id));
        };
        let number = self.machine().draw();
        old.unwrap(&entry, id).await.inspect_err(|error| {
            if let RingError::Vault { source, .. } = error
                && let Some(cause) = source.cause().filter(|cause| cause.is_refusal())
            {
                self.refused(&Slot::new(id), number, &self.refusal(cause, from, source));
            }
        })
    }

    pub(super) async fn retire_unused(self: &Arc<Self>) -> Result<usize, RingError> {
        let _alone = self.changing.lock().await;
        for _ in 0..ATTEMPTS {
            let ring = self.reload().await?;
            let current = ring.head.current;
            let candidates = self.not_leased(ring.ids().filter(|id| *id != current));
            if candidates.is_empty() {
                return Ok(0);
            }
            let store = Arc::clone(&self.store);
            let expected = ring.generation;
            let removed = blocking(move || store.remove_unused(expected, &candidates)).await?;
            if let Some(removed) = removed {
                self.reload().await?;
                self.drop_slots(&removed);
                return Ok(removed.len());
            }
        }
        Err(RingError::Conflict)
    }

    /// Reads the stored ring and puts it into use.
    async fn reload(&self) -> Result<Arc<Ring>, RingError> {
        let stored = load(&self.store).await?.ok_or(RingError::DamagedRing)?;
        let ring = Ring::read(stored, self.registry(), &self.service_key)?;
        self.install(ring);
        Ok(self.ring())
    }

    /// Shows beside the state why the key is not rotated, or no longer. True: it is news.
    fn note(&self, note: Option<(Cause, String)>) -> bool {
        let mut machine = self.machine();
        let news = machine.set_note(note);
        if self.is_active() {
            self.publish(&machine.active(self.clock.now()));
        }
        news
    }
}

/// An error with what the vault said, if it said something.
fn words_of(error: &RingError) -> String {
    match error {
        RingError::Vault { source, .. } => format!("{error}: {source}"),
        _ => error.to_string(),
    }
}

/// What stands beside the state when the newest version of a followed key cannot be taken into use.
///
/// A refusal of the version in use darkens the registry, which says it all. A vault that does not answer has refused
/// nothing.
fn note_of(error: &RingError, in_use: Option<&KeyId>) -> Option<(Cause, String)> {
    let is_in_the_way = match error {
        RingError::Vault { key, .. } | RingError::KeyDisabled(key) if Some(key) == in_use => false,
        RingError::Vault { source, .. } => match source.cause().map(Cause::severity) {
            Some(Severity::Outage) => false,
            Some(Severity::Note | Severity::Refusal) | None => true,
        },
        RingError::KeyDisabled(_)
        | RingError::KeyType { .. }
        | RingError::OutsideValidity { .. }
        | RingError::MissingPermission(_)
        | RingError::Mismatch(_)
        | RingError::DamagedDataKey(_) => true,
        RingError::NoVault
        | RingError::KeyRequired
        | RingError::NoCustomerManagedKey
        | RingError::DamagedRing
        | RingError::Conflict
        | RingError::Seal(_)
        | RingError::Store(_)
        | RingError::BrokenOff => false,
    };
    let words = || format!("{}: {}", Cause::RotationBlocked.words(), words_of(error));
    is_in_the_way.then(|| (Cause::RotationBlocked, words()))
}

async fn load(store: &Arc<dyn RingStore>) -> Result<Option<StoredRing>, RingStoreError> {
    let store = Arc::clone(store);
    blocking(move || store.load()).await
}

async fn replace(
    store: &Arc<dyn RingStore>,
    expected: Option<u64>,
    ring: StoredRing,
) -> Result<bool, RingStoreError> {
    let store = Arc::clone(store);
    blocking(move || store.replace(expected, &ring)).await
}

/// Runs work of the store, which blocks, on a thread for that. It runs to its end even if nobody waits any more.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RingStoreError> + Send + 'static,
) -> Result<T, RingStoreError> {
    tokio::task::spawn_blocking(work).await.map_err(RingStoreError::new)?
}
