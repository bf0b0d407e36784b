//! Backs up a key with all its versions, and restores it.

use axum::body::Body;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::body::{json, read_up_to};
use super::context::Context;
use super::parameters::KeyRestoreParameters;
use super::wire::{BackupKeyResult, KeyBundle};
use crate::error::ApiError;

/// The largest backup that is read, in bytes: that of a key with the maximum number of versions.
const MAX_RESTORE_BODY: usize = 16 << 20;

pub(super) async fn backup(context: &Context) -> Result<Response, ApiError> {
    let name = context.name()?;
    let blob = context.call(move |vaults, vault| vaults.backup(vault, &name)).await?;
    Ok(json(&BackupKeyResult { value: URL_SAFE_NO_PAD.encode(&blob) }))
}

pub(super) async fn restore(context: &Context, body: Body) -> Result<Response, ApiError> {
    let blob = read_up_to::<KeyRestoreParameters>(body, MAX_RESTORE_BODY).await?.blob()?;
    let restored = context.call(move |vaults, vault| vaults.restore(vault, &blob)).await?;
    Ok(json(&KeyBundle::new(context, &restored)))
}
