//! A vault and a store of rings in memory, and a ring over both whose time a test moves.

use std::future::ready;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use azure_emulator_core::clock::Clock;
use azure_emulator_core::lines::Unwritable;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use time::OffsetDateTime;
use time::macros::datetime;
use tokio::sync::Notify;
use zeroize::Zeroizing;

use crate::keys::audit::{AuditSink, AuditUnavailable, KeyOperation, KeyUse, Purpose};
use crate::keys::{
    Answer, Cause, IdentityId, KeyEvent, KeyEventKind, KeyId, KeyInfo, KeyRing, KeyVault,
    RingConfig, RingStore, RingStoreError, RotationTarget, ServiceKey, StoredRing, TokenTerms,
    VaultAccess, VaultError,
};
use sealed_envelope::{DATA_KEY_LEN, DataKey, DataKeyId};

pub(super) const START: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);
pub(super) const LEASE: Duration = Duration::from_secs(5);
pub(super) const CHECK: Duration = Duration::from_mins(15);

/// A version of a key in [`FakeVaults`].
#[derive(Clone)]
pub(super) struct FakeVersion {
    pub(super) id: KeyId,
    pub(super) kty: &'static str,
    /// The cause that it is refused with, if it is.
    pub(super) refused: Option<Cause>,
    valid: (Option<OffsetDateTime>, Option<OffsetDateTime>),
    pad: u8,
    /// The operation that returns a wrong result.
    wrong_at: Option<KeyOperation>,
}

#[derive(Default)]
struct VaultState {
    versions: Vec<FakeVersion>,
    /// The operations that these identities may not use, with any key.
    denied: Vec<(Option<IdentityId>, KeyOperation)>,
    /// The identities that are not the registry's.
    unassigned: Vec<Option<IdentityId>>,
    calls: Vec<KeyOperation>,
    /// The error of every call.
    failure: Option<(Cause, Option<Duration>)>,
    /// The call of this number, counted from zero, is never answered.
    hangs_at: Option<usize>,
    /// The token that calls are sent with.
    token: Option<TokenTerms>,
    /// Calls wait for this before they are answered.
    gate: Option<Arc<Notify>>,
}

/// All vaults there are, for all identities.
#[derive(Default)]
pub(super) struct FakeVaults {
    state: Mutex<VaultState>,
    pub(super) hanging: Notify,
}

/// The vaults as one identity reaches them.
struct FakeVault {
    vaults: Arc<FakeVaults>,
    identity: Option<IdentityId>,
}

/// The access to [`FakeVaults`].
struct FakeAccess(Arc<FakeVaults>);

/// Where a [`MemoryStore`] fails when it stores a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StoreFault {
    /// The ring is not stored, and the call fails.
    Before,
    /// The ring is stored, and the call fails: a power cut before the answer.
    After,
}

#[derive(Default)]
pub(super) struct MemoryStore {
    ring: Mutex<Option<StoredRing>>,
    pub(super) fault: Mutex<Option<StoreFault>>,
}

/// Keeps the events, and the operations and purposes of the vault calls.
#[derive(Default)]
pub(super) struct Recorder(Mutex<Vec<KeyEvent>>, Mutex<Vec<(KeyOperation, Purpose)>>, Mutex<Log>);

/// Whether the audit log accepts records.
#[derive(Clone, Copy, Default, Eq, PartialEq)]
pub(super) enum Log {
    #[default]
    Works,
    /// It refuses before the vault is asked.
    IsFull,
    /// It has room when the vault is asked, and none when the vault has answered.
    BecomesFull,
}

/// Everything that outlives a ring, and the arguments that open one.
pub(super) struct World {
    pub(super) vault: Arc<FakeVaults>,
    pub(super) store: Arc<MemoryStore>,
    pub(super) events: Arc<Recorder>,
    pub(super) clock: Clock,
    service_key: [u8; DATA_KEY_LEN],
}

impl FakeVersion {
    /// The mask that changes every byte, so that the result is wrong.
    fn flipped_at(&self, operation: KeyOperation) -> u8 {
        u8::from(self.wrong_at == Some(operation))
    }
}

impl FakeVaults {
    /// Adds a version of [`key`]; it is the newest from then on.
    pub(super) fn add(&self, kty: &'static str) -> KeyId {
        self.add_to(&key(), kty)
    }

    /// Adds a version of a key; it is the newest from then on.
    pub(super) fn add_to(&self, key: &KeyId, kty: &'static str) -> KeyId {
        let mut state = self.state.lock().unwrap();
        let number = u8::try_from(state.versions.len()).unwrap() + 1;
        let id = key.at(format!("{number:032x}").parse().unwrap());
        let version = FakeVersion {
            id: id.clone(),
            kty,
            refused: None,
            valid: (None, None),
            pad: number,
            wrong_at: None,
        };
        state.versions.push(version);
        id
    }

