//! The revocations of a data folder: one change at a time, each with its record and its intent.

use std::sync::Arc;

use tokio::sync::{Mutex, MutexGuard};

use super::context::RevocationContext;
use super::error::RevocationError;
use super::method::RevocationMethod;
use super::records::{RevocationRecord, RevocationRecords, SharedRecords};
use super::revoked::RevocationTarget;
use super::steps::{Steps, restore, resume, revoke};
use super::wait::{self, Expected};
use crate::keys::Status;
use crate::registry::{Intent, Intents, Kind, Registries, Registry};
use crate::store::{Store, StoreError};

/// The revocations of the registries of a data folder.
#[derive(Debug)]
pub struct Revocations {
    /// Locked during each change, from looking up the access to the last write of the record.
    records: Mutex<RevocationRecords>,
    /// The current records. They are read without the lock: a change waits for the vault, and a reset takes long.
    shared: SharedRecords,
    intents: Intents,
}

/// The revocations of a data folder while a reset holds their lock, so that no other revocation or restoration runs.
#[derive(Debug)]
pub struct RevocationsLock<'a> {
    revocations: &'a Revocations,
    records: MutexGuard<'a, RevocationRecords>,
}

/// The result of a restoration, and the state after it.
#[derive(Clone, Debug)]
pub struct Restored {
    /// The restored methods, in the order of restoration: the last revocation came first.
    pub methods: Vec<RevocationMethod>,
    /// The state of the registry.
    pub status: Status,
}

impl Revocations {
    /// Reads the records from before the last stop.
    pub fn open(store: Arc<Store>, intents: Intents) -> Result<Self, StoreError> {
        let records = RevocationRecords::open(store)?;
        Ok(Self { shared: records.shared(), records: Mutex::new(records), intents })
    }

    /// Revokes a registry's access to its key. If the method was used already, this succeeds without a change.
    pub async fn revoke(
        &self,
        registry: &Registry,
        context: RevocationContext<'_>,
        method: RevocationMethod,
        wait: bool,
    ) -> Result<Status, RevocationError> {
        let mut records = self.records.lock().await;
        let target = RevocationTarget::new(registry, context, method)?;
        let found = target.look_up().await?;
        match found {
            Some(revoked) => {
                let steps = Steps { registry: registry.name().to_owned(), by: Some(method) };
                let intent = self.intents.begin(Kind::Revoke, &steps).await?;
                let record = RevocationRecord { registry: steps.registry, revoked };
                let done = async {
                    let revoked = record.revoked.clone();
                    records.add(record).await?;
                    // Not earlier, because a refused revocation replaces nothing.
                    self.replace_earlier(registry.name(), Some(method)).await?;
                    revoke(&revoked, &target, &intent).await
                };
                let done = done.await;
                // The caller gets the error, and decides what to do.
                intent.end().await?;
                done?;
                tracing::info!(
                    registry.name = registry.name(),
                    way = method.name(),
                    "revoked the key"
                );
            }
            // A waiting restoration would undo this revocation.
            None if records.contains(registry.name(), method) => {
                self.replace_earlier(registry.name(), Some(method)).await?;
            }
            None => return Err(target.nothing_to_revoke()),
        }
        drop(records);
        // In strict parity the registry can use an identity for a time after its removal.
        let is_refused =
            method != RevocationMethod::Identity || registry.identity_works_until().is_none();
        let expected = match wait {
            true if is_refused => Expected::Refused,
            true => Expected::Answered,
            false => Expected::Current,
        };
        wait::wait_for_state(registry, expected).await
    }

