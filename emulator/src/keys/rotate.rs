//! Changes the stored ring: wraps it anew, and removes unused data keys.
//!
//! # A rotation
//!
//! The rotation makes a new data key for new objects, wraps it under the new version and unwraps it again. The vault unwraps
//! each older data key under the old version, wraps it under the new one, and unwraps it again; the result is compared
//! before anything is kept. Then the whole ring is replaced at once, by compare-and-swap. Until that moment the stored
//! ring is the old one, and from that moment it is the new one: wherever the program is killed, the stored ring
//! opens. The vault calls are one, three for each data key, and two for the new one. No object is touched,
//! since objects only name data keys.
//!
//! Memory is never a source of data keys, though it may hold them: a rotation that worked without the old
//! version would bypass its revocation. For the same reason the old version is asked for through the old identity: if the
//! identity was removed from the registry, it must be assigned again before a rotation to another one, as in Azure. A deleted
//! identity cannot be assigned again; then the old version is asked for through the new identity, which needs the vault's
//! permission on both keys. The new identity looks the new key up, wraps and unwraps. Key and identity are in one row
//! and change together.
//!
//! A refusal of the old version makes the registry unavailable, as any refusal does. A refusal of the new version does
//! not: the registry goes on under the old one. An automatic rotation then keeps the reason as the note of the state until the
//! next look succeeds. A manual rotation only returns the error to its caller, and leaves the state as it was.

use std::sync::Arc;

use super::audit::Purpose;
use super::error::RingError;
use super::ring_opening::{blocking, load, replace};
use super::shared::Inner;
use super::slot::Slot;
use super::stored::{Entry, Ring};
use super::vault_steps::VaultSteps;
use super::{Cause, IdentityId, KeyEventKind, KeyId, Severity};
use sealed_envelope::{DataKey, DataKeyId};

/// How often a change is begun again because the ring was changed meanwhile.
const ATTEMPTS: usize = 3;

/// The goal of a rotation. By default: the newest version of the configured key, or the version that is
/// configured, through the identity in use.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RotationTarget {
    /// The key to configure; `None` to keep it. A key without a version is followed.
    pub key: Option<KeyId>,
    /// The identity that asks the vault from then on; `None` to keep it.
    pub identity: Option<IdentityId>,
    /// Whether the identity in use is deleted: then the new one unwraps in its place.
    pub old_is_deleted: bool,
}

/// The starter of a rotation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum RotationTrigger {
    /// A person or a program, which gets the error.
    Caller,
    /// The watcher, which follows the newest version of a key.
    Watcher,
}

/// The result of a rotation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rotation {
    /// The version that was in use.
    pub from: KeyId,
    /// The version in use.
    pub to: KeyId,
    /// How many data keys were wrapped anew; 0 if the version was in use already.
    pub data_keys: usize,
    /// How often the vault was asked.
    pub vault_calls: u64,
}

#[cfg(feature = "internals")]
impl RotationTarget {
    /// This key, through the identity in use.
    pub fn key(key: KeyId) -> Self {
        Self { key: Some(key), ..Self::default() }
    }
}

impl Inner {
    pub(super) async fn rotate(
        self: &Arc<Self>,
        target: RotationTarget,
        trigger: RotationTrigger,
    ) -> Result<Rotation, RingError> {
        let _alone = self.changing.lock().await;
        let suspected = self.probing.suspected();
        let rotated = self.rotate_locked(&target, trigger).await;
        self.probing.suspect_again(suspected);
        rotated
    }

    async fn rotate_locked(
        self: &Arc<Self>,
        target: &RotationTarget,
        trigger: RotationTrigger,
    ) -> Result<Rotation, RingError> {
        for _ in 0..ATTEMPTS {
            match self.rotate_once(target).await {
                Ok(Some(rotation)) => {
                    self.set_note(None);
                    self.rotated(&rotation);
                    return Ok(rotation);
                }
                Ok(None) => (),
                Err(error) => {
                    self.blocked(target, trigger, &error);
                    return Err(error);
                }
            }
        }
        Err(RingError::Conflict)
    }

