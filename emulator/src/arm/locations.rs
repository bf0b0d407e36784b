//! The regions of Azure's public cloud, as `az account list-locations` and templates name them. The emulator runs
//! everything on one machine.

use mock_keyvault::LOCAL_SUBSCRIPTION;
use serde_json::{Value, json};

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

/// Whether Azure has this location.
pub(super) fn is_known(location: &Location) -> bool {
    ALL.iter().any(|(name, ..)| *name == location.as_str())
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