    /// Restores the access of a registry, for all methods or for one. If there is nothing to restore, this succeeds.
    pub async fn restore(
        &self,
        registry: &Registry,
        context: RevocationContext<'_>,
        by: Option<RevocationMethod>,
        wait: bool,
    ) -> Result<Restored, RevocationError> {
        let mut records = self.records.lock().await;
        let methods = self.restore_locked(&mut records, registry, context, by).await?;
        let is_whole = records.newest_first(registry.name(), None).is_empty();
        drop(records);
        let expected = if wait && is_whole && !methods.is_empty() {
            Expected::Served
        } else if wait {
            Expected::Answered
        } else {
            Expected::Current
        };
        Ok(Restored { methods, status: wait::wait_for_state(registry, expected).await? })
    }

    /// Restores the access, for callers that hold the lock.
    async fn restore_locked(
        &self,
        records: &mut RevocationRecords,
        registry: &Registry,
        context: RevocationContext<'_>,
        by: Option<RevocationMethod>,
    ) -> Result<Vec<RevocationMethod>, RevocationError> {
        if records.newest_first(registry.name(), by).is_empty() {
            self.replace_earlier(registry.name(), by).await?;
            return Ok(Vec::new());
        }
        let steps = Steps { registry: registry.name().to_owned(), by };
        let intent = self.intents.begin(Kind::Restore, &steps).await?;
        self.replace_earlier(registry.name(), by).await?;
        let done = restore(records, registry, context, by, &intent).await;
        intent.end().await?;
        done
    }

    /// Waits until no revocation and no restoration runs, and blocks new ones until the returned value is dropped.
    pub async fn lock(&self) -> RevocationsLock<'_> {
        RevocationsLock { revocations: self, records: self.records.lock().await }
    }

    /// Resumes an interrupted operation, as far as its record was stored. After an error the caller tries again.
    pub async fn resume(
        &self,
        intent: Intent,
        context: RevocationContext<'_>,
    ) -> Result<(), RevocationError> {
        let mut records = self.records.lock().await;
        if intent.is_replaced() {
            return Ok(());
        }
        let done = resume(&mut records, &intent, context).await;
        match done {
            Ok(()) => Ok(intent.end().await?),
            Err(error) => {
                intent.failed(&error);
                Err(error)
            }
        }
    }

    /// Ends the interrupted operations of a registry that a newer operation by this method, or by all methods, replaces.
    /// The caller must hold the lock.
    async fn replace_earlier(
        &self,
        registry: &str,
        by: Option<RevocationMethod>,
    ) -> Result<(), RevocationError> {
        let is_it = |parameters: &serde_json::Value| {
            serde_json::from_value(parameters.clone()).is_ok_and(|earlier: Steps| {
                earlier.registry.eq_ignore_ascii_case(registry)
                    && (by.is_none() || earlier.by.is_none() || by == earlier.by)
            })
        };
        Ok(self.intents.replace_those(&[Kind::Revoke, Kind::Restore], is_it).await?)
    }

    /// Removes the records of deleted registries, because a new registry of the same name has no revocations. The access
    /// stays revoked: other registries may use the key, and its owner decides about it.
    pub async fn remove_deleted_registries(
        &self,
        registries: &Registries,
    ) -> Result<(), RevocationError> {
        let mut records = self.records.lock().await;
        Ok(records.retain_registries(|registry| registries.get(registry).is_some()).await?)
    }

    /// The methods by which the key of a registry is revoked or about to be, the newest first. It does not wait for a running
    /// change.
    pub fn methods_of(&self, registry: &str) -> Vec<RevocationMethod> {
        let records = self.shared.newest_first(registry, None);
        records.iter().map(|record| record.revoked.method()).collect()
    }
}

impl RevocationsLock<'_> {
    /// Restores all access of a registry, without waiting for its state.
    pub async fn restore(
        &mut self,
        registry: &Registry,
        context: RevocationContext<'_>,
    ) -> Result<(), RevocationError> {
        self.revocations.restore_locked(&mut self.records, registry, context, None).await.map(drop)
    }

    /// Removes all records, after a reset that leaves nothing to restore.
    pub async fn clear(&mut self) -> Result<(), RevocationError> {
        Ok(self.records.clear().await?)
    }
}
