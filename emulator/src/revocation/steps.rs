//! The steps of a revocation and of a restoration between their intent and its end.

use serde::{Deserialize, Serialize};

use super::context::RevocationContext;
use super::error::RevocationError;
use super::method::RevocationMethod;
use super::records::RevocationRecords;
use super::revoked::{RevocationTarget, Revoked};
use crate::registry::{Intent, Kind, Registry};

/// The parameters with which a revocation or a restoration can be resumed.
#[derive(Serialize, Deserialize)]
pub(super) struct Steps {
    pub(super) registry: String,
    /// The method, or `None` for a restoration of all methods.
    pub(super) by: Option<RevocationMethod>,
}

/// Removes the access in a record.
pub(super) async fn revoke(
    revoked: &Revoked,
    target: &RevocationTarget<'_>,
    intent: &Intent,
) -> Result<(), RevocationError> {
    intent.passed().await?;
    revoked.remove(target).await?;
    intent.passed().await?;
    Ok(())
}

/// Undoes revocations, the newest first, and removes the record of each after it is undone.
pub(super) async fn restore(
    records: &mut RevocationRecords,
    registry: &Registry,
    context: RevocationContext<'_>,
    by: Option<RevocationMethod>,
    intent: &Intent,
) -> Result<Vec<RevocationMethod>, RevocationError> {
    let mut methods = Vec::new();
    for record in records.newest_first(registry.name(), by) {
        let method = record.revoked.method();
        let target = RevocationTarget::new(registry, context, method)?;
        record.revoked.restore(&target).await?;
        intent.passed().await?;
        records.remove(&record).await?;
        intent.passed().await?;
        tracing::info!(registry.name = registry.name(), way = method.name(), "restored the key");
        methods.push(method);
    }
    Ok(methods)
}

/// Completes an interrupted operation, as far as its record was stored.
pub(super) async fn resume(
    records: &mut RevocationRecords,
    intent: &Intent,
    context: RevocationContext<'_>,
) -> Result<(), RevocationError> {
    let Steps { registry, by } = intent.parameters()?;
    // For a deleted registry, the owner of the key decides whether to restore it.
    let Some(registry) = context.registries.get(&registry) else { return Ok(()) };
    match (intent.kind(), by) {
        (Kind::Revoke, Some(method)) => {
            let target = RevocationTarget::new(&registry, context, method)?;
            // Without a record nothing was removed, and no caller got a success.
            let recorded = records.newest_first(registry.name(), by);
            // The part of the record that still exists: nothing, if it was removed before the stop. If the owner has set
            // something else since then, it stays.
            if let Some(rest) = target.look_up_remaining().await?
                && recorded.iter().any(|record| rest.is_part_of(&record.revoked))
            {
                intent.passed().await?;
                rest.remove(&target).await?;
            }
        }
        _ => drop(restore(records, &registry, context, by, intent).await?),
    }
    registry.key_ring().check().await;
    Ok(())
}
