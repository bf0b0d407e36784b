//! The record of every use of a key, and the door through which all of them go.
//!
//! [`AuditedVault`] is the only holder of a [`KeyVault`] in this area, so no call can be made that is not recorded.
//! Where the records are kept is the business of whoever fills [`AuditSink`].

use std::sync::Arc;

use mock_keyvault::clock::Clock;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::vault::{Answer, KeyInfo, KeyVault, VaultError};
use super::{KeyId, KeyName, KeyVersion, VaultName};
use crate::envelope::{DataKey, DataKeyId};

/// Takes the records. It must not block: it is called on async threads.
pub trait AuditSink: Send + Sync + 'static {
    /// Takes one record.
    fn record(&self, key_use: KeyUse);
}

/// One use of a key in the vault.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyUse {
    /// When the answer came, in emulator time.
    #[serde(with = "time::serde::rfc3339")]
    pub time: OffsetDateTime,
    /// Who asked: the client id of the registry's identity.
    pub caller: String,
    /// What was asked.
    pub operation: KeyOperation,
    /// The vault.
    pub vault: VaultName,
    /// The key.
    pub key: KeyName,
    /// Its version, if one was named or the answer named one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<KeyVersion>,
    /// The data key that was wrapped or unwrapped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_key: Option<String>,
    /// What for.
    pub purpose: Purpose,
    /// `ok`, or the code of the error.
    pub result: String,
    /// The vault's name for the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// What was asked of the vault.
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

/// What a key was used for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Purpose {
    /// Content is in use.
    Lease,
    /// The data keys are wrapped anew.
    Rotation,
    /// The ring is made.
    Create,
    /// Somebody wants to know the state.
    Check,
}

/// A vault that records what it is asked.
pub(super) struct AuditedVault {
    vault: Arc<dyn KeyVault>,
    sink: Arc<dyn AuditSink>,
    clock: Clock,
}

/// What a call is recorded as.
#[derive(Clone, Copy)]
struct Call<'a> {
    operation: KeyOperation,
    key: &'a KeyId,
    data_key: Option<DataKeyId>,
    purpose: Purpose,
}

impl AuditedVault {
    pub(super) fn new(vault: Arc<dyn KeyVault>, sink: Arc<dyn AuditSink>, clock: Clock) -> Self {
        Self { vault, sink, clock }
    }

    pub(super) fn identifier(&self, key: &KeyId) -> String {
        self.vault.identifier(key)
    }

    pub(super) async fn get(&self, key: &KeyId, purpose: Purpose) -> Result<KeyInfo, VaultError> {
        let call = Call { operation: KeyOperation::Get, key, data_key: None, purpose };
        let answer = self.vault.get_key(key).await;
        let version = answer.as_ref().ok().and_then(|found| found.value.id.version().cloned());
        self.record(call, version, answer)
    }

    pub(super) async fn wrap(
        &self,
        key: &KeyId,
        id: DataKeyId,
        data_key: &DataKey,
        purpose: Purpose,
    ) -> Result<Vec<u8>, VaultError> {
        let call = Call { operation: KeyOperation::WrapKey, key, data_key: Some(id), purpose };
        let answer = self.vault.wrap_key(key, data_key).await;
        self.record(call, None, answer)
    }

    pub(super) async fn unwrap(
        &self,
        key: &KeyId,
        id: DataKeyId,
        wrapped: &[u8],
        purpose: Purpose,
    ) -> Result<DataKey, VaultError> {
        let call = Call { operation: KeyOperation::UnwrapKey, key, data_key: Some(id), purpose };
        let answer = self.vault.unwrap_key(key, wrapped).await;
        self.record(call, None, answer)
    }

    fn record<T>(
        &self,
        call: Call<'_>,
        version: Option<KeyVersion>,
        answer: Result<Answer<T>, VaultError>,
    ) -> Result<T, VaultError> {
        let (result, request_id) = match &answer {
            Ok(answer) => ("ok", answer.request_id.clone()),
            Err(error) => (error.code(), error.request_id().map(str::to_owned)),
        };
        self.sink.record(KeyUse {
            time: self.clock.now(),
            caller: self.vault.caller(),
            operation: call.operation,
            vault: call.key.vault().clone(),
            key: call.key.name().clone(),
            version: call.key.version().cloned().or(version),
            data_key: call.data_key.map(|id| id.to_string()),
            purpose: call.purpose,
            result: result.to_owned(),
            request_id,
        });
        answer.map(|answer| answer.value)
    }
}
