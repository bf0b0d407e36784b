//! The facts of a request that every operation needs: the vault, the key that the path names, and the query.

use std::sync::{Arc, OnceLock};

use super::query::Query;
use crate::error::ApiError;
use crate::model::KeyReference;
use crate::model::error::VaultError;
use crate::model::names::{KeyName, KeyVersion, VaultName};
use crate::operation::PathMatch;
use crate::vault::Vaults;

/// The request's facts that every operation needs.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) vaults: Arc<Vaults>,
    pub(crate) vault: VaultName,
    /// Host and port as the client sent them: ids are rendered with them.
    pub(crate) host: String,
    pub(crate) query: Query,
    pub(crate) matched: PathMatch,
    /// The version that answered, as soon as it is known: for the audit log.
    pub(crate) used: Arc<OnceLock<KeyVersion>>,
}

impl Context {
    pub(super) fn name(&self) -> Result<KeyName, ApiError> {
        let name = self.matched.key.as_deref().unwrap_or_default();
        Ok(name.parse::<KeyName>().map_err(VaultError::from)?)
    }

    /// The key that the path names. A version with an invalid form is answered "not found", as SDKs expect.
    pub(super) fn reference(&self) -> Result<KeyReference, ApiError> {
        let name = self.name()?;
        match &self.matched.version {
            None => Ok(KeyReference { name, version: None }),
            Some(version) => match version.parse() {
                Ok(version) => Ok(KeyReference { name, version: Some(version) }),
                Err(_) => {
                    Err(VaultError::NoSuchVersion { key: name, version: version.clone() }.into())
                }
            },
        }
    }

    /// Calls the vault on a thread that may block.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Vaults, &VaultName) -> Result<T, VaultError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let (vaults, vault) = (Arc::clone(&self.vaults), self.vault.clone());
        let called = tokio::task::spawn_blocking(move || call(&vaults, &vault)).await;
        let called = called.unwrap_or_else(|error| Err(VaultError::Internal(error.to_string())));
        called.map_err(|error| ApiError::VaultAt { host: self.host.clone(), error })
    }
}
