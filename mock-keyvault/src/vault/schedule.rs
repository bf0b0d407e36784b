//! The scheduled actions of a vault, and performing them in the order of time.
//!
//! The newest version of a key has a notice before its expiry, a rotation by policy, and its expiry. A deleted key has its purge,
//! and so has a deleted vault, in which nothing else is due. Called by the background task of a running vault and by callers that
//! move the clock.
//!
//! The schedule depends only on the rows on disk, and each step is durable before the next is looked for. So one jump of a year
//! has the same effect as many small moves, and a kill between two steps loses none: the next start continues. The creation time
//! of a rotated version is the time at which the rotation was due, not the time at which it was noticed.
//!
//! Times are whole seconds, as everywhere in Key Vault.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::PoisonError;
use std::time::Duration;

use time::OffsetDateTime;

use super::due::{Action, DueAction, ScheduleInputs};
use super::vaults::Vaults;
use crate::model::KeyReference;
use crate::model::error::VaultError;
use crate::model::names::{KeyName, KeyVersion, VaultName};
use crate::model::schedule::Schedule;
use crate::model::version::Key;
use azure_emulator_core::disk_space;
use azure_emulator_core::events::EventKind;

impl Vaults {
    /// Whether any action will ever be due for a key without a change to it.
    pub(super) fn has_scheduled_action(key: &Key) -> bool {
        ScheduleInputs::from_key(key).is_some_and(|inputs| inputs.next().is_some())
    }

    /// Performs everything that is due by the clock, in the order of time, unless `is_stopped` says to stop between two steps.
    ///
    /// The steps take concurrent changes into account. Returns the number of steps. Blocks.
    pub(crate) fn run_due(&self, is_stopped: impl Fn() -> bool) -> Result<usize, VaultError> {
        let _running = self.running_due.lock().unwrap_or_else(PoisonError::into_inner);
        let mut steps = 0;
        let mut waiting: BinaryHeap<Reverse<(i64, VaultName, String)>> = self.all_due();
        while let Some(Reverse((at, vault, folded))) = waiting.pop() {
            if is_stopped() || at > self.clock.unix_now() {
                break;
            }
            let Some((name, version, due)) = self.next_of(&vault, &folded) else {
                continue;
            };
            if due.at == at {
                self.perform(&vault, &name, &version, due)?;
                steps += 1;
            }
            if let Some((_, _, next)) = self.next_of(&vault, &folded) {
                waiting.push(Reverse((next.at, vault, folded)));
            }
        }
        if !is_stopped() {
            steps += self.purge_vaults_due()?.len();
        }
        Ok(steps)
    }

    /// The time until the next action is due; `None` if none is.
    pub(crate) fn until_next_due(&self) -> Option<Duration> {
        let of_keys = self.all_due().into_iter().max().map(|Reverse((at, ..))| at);
        let at = of_keys.into_iter().chain(self.next_vault_due()).min()?;
        let at = OffsetDateTime::from_unix_timestamp(at).ok()?;
        Some(Duration::try_from(at - self.clock.now()).unwrap_or(Duration::ZERO))
    }

