//! Operations that use a key: encrypt and decrypt, wrapKey and unwrapKey, sign and verify.

use axum::body::Body;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::body::{json, read};
use super::context::Context;
use super::parameters::{KeyOperationsParameters, KeyVerifyParameters};
use super::wire::{KeyOperationResult, KeyVerifyResult, kid};
use crate::error::ApiError;
use crate::vault::{KeyView, Purpose};

pub(super) async fn encrypt(
    context: &Context,
    purpose: Purpose,
    body: Body,
) -> Result<Response, ApiError> {
    let at = context.reference()?;
    let (algorithm, value) = read::<KeyOperationsParameters>(body).await?.for_encryption()?;
    let made = context
        .call(move |vaults, vault| vaults.encrypt(vault, &at, purpose, algorithm, &value))
        .await?;
    Ok(result(context, &made.by, &made.value))
}

pub(super) async fn decrypt(
    context: &Context,
    purpose: Purpose,
    body: Body,
) -> Result<Response, ApiError> {
    let at = context.reference()?;
    let (algorithm, value) = read::<KeyOperationsParameters>(body).await?.for_encryption()?;
    let decrypted = context
        .call(move |vaults, vault| vaults.decrypt(vault, &at, purpose, algorithm, &value))
        .await?;
    Ok(result(context, &decrypted.by, &decrypted.value))
}

pub(super) async fn sign(context: &Context, body: Body) -> Result<Response, ApiError> {
    let at = context.reference()?;
    let (algorithm, digest) = read::<KeyOperationsParameters>(body).await?.for_signature()?;
    let made =
        context.call(move |vaults, vault| vaults.sign(vault, &at, algorithm, &digest)).await?;
    Ok(result(context, &made.by, &made.value))
}

pub(super) async fn verify(context: &Context, body: Body) -> Result<Response, ApiError> {
    let at = context.reference()?;
    let parameters = read::<KeyVerifyParameters>(body).await?;
    let algorithm = parameters.algorithm()?;
    let (digest, signature) = (parameters.digest()?, parameters.signature()?);
    let value = context
        .call(move |vaults, vault| vaults.verify(vault, &at, algorithm, &digest, &signature))
        .await?;
    Ok(json(&KeyVerifyResult { value }))
}

fn result(context: &Context, by: &KeyView, value: &[u8]) -> Response {
    let value = Zeroizing::new(URL_SAFE_NO_PAD.encode(value));
    json(&KeyOperationResult { kid: kid(context, by), value })
}
