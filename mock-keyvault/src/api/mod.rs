//! The keys API over HTTP: parses a request, calls the vault once, renders the answer.
//!
//! Called by the router after it has checked token and permission. Nothing is decided here.

mod backup;
mod crypto;
mod deleted;
mod jwk;
mod keys;
mod parameters;
mod query;
mod rotation;
mod wire;

use std::sync::{Arc, OnceLock};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt, Limited};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::error::{ApiError, JSON};
use crate::model::KeyReference;
use crate::model::error::VaultError;
use crate::model::names::{KeyName, KeyVersion, VaultName};
use crate::operation::{Asked, Operation};
use crate::vault::{Purpose, Vaults};

pub(crate) use query::Query;

/// The largest body that is read, in bytes. The largest valid body, with all tags, is below 16 KiB.
const MAX_BODY: usize = 256 << 10;

/// The most characters of a parser's message that a refusal repeats.
const MAX_WORDS: usize = 200;

/// The request's facts that every operation needs.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) vaults: Arc<Vaults>,
    pub(crate) vault: VaultName,
    /// Host and port as the client sent them: ids are rendered with them.
    pub(crate) host: String,
    pub(crate) query: Query,
    pub(crate) asked: Asked,
    /// The version that answered, as soon as it is known: for the audit log.
    pub(crate) used: Arc<OnceLock<KeyVersion>>,
}

impl Context {
    fn name(&self) -> Result<KeyName, ApiError> {
        let name = self.asked.key.as_deref().unwrap_or_default();
        Ok(name.parse::<KeyName>().map_err(VaultError::from)?)
    }

    /// The key that the path names. A version with an invalid form is answered "not found", as SDKs expect.
    fn reference(&self) -> Result<KeyReference, ApiError> {
        let name = self.name()?;
        match &self.asked.version {
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
    async fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Vaults, &VaultName) -> Result<T, VaultError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let (vaults, vault) = (Arc::clone(&self.vaults), self.vault.clone());
        let called = tokio::task::spawn_blocking(move || call(&vaults, &vault)).await;
        let called = called.unwrap_or_else(|error| Err(VaultError::Internal(error.to_string())));
        called.map_err(|error| ApiError::VaultAt { host: self.host.clone(), error })
    }
}

/// Performs the operation that the request names.
pub(crate) async fn perform(context: &Context, body: Body) -> Result<Response, ApiError> {
    match context.asked.route.operation {
        Operation::CreateKey => keys::create(context, body).await,
        Operation::ImportKey => keys::import(context, body).await,
        Operation::GetKey => keys::get(context).await,
        Operation::ListKeys => keys::list(context).await,
        Operation::ListKeyVersions => keys::versions(context).await,
        Operation::UpdateKey => keys::update(context, body).await,
        Operation::WrapKey => crypto::encrypt(context, Purpose::Key, body).await,
        Operation::UnwrapKey => crypto::decrypt(context, Purpose::Key, body).await,
        Operation::Encrypt => crypto::encrypt(context, Purpose::Data, body).await,
        Operation::Decrypt => crypto::decrypt(context, Purpose::Data, body).await,
        Operation::Sign => crypto::sign(context, body).await,
        Operation::Verify => crypto::verify(context, body).await,
        Operation::DeleteKey => deleted::delete(context).await,
        Operation::ListDeletedKeys => deleted::list(context).await,
        Operation::GetDeletedKey => deleted::get(context).await,
        Operation::RecoverDeletedKey => deleted::recover(context).await,
        Operation::PurgeDeletedKey => deleted::purge(context).await,
        Operation::RotateKey => rotation::rotate(context).await,
        Operation::GetKeyRotationPolicy => rotation::policy(context).await,
        Operation::UpdateKeyRotationPolicy => rotation::set_policy(context, body).await,
        Operation::BackupKey => backup::backup(context).await,
        Operation::RestoreKey => backup::restore(context, body).await,
        Operation::GetKeyAttestation | Operation::Release => {
            Err(ApiError::NotServed(format!("The operation {}", context.asked.route.operation)))
        }
    }
}

/// Reads a body of JSON. Bodies may hold secrets, so the bytes are wiped.
async fn read<T: DeserializeOwned>(body: Body) -> Result<T, ApiError> {
    read_up_to(body, MAX_BODY).await
}

async fn read_up_to<T: DeserializeOwned>(body: Body, limit: usize) -> Result<T, ApiError> {
    let bad = |words: String| ApiError::from(VaultError::BadParameter(words));
    let collected = Limited::new(body, limit)
        .collect()
        .await
        .map_err(|error| bad(format!("The request body cannot be read: {error}")))?;
    let bytes = Zeroizing::new(collected.to_bytes().to_vec());
    serde_json::from_slice(&bytes).map_err(|error| {
        let why = without_value(&error.to_string());
        bad(format!("The request body is not what this operation takes: {why}"))
    })
}

/// The parser's message without the wrong value: it may be a private number, and refusals end up in logs.
fn without_value(words: &str) -> String {
    match (words.split_once(": "), words.rsplit_once(", expected ")) {
        (Some((kind, _)), Some((before, expected))) if kind.len() < before.len() => {
            format!("{kind}, expected {expected}")
        }
        _ => words.chars().take(MAX_WORDS).collect(),
    }
}

fn json(body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => {
            let mut response = Response::new(Body::from(bytes));
            response.headers_mut().insert(CONTENT_TYPE, JSON);
            response
        }
        Err(error) => ApiError::from(VaultError::Internal(error.to_string())).into_response(),
    }
}