    /// Reports a rotation that has changed the ring.
    fn rotated(&self, rotation: &Rotation) {
        if rotation.data_keys > 0 {
            self.publish_event(KeyEventKind::Rotated {
                from: rotation.from.clone(),
                to: rotation.to.clone(),
                identity: self.ring().head.identity.clone(),
                data_keys: rotation.data_keys,
                vault_calls: rotation.vault_calls,
            });
        }
    }

    /// Reports a rotation that has changed nothing. A failed automatic rotation is reported once and becomes the note of the
    /// state. A failed manual rotation is reported each time and leaves the state as it was.
    fn blocked(&self, target: &RotationTarget, trigger: RotationTrigger, error: &RingError) {
        let news = match trigger {
            RotationTrigger::Caller => true,
            RotationTrigger::Watcher => rotation_note(error, self.key_in_use().as_ref())
                .is_some_and(|note| self.set_note(Some(note))),
        };
        if news {
            let configured = || self.ring().head.configured.clone();
            let key = target.key.clone().or_else(configured);
            self.publish_event(KeyEventKind::RotationBlocked { key, why: message_of(error) });
        }
    }

    /// `None` if the ring was changed meanwhile.
    async fn rotate_once(
        self: &Arc<Self>,
        target: &RotationTarget,
    ) -> Result<Option<Rotation>, RingError> {
        let ring = self.reload().await?;
        let (Some(configured), Some(from)) = (&ring.head.configured, &ring.head.kek) else {
            return Err(RingError::NoCustomerManagedKey);
        };
        let access = self.access.as_ref().ok_or(RingError::NoVault)?;
        let steps = |identity: &Option<IdentityId>| {
            VaultSteps::new(access, identity.clone(), Purpose::Rotation)
        };
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
            self.apply_key_info(&to, Ok(info));
            return Ok(Some(Rotation {
                from: to.clone(),
                to,
                data_keys: 0,
                vault_calls: new.calls,
            }));
        }
        // The new data key comes first: an unusable new key or identity is found before the old version is asked for.
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
                // The ring may have been stored nevertheless. Both rings open.
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
        old: &mut VaultSteps,
        ring: &Ring,
        id: DataKeyId,
        from: &KeyId,
    ) -> Result<DataKey, RingError> {
        let Ok(Entry::Wrapped(entry)) = ring.entry(id, self.registry(), &self.service_key) else {
            return Err(RingError::DamagedDataKey(id));
        };
        let number = self.machine().next_number();
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

    /// Reads the stored ring and makes it the current one.
    async fn reload(&self) -> Result<Arc<Ring>, RingError> {
        let stored = load(&self.store).await?.ok_or(RingError::DamagedRing)?;
        let ring = Ring::read(stored, self.registry(), &self.service_key)?;
        self.install(ring);
        Ok(self.ring())
    }

    /// Sets or clears the reason why the key is not rotated, which is shown with the state. Returns whether it changed.
    fn set_note(&self, note: Option<(Cause, String)>) -> bool {
        let mut machine = self.machine();
        let news = machine.set_note(note);
        if self.is_active() {
            self.publish(&machine.active(self.clock.now()));
        }
        news
    }
}

/// The message of an error, with the vault's error if there is one.
fn message_of(error: &RingError) -> String {
    match error {
        RingError::Vault { source, .. } => format!("{error}: {source}"),
        _ => error.to_string(),
    }
}

/// The note for a followed key whose newest version cannot be used.
///
/// A refusal of the version in use needs no note: it makes the registry unavailable. A vault that does not answer has
/// refused nothing.
fn rotation_note(error: &RingError, in_use: Option<&KeyId>) -> Option<(Cause, String)> {
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
    let message = || format!("{}: {}", Cause::RotationBlocked.message(), message_of(error));
    is_in_the_way.then(|| (Cause::RotationBlocked, message()))
}
