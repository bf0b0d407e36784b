//! Passes each operation to its handler.

use axum::body::Body;
use axum::response::Response;

use super::context::Context;
use super::{backup, crypto, deleted, keys, rotation};
use crate::error::ApiError;
use crate::operation::Operation;
use crate::vault::Purpose;

/// Performs the operation that the request names.
pub(crate) async fn perform(context: &Context, body: Body) -> Result<Response, ApiError> {
    match context.matched.route.operation {
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
            Err(ApiError::NotServed(format!("The operation {}", context.matched.route.operation)))
        }
    }
}
