//! A platform in memory that fails at the call that a test names, and records what it holds.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::Semaphore;

use crate::keys::{Answer, Cause, KeyId, KeyInfo, KeyVault, VaultError, VaultName};
use crate::registry::{
    AssignedIdentity, IdentityOf, IdentityResource, Platform, PlatformError, Principal,
    ResourceGroup,
};
use sealed_envelope::DataKey;

/// The platform of the registries. Every call counts, and one of them may fail.
pub(super) struct FakePlatform {
    start: AssignedIdentity,
    calls: AtomicUsize,
    fails_at: AtomicUsize,
    /// The existing identities, by client id.
    pub(super) identities: Mutex<BTreeMap<String, String>>,
    /// The principals that may use the vault, by principal id.
    pub(super) allowed: Mutex<Vec<String>>,
    pub(super) purge_protection: Mutex<Option<bool>>,
    /// Whether the removal of roles fails.
    pub(super) keeps_roles: AtomicBool,
    /// The gate that the vault's answers to unwrapKey wait for.
    gate: Mutex<Option<Arc<Semaphore>>>,
}

struct FakeVault {
    platform: Arc<FakePlatform>,
    client_id: String,
}

/// The platform as registries hold it: the vault that it returns holds it too.
pub(super) struct Shared(pub(super) Arc<FakePlatform>);

impl FakePlatform {
    pub(super) fn new() -> Arc<Self> {
        let resource = IdentityResource::new(ResourceGroup::default(), "sealyard").unwrap();
        let principal = Principal {
            client_id: "00000000-0000-4000-8000-00000000a004".to_owned(),
            principal_id: "start".to_owned(),
        };
        Arc::new(Self {
            start: AssignedIdentity { resource, principal },
            calls: AtomicUsize::new(0),
            fails_at: AtomicUsize::new(usize::MAX),
            identities: Mutex::default(),
            allowed: Mutex::default(),
            purge_protection: Mutex::new(Some(true)),
            keeps_roles: AtomicBool::new(false),
            gate: Mutex::default(),
        })
    }

    /// Makes the call of this number fail, counted from now.
    pub(super) fn fail_at(&self, call: usize) {
        self.calls.store(0, Ordering::SeqCst);
        self.fails_at.store(call, Ordering::SeqCst);
    }

    pub(super) fn fail_no_more(&self) {
        self.fails_at.store(usize::MAX, Ordering::SeqCst);
    }

    /// Makes the vault slow: it answers unwrapKey only after [`Self::open_gate`].
    pub(super) fn close_gate(&self) {
        *self.gate.lock().unwrap() = Some(Arc::new(Semaphore::new(0)));
    }

    pub(super) fn open_gate(&self) {
        if let Some(gate) = self.gate.lock().unwrap().take() {
            gate.close();
        }
    }

    /// The number of calls since the last [`Self::fail_at`].
    pub(super) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    fn fails(&self) -> bool {
        self.calls.fetch_add(1, Ordering::SeqCst) == self.fails_at.load(Ordering::SeqCst)
    }

    fn step(&self) -> Result<(), PlatformError> {
        if self.fails() { Err(PlatformError::Failed("it is down".to_owned())) } else { Ok(()) }
    }
}

impl FakeVault {
    fn step(&self) -> Result<(), VaultError> {
        if self.platform.fails() {
            return Err(VaultError::new(Some(Cause::VaultUnreachable), "it is down"));
        }
        let identities = self.platform.identities.lock().unwrap();
        let allowed = self.platform.allowed.lock().unwrap();
        match identities.get(&self.client_id) {
            Some(principal) if allowed.contains(principal) => Ok(()),
            _ => Err(VaultError::new(Some(Cause::PolicyRemoved), "keys get is not allowed")),
        }
    }
}

impl KeyVault for FakeVault {
    fn get_key<'a>(&'a self, key: &'a KeyId) -> BoxFuture<'a, Result<Answer<KeyInfo>, VaultError>> {
        async move {
            self.step()?;
            let kty = if key.name().as_str() == "ec" { "EC" } else { "RSA" };
            let value = KeyInfo {
                id: key.at("ab".repeat(16).parse().unwrap()),
                kty: kty.to_owned(),
                key_size: Some(2048),
                enabled: true,
                not_before: None,
                expires: None,
            };
            Ok(Answer { value, request_id: None })
        }
        .boxed()
    }

