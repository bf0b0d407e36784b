//! Usage and limits of a registry: `listUsages`, for `az acr show-usage`.
//!
//! Called by the router of registries. The limits are those that Azure documents for each SKU; the emulator does not
//! enforce them.

use axum::response::Response;
use serde_json::{Value, json};

use super::path::RegistryPath;
use crate::arm::context::Context;
use crate::arm::error::ArmError;
use crate::arm::reply::json as answer;
use crate::registry::{ManageError, Sku};

const READ: &str = "Microsoft.ContainerRegistry/registries/listUsages/read";
const GIB: u64 = 1 << 30;

/// The usage and the limits.
pub(super) async fn list(context: &Context, at: &RegistryPath) -> Result<Response, ArmError> {
    context.require(READ, &at.scope()?)?;
    let registry = at.found(context)?;
    let id = at.id();
    let stats = registry.stats().await.map_err(ManageError::from)?;
    let maps =
        registry.scope_maps().await.map_err(|error| ArmError::from_access_change(error, &id))?;
    let maps = maps.iter().filter(|map| !map.is_system_defined()).count();
    let tokens =
        registry.tokens().await.map_err(|error| ArmError::from_access_change(error, &id))?.len();
    // Size, webhooks, scope maps and tokens. Azure does not count the predefined scope maps.
    let [size, webhooks, logins] = match registry.profile().sku {
        Sku::Basic => [10 * GIB, 2, 100],
        Sku::Standard => [100 * GIB, 10, 500],
        Sku::Premium => [500 * GIB, 500, 50_000],
    };
    Ok(answer(json!({ "value": [
        usage("Size", size, stats.bytes, "Bytes"),
        usage("Webhooks", webhooks, 0, "Count"),
        usage("ScopeMaps", logins, maps as u64, "Count"),
        usage("Tokens", logins, tokens as u64, "Count"),
    ] })))
}

fn usage(name: &str, limit: u64, used: u64, unit: &str) -> Value {
    json!({ "name": name, "limit": limit, "currentValue": used, "unit": unit })
}