    /// The next moment, after now, at which an action is due or the validity of a version begins or ends.
    pub(crate) fn next_change(&self) -> Option<OffsetDateTime> {
        let now = self.clock.unix_now();
        let due: Vec<i64> = self.all_due().into_iter().map(|Reverse((at, ..))| at).collect();
        let due = due.into_iter().chain(self.next_vault_due()).filter(|at| *at > now).min();
        let due = due.and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok());
        [due, self.next_validity(self.clock.now())].into_iter().flatten().min()
    }

    /// The next moment, after this one, at which the validity of a version begins or ends.
    pub(crate) fn next_validity(&self, now: OffsetDateTime) -> Option<OffsetDateTime> {
        let now = now.unix_timestamp();
        let vaults = self.read();
        let live = vaults.values().filter(|vault| vault.settings.deletion.is_none());
        let keys = live.flat_map(|vault| vault.keys.values());
        let versions = keys.filter(|key| key.deletion.is_none()).flat_map(|key| &key.versions);
        let moments = versions.flat_map(|version| {
            let attributes = &version.attributes;
            attributes.not_before.into_iter().chain(attributes.expires)
        });
        let next = moments.filter(|at| *at > now).min()?;
        OffsetDateTime::from_unix_timestamp(next).ok()
    }

    /// Changes the scheduling data of a key, on disk and in memory. The change lock is held.
    pub(super) fn change_schedule(
        &self,
        vault: &VaultName,
        name: &KeyName,
        change: impl FnOnce(&mut Schedule),
    ) -> Result<(), VaultError> {
        let found = self.with_vault(vault, |found| {
            Ok(found.keys.get(name.folded()).map(|key| key.schedule.clone()))
        })?;
        let Some(mut schedule) = found else {
            return Ok(());
        };
        change(&mut schedule);
        self.store.put_schedule(vault, name, &schedule)?;
        self.with_vault_mut(vault, |found| {
            if let Some(key) = found.keys.get_mut(name.folded()) {
                key.schedule = schedule;
            }
        })?;
        self.schedule_changed.notify_one();
        Ok(())
    }

    fn all_due(&self) -> BinaryHeap<Reverse<(i64, VaultName, String)>> {
        let vaults = self.read();
        // A deleted vault waits for its own purge; nothing is due in it.
        let live = vaults.iter().filter(|(_, vault)| vault.settings.deletion.is_none());
        let keys = live.flat_map(|(name, vault)| {
            vault.keys.iter().map(move |(folded, key)| (name, folded, key))
        });
        keys.filter_map(|(vault, folded, key)| {
            let due = ScheduleInputs::from_key(key)?.next()?;
            Some(Reverse((due.at, vault.clone(), folded.clone())))
        })
        .collect()
    }

    /// The next action for a key, with its newest version.
    pub(super) fn next_of(
        &self,
        vault: &VaultName,
        folded: &str,
    ) -> Option<(KeyName, KeyVersion, DueAction)> {
        let vaults = self.read();
        let live = vaults.get(vault).filter(|vault| vault.settings.deletion.is_none());
        let key = live?.keys.get(folded)?;
        let due = ScheduleInputs::from_key(key)?.next()?;
        Some((key.name.clone(), key.versions.last()?.id.clone(), due))
    }

    pub(super) fn perform(
        &self,
        vault: &VaultName,
        name: &KeyName,
        version: &KeyVersion,
        due: DueAction,
    ) -> Result<(), VaultError> {
        let done = match due.action {
            Action::Rotate => self.rotate_when_due(vault, name, version, due),
            Action::Purge => self.purge_due(vault),
            Action::NotifyNearExpiry | Action::NotifyExpired => {
                let _changing = self.change();
                // Another caller may have changed the key before the lock was acquired.
                match self.next_of(vault, name.folded()) {
                    Some((_, now, same)) if now == *version && same == due => {
                        self.notify(vault, name, version, due)
                    }
                    _ => Ok(()),
                }
            }
        };
        match done {
            // The key or its vault was deleted just now: nothing is due in it any more.
            Err(
                VaultError::KeyNotFound(_)
                | VaultError::DeletedButRecoverable(_)
                | VaultError::VaultNotFound(_),
            ) => Ok(()),
            done => done,
        }
    }

    /// Announces the expiry of a version, and stores that it was announced. The change lock is held.
    ///
    /// The event comes first: after a kill between the two, it is sent again with the same id. On a full disk it waits.
    fn notify(
        &self,
        vault: &VaultName,
        name: &KeyName,
        version: &KeyVersion,
        due: DueAction,
    ) -> Result<(), VaultError> {
        let view =
            self.key(vault, &KeyReference { name: name.clone(), version: Some(version.clone()) })?;
        self.disk_space().spend(0, disk_space::Purpose::Rows)?;
        let end = view.version.attributes.expires;
        let kind = match due.action {
            Action::NotifyNearExpiry => EventKind::NearExpiry,
            _ => EventKind::Expired,
        };
        self.announce(kind, &view, due.at);
        self.change_schedule(vault, name, |schedule| {
            let mut notified = std::mem::take(&mut schedule.notified).for_version(version.as_str());
            match due.action {
                Action::NotifyNearExpiry => notified.near_expiry = end,
                _ => notified.expired = end,
            }
            schedule.notified = notified;
        })
    }
}