    fn wrap_key<'a>(
        &'a self,
        _: &'a KeyId,
        data_key: &'a DataKey,
    ) -> BoxFuture<'a, Result<Answer<Vec<u8>>, VaultError>> {
        async move {
            self.step()?;
            Ok(Answer { value: data_key.expose().to_vec(), request_id: None })
        }
        .boxed()
    }

    fn unwrap_key<'a>(
        &'a self,
        _: &'a KeyId,
        wrapped: &'a [u8],
    ) -> BoxFuture<'a, Result<Answer<DataKey>, VaultError>> {
        async move {
            let gate = self.platform.gate.lock().unwrap().clone();
            if let Some(gate) = gate {
                // An error: the gate was opened.
                drop(gate.acquire().await);
            }
            self.step()?;
            let bytes = wrapped.try_into().unwrap();
            Ok(Answer { value: DataKey::copy_of(bytes), request_id: None })
        }
        .boxed()
    }

    fn caller(&self) -> String {
        self.client_id.clone()
    }
}

impl Platform for Shared {
    fn start_identity(&self) -> &AssignedIdentity {
        &self.0.start
    }

    fn tenant(&self) -> &'static str {
        "tenant"
    }

    fn vaults_as(&self, client_id: &str) -> Result<Arc<dyn KeyVault>, PlatformError> {
        let platform = Arc::clone(&self.0);
        Ok(Arc::new(FakeVault { platform, client_id: client_id.to_owned() }))
    }

    fn key_identifier(&self, key: &KeyId) -> String {
        key.public_identifier()
    }

    fn make_identity(&self, of: IdentityOf) -> BoxFuture<'_, Result<Principal, PlatformError>> {
        async move {
            self.0.step()?;
            let client_id = uuid::Uuid::new_v4().to_string();
            let resource = match of {
                IdentityOf::Resource(resource) => resource.to_string(),
                IdentityOf::Registry(id) => id,
            };
            let own = format!("{resource} ");
            let identities = self.0.identities.lock().unwrap().clone();
            // Like every platform: returns the existing one.
            if let Some((known, id)) = identities.into_iter().find(|(_, id)| id.starts_with(&own)) {
                return Ok(Principal { client_id: known, principal_id: id });
            }
            let principal_id = format!("{own}{client_id}");
            self.0.identities.lock().unwrap().insert(client_id.clone(), principal_id.clone());
            Ok(Principal { client_id, principal_id })
        }
        .boxed()
    }

    fn remove_identity<'a>(
        &'a self,
        client_id: &'a str,
    ) -> BoxFuture<'a, Result<(), PlatformError>> {
        async move {
            self.0.identities.lock().unwrap().remove(client_id);
            Ok(())
        }
        .boxed()
    }

    fn remove_roles<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<(), PlatformError>> {
        async move {
            if self.0.keeps_roles.load(Ordering::SeqCst) {
                return Err(PlatformError::Failed("it is down".to_owned()));
            }
            Ok(())
        }
        .boxed()
    }

    fn has_purge_protection<'a>(
        &'a self,
        _: &'a VaultName,
    ) -> BoxFuture<'a, Result<Option<bool>, PlatformError>> {
        // An unknown answer is not a failure, so this call does not count.
        async move { Ok(*self.0.purge_protection.lock().unwrap()) }.boxed()
    }

    fn ensure_key<'a>(&'a self, _: &'a KeyId) -> BoxFuture<'a, Result<(), PlatformError>> {
        async move { self.0.step() }.boxed()
    }

    fn allow<'a>(
        &'a self,
        _: &'a VaultName,
        principal: &'a Principal,
    ) -> BoxFuture<'a, Result<(), PlatformError>> {
        async move {
            self.0.step()?;
            self.0.allowed.lock().unwrap().push(principal.principal_id.clone());
            Ok(())
        }
        .boxed()
    }

    fn disallow<'a>(
        &'a self,
        _: &'a VaultName,
        principal: &'a Principal,
    ) -> BoxFuture<'a, Result<(), PlatformError>> {
        async move {
            self.0.allowed.lock().unwrap().retain(|other| *other != principal.principal_id);
            Ok(())
        }
        .boxed()
    }
}
