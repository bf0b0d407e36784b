//! Using keys: wrapKey and unwrapKey.

use axum::body::Body;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::wire::{KeyOperationResult, KeyOperationsParameters, kid};
use super::{Context, json, read};
use crate::error::ApiError;
use crate::vault::error::VaultError;
use crate::vault::rsa::WrapAlgorithm;

pub(super) async fn wrap(context: &Context, body: Body) -> Result<Response, ApiError> {
    let at = context.reference()?;
    let parameters = read::<KeyOperationsParameters>(body).await?;
    let (algorithm, value) = (algorithm(&parameters)?, parameters.decoded()?);
    let wrapped =
        context.call(move |vaults, vault| vaults.wrap(vault, &at, algorithm, &value)).await?;
    let value = Zeroizing::new(URL_SAFE_NO_PAD.encode(&wrapped.value));
    Ok(json(&KeyOperationResult { kid: kid(context, &wrapped.by), value }))
}

pub(super) async fn unwrap(context: &Context, body: Body) -> Result<Response, ApiError> {
    let at = context.reference()?;
    let parameters = read::<KeyOperationsParameters>(body).await?;
    let (algorithm, value) = (algorithm(&parameters)?, parameters.decoded()?);
    let unwrapped =
        context.call(move |vaults, vault| vaults.unwrap(vault, &at, algorithm, &value)).await?;
    let value = Zeroizing::new(URL_SAFE_NO_PAD.encode(&*unwrapped.value));
    Ok(json(&KeyOperationResult { kid: kid(context, &unwrapped.by), value }))
}

fn algorithm(parameters: &KeyOperationsParameters) -> Result<WrapAlgorithm, VaultError> {
    let name = parameters.alg.as_deref().unwrap_or_default();
    if name.is_empty() {
        return Err(VaultError::BadParameter("Property 'alg' is required.\r\n".to_owned()));
    }
    name.parse().map_err(|_| {
        let start: String = name.chars().take(32).collect();
        VaultError::BadParameter(format!(
            "Key and algorithm are incompatible: '{start}'. Supported algorithms are \"RSA-OAEP-256\", \"RSA-OAEP\", \"RSA1_5\"."
        ))
    })
}
