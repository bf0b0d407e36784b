//! The steps of a revocation and of a restoration between their intent and its end.

use serde::{Deserialize, Serialize};

use super::error::RevocationError;
use super::hand::Hand;
use super::kept::Kept;
use super::taken::{Place, Taken};
use super::way::Way;
use crate::registry::{Intent, Kind, Registry};

/// The parameters with which a revocation or a restoration can be resumed.
#[derive(Serialize, Deserialize)]
pub(super) struct Steps {
    pub(super) registry: String,
    /// The method, or `None` for a restoration of all methods.
    pub(super) by: Option<Way>,
}

/// Removes the access in a record.
pub(super) async fn take(
    taken: &Taken,
    place: &Place<'_>,
    intent: &Intent,
) -> Result<(), RevocationError> {
    intent.passed().await?;
    taken.take(place).await?;
    intent.passed().await?;
    Ok(())
}

/// Undoes revocations, the newest first, and removes the record of each after it is undone.
pub(super) async fn give_back(
    kept: &mut Kept,
    registry: &Registry,
    hand: Hand<'_>,
    by: Option<Way>,
    intent: &Intent,
) -> Result<Vec<Way>, RevocationError> {
    let mut ways = Vec::new();
    for note in kept.newest_first(registry.name(), by) {
        let way = note.taken.way();
        let place = Place::of(registry, hand, way)?;
        note.taken.give_back(&place).await?;
        intent.passed().await?;
        kept.forget(&note).await?;
        intent.passed().await?;
        tracing::info!(registry.name = registry.name(), way = way.name(), "restored the key");
        ways.push(way);
    }
    Ok(ways)
}

/// Completes an interrupted operation, as far as its record was stored.
pub(super) async fn resume(
    kept: &mut Kept,
    intent: &Intent,
    hand: Hand<'_>,
) -> Result<(), RevocationError> {
    let Steps { registry, by } = intent.parameters()?;
    // For a deleted registry, the owner of the key decides whether to restore it.
    let Some(registry) = hand.registries.get(&registry) else { return Ok(()) };
    match (intent.kind(), by) {
        (Kind::Revoke, Some(way)) => {
            let place = Place::of(&registry, hand, way)?;
            // Without a record nothing was removed, and no caller got a success.
            let noted = kept.newest_first(registry.name(), by);
            // The part of the record that still exists: nothing, if it was removed before the stop. If the owner has set
            // something else since then, it stays.
            if let Some(rest) = place.look_again().await?
                && noted.iter().any(|note| rest.is_part_of(&note.taken))
            {
                intent.passed().await?;
                rest.take(&place).await?;
            }
        }
        _ => drop(give_back(kept, &registry, hand, by, intent).await?),
    }
    registry.key_ring().check().await;
    Ok(())
}
