//! The regions of Azure's public cloud, as `az account list-locations` and templates name them. The emulator runs
//! everything on one machine.

use axum::body::Body;
use http::{Method, Request};
use mock_keyvault::vault::settings::LOCAL_SUBSCRIPTION;
use serde_json::{Value, json};

use super::error::ArmError;
use super::{Arm, body, polled};
use crate::registry::Location;

/// Name, display name and geography (learn.microsoft.com, "List of Azure regions").
const ALL: &[(&str, &str, &str)] = &[
    ("australiacentral", "Australia Central", "Asia Pacific"),
    ("australiaeast", "Australia East", "Asia Pacific"),
    ("australiasoutheast", "Australia Southeast", "Asia Pacific"),
    ("austriaeast", "Austria East", "Europe"),
    ("brazilsouth", "Brazil South", "South America"),
    ("canadacentral", "Canada Central", "Canada"),
    ("canadaeast", "Canada East", "Canada"),
    ("centralindia", "Central India", "Asia Pacific"),
    ("centralus", "Central US", "US"),
    ("chilecentral", "Chile Central", "South America"),
    ("eastasia", "East Asia", "Asia Pacific"),
    ("eastus", "East US", "US"),
    ("eastus2", "East US 2", "US"),
    ("francecentral", "France Central", "Europe"),
    ("germanywestcentral", "Germany West Central", "Europe"),
    ("indonesiacentral", "Indonesia Central", "Asia Pacific"),
    ("israelcentral", "Israel Central", "Middle East"),
    ("italynorth", "Italy North", "Europe"),
    ("japaneast", "Japan East", "Asia Pacific"),
    ("japanwest", "Japan West", "Asia Pacific"),
    ("koreacentral", "Korea Central", "Asia Pacific"),
    ("koreasouth", "Korea South", "Asia Pacific"),
    ("malaysiawest", "Malaysia West", "Asia Pacific"),
    ("mexicocentral", "Mexico Central", "Mexico"),
    ("newzealandnorth", "New Zealand North", "Asia Pacific"),
    ("northcentralus", "North Central US", "US"),
    ("northeurope", "North Europe", "Europe"),
    ("norwayeast", "Norway East", "Europe"),
    ("polandcentral", "Poland Central", "Europe"),
    ("qatarcentral", "Qatar Central", "Middle East"),
    ("southafricanorth", "South Africa North", "Africa"),
    ("southcentralus", "South Central US", "US"),
    ("southeastasia", "Southeast Asia", "Asia Pacific"),
    ("southindia", "South India", "Asia Pacific"),
    ("spaincentral", "Spain Central", "Europe"),
    ("swedencentral", "Sweden Central", "Europe"),
    ("switzerlandnorth", "Switzerland North", "Europe"),
    ("uaenorth", "UAE North", "Middle East"),
    ("uksouth", "UK South", "UK"),
    ("ukwest", "UK West", "UK"),
    ("westcentralus", "West Central US", "US"),
    ("westeurope", "West Europe", "Europe"),
    ("westindia", "West India", "Asia Pacific"),
    ("westus", "West US", "US"),
    ("westus2", "West US 2", "US"),
    ("westus3", "West US 3", "US"),
];

/// The type of vaults.
const VAULTS: &str = "Microsoft.KeyVault/vaults";

/// Refuses a location unknown to Azure, in strict parity. `kind` is the type of the new resource; `None` for a group.
pub(super) fn check(
    arm: &Arm,
    asked: &Location,
    kind: Option<&'static str>,
) -> Result<(), ArmError> {
    let is_known = ALL.iter().any(|(name, ..)| *name == asked.as_str());
    if arm.strict && !is_known {
        return Err(ArmError::NoSuchLocation { asked: asked.clone(), kind });
    }
    Ok(())
}

/// Returns the request for the vault, unless it asks for a vault in a location unknown to Azure.
pub(super) async fn checked(arm: &Arm, request: Request<Body>) -> Result<Request<Body>, ArmError> {
    let makes_vault = request.method() == Method::PUT && polled::is_vault(request.uri().path());
    if !arm.strict || !makes_vault {
        return Ok(request);
    }
    let (head, body) = request.into_parts();
    let text = body::read_text(body).await?;
    let described: Value = serde_json::from_str(&text).unwrap_or_default();
    // The vault reports any other problem.
    let named = body::text(&described, "location").ok().flatten();
    if let Some(asked) = named.and_then(|named| named.parse().ok()) {
        check(arm, &asked, Some(VAULTS))?;
    }
    Ok(Request::from_parts(head, text.into()))
}

/// The names of all regions, as errors list them.
pub(super) fn list() -> String {
    ALL.iter().map(|(name, ..)| *name).collect::<Vec<_>>().join(",")
}

/// The display names, as providers list them.
pub(super) fn names() -> Vec<&'static str> {
    ALL.iter().map(|(_, name, _)| *name).collect()
}

/// The list of regions.
pub(super) fn document() -> Value {
    let locations: Vec<Value> = ALL
        .iter()
        .map(|(name, display, geography)| {
            json!({
                "id": format!("/subscriptions/{LOCAL_SUBSCRIPTION}/locations/{name}"),
                "name": name,
                "type": "Region",
                "displayName": display,
                "regionalDisplayName": format!("({geography}) {display}"),
                "metadata": {
                    "regionType": "Physical",
                    "regionCategory": "Recommended",
                    "geography": geography,
                    "geographyGroup": geography,
                    "pairedRegion": [],
                },
            })
        })
        .collect();
    json!({ "value": locations })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_known_by_its_name_and_by_its_name_for_people() {
        for (name, display, _) in ALL {
            assert_eq!(display.parse::<Location>().unwrap().as_str(), *name);
        }
        assert!(ALL.is_sorted());
    }
}
