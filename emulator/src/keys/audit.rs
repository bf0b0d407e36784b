//! Records every use of a key, and is the only access to the vaults.
//!
//! [`AuditedAccess`] is the only holder of a [`VaultAccess`] in this area, so every call is recorded.
//! A key is not used if the use cannot be recorded: the sink is asked before each call, and the vault's answer is
//! dropped if the record cannot be written then. The implementation of [`AuditSink`] decides where the records go.

use std::sync::Arc;

use azure_emulator_core::clock::Clock;
use azure_emulator_core::lines::Unwritable;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::vault::{Answer, KeyInfo, KeyVault, TokenTerms, VaultError};
use super::{Cause, IdentityId, KeyEvent, KeyId, KeyName, KeyVersion, VaultAccess, VaultName};
use sealed_envelope::{DataKey, DataKeyId};

/// Receives the records. It must not block: it is called on async threads.
pub trait AuditSink: Send + Sync + 'static {
    /// Resolves when a record can be written.
    fn ready(&self) -> BoxFuture<'static, Result<(), AuditUnavailable>>;

    /// Writes one record. Resolves when it is written.
    fn record(&self, key_use: KeyUse) -> BoxFuture<'static, Result<(), AuditUnavailable>>;

    /// Receives one event. Events arrive in the order in which they happen. It must not call the ring, which is locked.
    fn event(&self, event: KeyEvent);
}

/// The audit log cannot be written: no key is used until it can be.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the audit log cannot be written: {0}")]
pub struct AuditUnavailable(pub Unwritable);

/// One use of a key in the vault.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyUse {
    /// When the answer came, in emulator time.
    #[serde(with = "time::serde::rfc3339")]
    pub time: OffsetDateTime,
    /// The client id of the registry's identity, which asked.
    pub caller: String,
    /// The operation that the registry asked for.
    pub operation: KeyOperation,
    /// The vault.
    pub vault: VaultName,
    /// The key.
    pub key: KeyName,
    /// Its version, if the request or the answer named one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<KeyVersion>,
    /// The data key that was wrapped or unwrapped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_key: Option<String>,
    /// The purpose of the use.
    pub purpose: Purpose,
    /// `ok`, or the code of the error.
    pub result: String,
    /// The id that the vault gave the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// An operation that the registry asks the vault for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum KeyOperation {
    /// Look up a key.
    Get,
    /// Wrap a data key.
    WrapKey,
    /// Unwrap a data key.
    UnwrapKey,
}

/// The purpose of a use of a key.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Purpose {
    /// Content is in use.
    Lease,
    /// The data keys are wrapped under another version.
    Rotation,
    /// The ring is created.
    Create,
    /// A caller asks for the state now.
    Check,
    /// The state is kept up to date while content is not used.
    State,
}

/// The access to the vaults, which records every request.
pub(super) struct AuditedAccess {
    access: Arc<dyn VaultAccess>,
    sink: Arc<dyn AuditSink>,
    clock: Clock,
}

/// The vaults as one identity reaches them. The access is looked up for each request.
pub(super) struct AuditedVault {
    access: Arc<AuditedAccess>,
    identity: Option<IdentityId>,
}

/// The fields of a call's record.
#[derive(Clone, Copy)]
struct Call<'a> {
    operation: KeyOperation,
    key: &'a KeyId,
    data_key: Option<DataKeyId>,
    purpose: Purpose,
}

impl KeyOperation {
    /// The permission for the operation, as Azure's messages spell it.
    pub const fn permission(self) -> &'static str {
        match self {
            Self::Get => "Get",
            Self::WrapKey => "Wrap Key",
            Self::UnwrapKey => "Unwrap Key",
        }
    }
}

impl AuditedAccess {
    pub(super) fn new(
        access: Arc<dyn VaultAccess>,
        sink: Arc<dyn AuditSink>,
        clock: Clock,
    ) -> Arc<Self> {
        Arc::new(Self { access, sink, clock })
    }

    /// The vaults as an identity reaches them.
    pub(super) fn for_identity(self: &Arc<Self>, identity: Option<IdentityId>) -> AuditedVault {
        AuditedVault { access: Arc::clone(self), identity }
    }

    pub(super) fn identifier(&self, key: &KeyId) -> String {
        self.access.identifier(key)
    }

    /// Whether the key may be rotated while this identity is in use. It asks no vault.
    pub(super) fn may_rotate(&self, identity: Option<&IdentityId>) -> Result<(), VaultError> {
        self.access.may_rotate(identity)
    }
}