    pub(super) fn refuse(&self, at: &KeyId, cause: Option<Cause>) {
        let mut state = self.state.lock().unwrap();
        let version = state.versions.iter_mut().find(|version| version.id == *at).unwrap();
        version.refused = cause;
    }

    /// Makes an operation with this version return a wrong result.
    pub(super) fn do_wrong(&self, at: &KeyId, operation: KeyOperation) {
        let mut state = self.state.lock().unwrap();
        let version = state.versions.iter_mut().find(|version| version.id == *at).unwrap();
        version.wrong_at = Some(operation);
    }

    /// Sets the validity of a version that the vault reports. It refuses as [`FakeVaults::refuse`] says.
    pub(super) fn set_validity(
        &self,
        at: &KeyId,
        valid: (Option<OffsetDateTime>, Option<OffsetDateTime>),
    ) {
        let mut state = self.state.lock().unwrap();
        state.versions.iter_mut().find(|version| version.id == *at).unwrap().valid = valid;
    }

    /// Revokes a permission of an identity, for all keys.
    pub(super) fn deny(&self, identity: Option<&IdentityId>, operation: KeyOperation) {
        self.state.lock().unwrap().denied.push((identity.cloned(), operation));
    }

    /// Assigns an identity to the registry, or removes it.
    pub(super) fn assign(&self, identity: Option<&IdentityId>, assigned: bool) {
        let mut state = self.state.lock().unwrap();
        state.unassigned.retain(|other| other.as_ref() != identity);
        if !assigned {
            state.unassigned.push(identity.cloned());
        }
    }

    /// Makes every call fail, or no longer.
    pub(super) fn fail(&self, failure: Option<(Cause, Option<Duration>)>) {
        self.state.lock().unwrap().failure = failure;
    }

    /// Sets the token that calls are sent with.
    pub(super) fn set_token(&self, token: TokenTerms) {
        self.state.lock().unwrap().token = Some(token);
    }

    /// Makes one later call hang for ever; [`FakeVault::hanging`] tells when it does.
    pub(super) fn hang_at(&self, call: Option<usize>) {
        let mut state = self.state.lock().unwrap();
        state.hangs_at = call.map(|call| state.calls.len() + call);
    }

    /// Makes calls wait until the returned gate is notified.
    pub(super) fn close_gate(&self) -> Arc<Notify> {
        let gate = Arc::new(Notify::new());
        self.state.lock().unwrap().gate = Some(Arc::clone(&gate));
        gate
    }

    pub(super) fn open_gate(&self) {
        if let Some(gate) = self.state.lock().unwrap().gate.take() {
            gate.notify_waiters();
        }
    }

    pub(super) fn calls(&self) -> Vec<KeyOperation> {
        self.state.lock().unwrap().calls.clone()
    }

    pub(super) fn unwraps(&self) -> usize {
        self.calls().into_iter().filter(|call| *call == KeyOperation::UnwrapKey).count()
    }

    /// Records a call, and returns the version that it is about.
    async fn call(
        &self,
        identity: Option<&IdentityId>,
        operation: KeyOperation,
        at: &KeyId,
    ) -> Result<FakeVersion, VaultError> {
        let (hangs, gate) = {
            let mut state = self.state.lock().unwrap();
            let hangs = state.hangs_at == Some(state.calls.len());
            state.calls.push(operation);
            // The place in the queue is reserved before the gate can open.
            (hangs, state.gate.clone().map(Notify::notified_owned))
        };
        if hangs {
            self.hanging.notify_one();
            std::future::pending::<()>().await;
        }
        if let Some(gate) = gate {
            gate.await;
        }
        let state = self.state.lock().unwrap();
        if let Some((cause, after)) = state.failure {
            return Err(VaultError::new(Some(cause), "as the test asked").with_retry_after(after));
        }
        if state.denied.iter().any(|(who, what)| who.as_ref() == identity && *what == operation) {
            return Err(VaultError::new(
                Some(Cause::PolicyRemoved),
                "the policy does not permit it",
            ));
        }
        let mut versions = state.versions.iter().rev();
        let found = match at.version() {
            None => versions.find(|version| version.id.unversioned() == *at),
            Some(_) => versions.find(|version| version.id == *at),
        };
        let found = found.ok_or_else(|| VaultError::new(Some(Cause::KeyDeleted), "no such key"))?;
        match (operation, found.refused) {
            (KeyOperation::WrapKey | KeyOperation::UnwrapKey, Some(cause)) => {
                Err(VaultError::new(Some(cause), "as the test asked"))
            }
            _ => Ok(found.clone()),
        }
    }
}

impl KeyVault for FakeVault {
    fn get_key<'a>(&'a self, at: &'a KeyId) -> BoxFuture<'a, Result<Answer<KeyInfo>, VaultError>> {
        async move {
            let found = self.call(KeyOperation::Get, at).await?;
            let value = KeyInfo {
                id: found.id,
                kty: found.kty.to_owned(),
                key_size: Some(2048),
                enabled: found.refused != Some(Cause::KeyDisabled),
                not_before: found.valid.0,
                expires: found.valid.1,
            };
            Ok(Answer { value, request_id: None })
        }
        .boxed()
    }

    fn wrap_key<'a>(
        &'a self,
        at: &'a KeyId,
        data_key: &'a DataKey,
    ) -> BoxFuture<'a, Result<Answer<Vec<u8>>, VaultError>> {
        async move {
            let found = self.call(KeyOperation::WrapKey, at).await?;
            let flipped = found.flipped_at(KeyOperation::WrapKey);
            let padded = data_key.expose().iter().map(|byte| byte ^ found.pad ^ flipped);
            let value = std::iter::once(found.pad).chain(padded).collect();
            Ok(Answer { value, request_id: None })
        }
        .boxed()
    }

    fn unwrap_key<'a>(
        &'a self,
        at: &'a KeyId,
        wrapped: &'a [u8],
    ) -> BoxFuture<'a, Result<Answer<DataKey>, VaultError>> {
        async move {
            let found = self.call(KeyOperation::UnwrapKey, at).await?;
            let (pad, padded) = wrapped.split_first().unwrap();
            if *pad == 0 {
                return Err(VaultError::new(None, "no version has wrapped this"));
            }
            assert_eq!(*pad, found.pad, "unwrapped with another version than it was wrapped with");
            let mut bytes = Zeroizing::new([0; DATA_KEY_LEN]);
            let flipped = found.flipped_at(KeyOperation::UnwrapKey);
            for (byte, padded) in bytes.iter_mut().zip(padded) {
                *byte = padded ^ pad ^ flipped;
            }
            Ok(Answer { value: DataKey::copy_of(&bytes), request_id: None })
        }
        .boxed()
    }

    fn token(&self) -> BoxFuture<'_, Option<TokenTerms>> {
        let token = self.vaults.state.lock().unwrap().token;
        ready(token).boxed()
    }

    fn caller(&self) -> String {
        self.identity.as_ref().map_or("started", IdentityId::as_str).to_owned()
    }
}

impl FakeVault {
    async fn call(&self, operation: KeyOperation, at: &KeyId) -> Result<FakeVersion, VaultError> {
        self.vaults.call(self.identity.as_ref(), operation, at).await
    }
}

impl VaultAccess for FakeAccess {
    fn vault(&self, identity: Option<&IdentityId>) -> Result<Arc<dyn KeyVault>, VaultError> {
        let identity = identity.cloned();
        if self.0.state.lock().unwrap().unassigned.contains(&identity) {
            return Err(VaultError::new(Some(Cause::IdentityRemoved), "it is not assigned"));
        }
        Ok(Arc::new(FakeVault { vaults: Arc::clone(&self.0), identity }))
    }

    fn identifier(&self, key: &KeyId) -> String {
        key.to_string()
    }
}

impl RingStore for MemoryStore {
    fn load(&self) -> Result<Option<StoredRing>, RingStoreError> {
        Ok(self.ring.lock().unwrap().clone())
    }

    fn replace(&self, expected: Option<u64>, ring: &StoredRing) -> Result<bool, RingStoreError> {
        let mut kept = self.ring.lock().unwrap();
        if kept.as_ref().map(|ring| ring.generation) != expected {
            return Ok(false);
        }
        let fault = self.fault.lock().unwrap().take();
        if fault != Some(StoreFault::Before) {
            *kept = Some(ring.clone());
        }
        if fault.is_some() { Err(RingStoreError::new("the disk is gone")) } else { Ok(true) }
    }

    fn reinitialize(&self, ring: &StoredRing, _: Option<uuid::Uuid>) -> Result<(), RingStoreError> {
        *self.ring.lock().unwrap() = Some(ring.clone());
        Ok(())
    }

    fn remove_unused(
        &self,
        expected: u64,
        data_keys: &[DataKeyId],
    ) -> Result<Option<Vec<DataKeyId>>, RingStoreError> {
        let mut kept = self.ring.lock().unwrap();
        match kept.as_mut().filter(|ring| ring.generation == expected) {
            None => Ok(None),
            Some(ring) => {
                ring.entries.retain(|(id, _)| !data_keys.contains(id));
                ring.generation += 1;
                Ok(Some(data_keys.to_vec()))
            }
        }
    }
}