impl AuditedVault {
    /// The client id of the caller, or the name of the identity if the client id is not known.
    pub(super) fn caller(&self) -> String {
        self.key_vault().map_or_else(|_| self.name().to_owned(), |vault| vault.caller())
    }

    /// The token of the next call.
    pub(super) async fn token(&self) -> Option<TokenTerms> {
        self.key_vault().ok()?.token().await
    }

    /// The identifier of a key at the address of its vault.
    pub(super) fn identifier(&self, key: &KeyId) -> String {
        self.access.identifier(key)
    }

    /// The name of an identity whose client id is not known.
    fn name(&self) -> &str {
        self.identity.as_ref().map_or("none", IdentityId::as_str)
    }

    fn key_vault(&self) -> Result<Arc<dyn KeyVault>, VaultError> {
        self.access.access.vault(self.identity.as_ref())
    }

    /// The access for a purpose: probes of the state tell the vault that they are probes.
    fn key_vault_for(&self, purpose: Purpose) -> Result<Arc<dyn KeyVault>, VaultError> {
        let way = self.key_vault()?;
        let probing = if purpose == Purpose::State { way.for_probes() } else { None };
        Ok(probing.unwrap_or(way))
    }

    pub(super) async fn get(&self, key: &KeyId, purpose: Purpose) -> Result<KeyInfo, VaultError> {
        let call = Call { operation: KeyOperation::Get, key, data_key: None, purpose };
        self.ready().await?;
        let answer = match self.key_vault_for(purpose) {
            Ok(vault) => vault.get_key(key).await,
            Err(error) => Err(error),
        };
        let version = answer.as_ref().ok().and_then(|found| found.value.id.version().cloned());
        self.record(call, version, answer).await
    }

    pub(super) async fn wrap(
        &self,
        key: &KeyId,
        id: DataKeyId,
        data_key: &DataKey,
        purpose: Purpose,
    ) -> Result<Vec<u8>, VaultError> {
        let call = Call { operation: KeyOperation::WrapKey, key, data_key: Some(id), purpose };
        self.ready().await?;
        let answer = match self.key_vault() {
            Ok(vault) => vault.wrap_key(key, data_key).await,
            Err(error) => Err(error),
        };
        self.record(call, None, answer).await
    }

    pub(super) async fn unwrap(
        &self,
        key: &KeyId,
        id: DataKeyId,
        wrapped: &[u8],
        purpose: Purpose,
    ) -> Result<DataKey, VaultError> {
        let call = Call { operation: KeyOperation::UnwrapKey, key, data_key: Some(id), purpose };
        self.ready().await?;
        let answer = match self.key_vault_for(purpose) {
            Ok(vault) => vault.unwrap_key(key, wrapped).await,
            Err(error) => Err(error),
        };
        self.record(call, None, answer).await
    }

    /// Whether the call can be recorded. If not, the call is not made.
    async fn ready(&self) -> Result<(), VaultError> {
        self.access.sink.ready().await.map_err(VaultError::from)
    }

    async fn record<T>(
        &self,
        call: Call<'_>,
        version: Option<KeyVersion>,
        answer: Result<Answer<T>, VaultError>,
    ) -> Result<T, VaultError> {
        let (result, request_id) = match &answer {
            Ok(answer) => ("ok", answer.request_id.clone()),
            Err(error) => (error.code(), error.request_id().map(str::to_owned)),
        };
        let written = self.access.sink.record(KeyUse {
            time: self.access.clock.now(),
            caller: self.caller(),
            operation: call.operation,
            vault: call.key.vault().clone(),
            key: call.key.name().clone(),
            version: call.key.version().cloned().or(version),
            data_key: call.data_key.map(|id| id.to_string()),
            purpose: call.purpose,
            result: result.to_owned(),
            request_id,
        });
        let written = written.await;
        let value = answer?.value;
        written?;
        Ok(value)
    }
}

impl From<AuditUnavailable> for VaultError {
    fn from(AuditUnavailable(why): AuditUnavailable) -> Self {
        let message = Cause::AuditUnavailable.message();
        let remedy = match why {
            Unwritable::DiskFull => "make room on the disk, for example: run gc with --now",
            Unwritable::Failed(_) => "see the log of the program for the cause",
        };
        Self::new(Some(Cause::AuditUnavailable), format!("{message}: {why}; {remedy}"))
    }
}