impl AuditSink for Recorder {
    fn ready(&self) -> BoxFuture<'static, Result<(), AuditUnavailable>> {
        let log = *self.2.lock().unwrap();
        ready(if log == Log::IsFull { Err(AuditUnavailable(Unwritable::DiskFull)) } else { Ok(()) })
            .boxed()
    }

    fn record(&self, key_use: KeyUse) -> BoxFuture<'static, Result<(), AuditUnavailable>> {
        self.1.lock().unwrap().push((key_use.operation, key_use.purpose));
        let log = *self.2.lock().unwrap();
        ready(if log == Log::Works { Ok(()) } else { Err(AuditUnavailable(Unwritable::DiskFull)) })
            .boxed()
    }

    fn event(&self, event: KeyEvent) {
        self.0.lock().unwrap().push(event);
    }
}

impl Recorder {
    /// Sets whether the audit log is writable.
    pub(super) fn set(&self, log: Log) {
        *self.2.lock().unwrap() = log;
    }

    /// The operations and purposes of the vault calls since the start.
    pub(super) fn uses(&self) -> Vec<(KeyOperation, Purpose)> {
        self.1.lock().unwrap().clone()
    }

    /// The events since the last call, in a short form.
    pub(super) fn take(&self) -> Vec<String> {
        let text = |event: KeyEvent| match event.what {
            KeyEventKind::StateChanged(change) => {
                let cause = change.cause.map_or("none", Cause::name);
                format!("{} to {}: {cause}", change.from, change.to)
            }
            what => what.name().to_owned(),
        };
        std::mem::take(&mut *self.0.lock().unwrap()).into_iter().map(text).collect()
    }
}

impl World {
    /// A vault whose key has one version, and no ring yet.
    pub(super) fn new() -> (Self, KeyId) {
        let vault = Arc::new(FakeVaults::default());
        let first = vault.add("RSA");
        let service_key = *ServiceKey::generate().unwrap().expose();
        let clock = Clock::manual(START);
        let (store, events) = (Arc::default(), Arc::default());
        (Self { vault, store, events, clock, service_key }, first)
    }

    /// Opens the ring, as a start of the program does.
    pub(super) async fn open(&self) -> KeyRing {
        self.open_with(key()).await
    }

    pub(super) async fn open_with(&self, configured: KeyId) -> KeyRing {
        let config = RingConfig {
            registry: "local".to_owned(),
            configured: Some(configured),
            lease: LEASE,
            rotation_check: CHECK,
            ..RingConfig::default()
        };
        let access = Arc::new(FakeAccess(Arc::clone(&self.vault)));
        let service_key = ServiceKey::copy_of(&self.service_key);
        let store = Arc::<MemoryStore>::clone(&self.store);
        KeyRing::open(
            config,
            Some(access),
            service_key,
            store,
            Arc::<Recorder>::clone(&self.events),
            self.clock.clone(),
        )
        .await
        .unwrap()
    }
}

/// The key that rings are opened with, without a version.
pub(super) fn key() -> KeyId {
    "https://local.vault.localhost/keys/k".parse().unwrap()
}

/// A user-assigned identity.
pub(super) fn identity(number: u128) -> IdentityId {
    uuid::Uuid::from_u128(number).to_string().parse().unwrap()
}

/// A target with this key and this identity.
pub(super) fn target(key: Option<KeyId>, identity: Option<&IdentityId>) -> RotationTarget {
    RotationTarget { key, identity: identity.cloned(), ..RotationTarget::default() }
}

/// The bytes of the data key that a ring would seal with now.
pub(super) async fn current(ring: &KeyRing) -> (DataKeyId, [u8; DATA_KEY_LEN]) {
    let lease = ring.current().await.unwrap();
    (lease.id(), lease.with(|key| *key.expose()).unwrap())
}

/// The bytes of a data key by its name.
pub(super) async fn bytes_of(ring: &KeyRing, id: DataKeyId) -> [u8; DATA_KEY_LEN] {
    ring.lease(id).await.unwrap().with(|key| *key.expose()).unwrap()
}

/// Runs all tasks that can run now.
pub(super) async fn run_ready_tasks() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

/// Waits for a future. A broken ring makes the test fail and not hang; the time that it takes does not matter.
pub(super) async fn comes<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_mins(1), what).await.expect("it never comes")
}

/// Waits until a condition holds that another task brings about.
pub(super) async fn becomes(holds: impl Fn() -> bool) {
    comes(async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
