//! The resource providers, for `az resource`, `az provider` and the start of the Terraform provider.
//!
//! Supported providers have types and versions. The other providers that infrastructure tools register before they
//! begin are registered here too, without types: their resources cannot be made.

use axum::response::Response;
use azure_emulator_core::authorization::Scope;
use mock_keyvault::LOCAL_SUBSCRIPTION;
use serde_json::{Value, json};

use super::context::Context;
use super::error::ArmError;
use super::locations;
use super::reply::json as answer;

/// The action that reads providers.
const READ: &str = "Microsoft.Resources/subscriptions/providers/read";

/// A provider and its types.
struct Provider {
    namespace: &'static str,
    types: &'static [Type],
}

/// A type of resources or actions.
struct Type {
    name: &'static str,
    /// The newest comes first.
    versions: &'static [&'static str],
    /// Whether a template can deploy it.
    is_deployed: bool,
}

const fn deployed(name: &'static str, versions: &'static [&'static str]) -> Type {
    Type { name, versions, is_deployed: true }
}

const fn listed(name: &'static str, versions: &'static [&'static str]) -> Type {
    Type { name, versions, is_deployed: false }
}

const REGISTRY: &[&str] =
    &["2025-11-01", "2025-04-01", "2023-07-01", "2022-12-01", "2019-12-01-preview", "2019-05-01"];
const VAULT: &[&str] =
    &["2024-11-01", "2023-07-01", "2022-07-01", "2021-10-01", "2019-09-01", "2018-02-14"];
const IDENTITY: &[&str] = &["2024-11-30", "2023-01-31", "2018-11-30"];
const AUTHORIZATION: &[&str] = &["2022-04-01", "2020-04-01-preview", "2015-07-01"];
const RESOURCES: &[&str] = &["2025-04-01", "2024-03-01", "2022-09-01", "2021-04-01", "2020-06-01"];

/// The supported providers. The versions are those of azure-rest-api-specs; requests may use any well-formed version.
const SERVED: &[Provider] = &[
    Provider {
        namespace: "Microsoft.Authorization",
        types: &[
            listed("operations", AUTHORIZATION),
            deployed("roleAssignments", AUTHORIZATION),
            listed("roleDefinitions", AUTHORIZATION),
        ],
    },
    Provider {
        namespace: "Microsoft.ContainerRegistry",
        types: &[
            listed("checkNameAvailability", REGISTRY),
            listed("operations", REGISTRY),
            deployed("registries", REGISTRY),
            deployed("registries/scopeMaps", REGISTRY),
            deployed("registries/tokens", REGISTRY),
        ],
    },
    Provider {
        namespace: "Microsoft.KeyVault",
        types: &[
            listed("checkNameAvailability", VAULT),
            listed("deletedVaults", VAULT),
            listed("locations", VAULT),
            listed("locations/deletedVaults", VAULT),
            listed("operations", VAULT),
            deployed("vaults", VAULT),
            deployed("vaults/accessPolicies", VAULT),
        ],
    },
    Provider {
        namespace: "Microsoft.ManagedIdentity",
        types: &[listed("operations", IDENTITY), deployed("userAssignedIdentities", IDENTITY)],
    },
    Provider {
        namespace: "Microsoft.Resources",
        types: &[
            listed("deployments", RESOURCES),
            listed("operations", RESOURCES),
            listed("resourceGroups", RESOURCES),
            listed("resources", RESOURCES),
            listed("subscriptions", RESOURCES),
            listed("tenants", RESOURCES),
        ],
    },
];

/// Other providers that hashicorp/terraform-provider-azurerm checks at its start
/// (`internal/resourceproviders/required.go`), in its spelling. It only warns if one is missing.
const OTHERS: &[&str] = &[
    "Microsoft.ApiManagement",
    "Microsoft.AppConfiguration",
    "Microsoft.AppPlatform",
    "Microsoft.Automation",
    "Microsoft.AVS",
    "Microsoft.Blueprint",
    "Microsoft.BotService",
    "Microsoft.Cache",
    "Microsoft.Cdn",
    "Microsoft.CognitiveServices",
    "Microsoft.Compute",
    "Microsoft.ContainerInstance",
    "Microsoft.ContainerService",
    "Microsoft.CostManagement",
    "Microsoft.CustomProviders",
    "Microsoft.DataFactory",
    "Microsoft.DataLakeAnalytics",
    "Microsoft.DataLakeStore",
    "Microsoft.DataMigration",
    "Microsoft.DataProtection",
    "Microsoft.Databricks",
    "Microsoft.DBforMariaDB",
    "Microsoft.DBforMySQL",
    "Microsoft.DBforPostgreSQL",
    "Microsoft.DesktopVirtualization",
    "Microsoft.Devices",
    "Microsoft.DevTestLab",
    "Microsoft.DocumentDB",
    "Microsoft.EventGrid",
    "Microsoft.EventHub",
    "Microsoft.GuestConfiguration",
    "Microsoft.HDInsight",
    "Microsoft.HealthcareApis",
    "microsoft.insights",
    "Microsoft.Kusto",
    "Microsoft.Logic",
    "Microsoft.MachineLearningServices",
    "Microsoft.Maintenance",
    "Microsoft.ManagedServices",
    "Microsoft.Management",
    "Microsoft.Maps",
    "Microsoft.MarketplaceOrdering",
    "Microsoft.MixedReality",
    "Microsoft.Network",
    "Microsoft.NotificationHubs",
    "Microsoft.OperationalInsights",
    "Microsoft.OperationsManagement",
    "Microsoft.PolicyInsights",
    "Microsoft.PowerBIDedicated",
    "Microsoft.RecoveryServices",
    "Microsoft.Relay",
    "Microsoft.Search",
    "Microsoft.Security",
    "Microsoft.SecurityInsights",
    "Microsoft.ServiceBus",
    "Microsoft.ServiceFabric",
    "Microsoft.SignalRService",
    "Microsoft.Sql",
    "Microsoft.Storage",
    "Microsoft.StreamAnalytics",
    "Microsoft.Web",
];

/// All of them.
pub(super) fn list(context: &Context) -> Result<Response, ArmError> {
    require(context)?;
    let all = SERVED.iter().map(Provider::document).chain(OTHERS.iter().map(|one| bare(one)));
    Ok(answer(json!({ "value": all.collect::<Vec<_>>() })))
}

/// A provider; also the answer to its registration, which changes nothing, because all are registered.
pub(super) fn get(context: &Context, namespace: &str) -> Result<Response, ArmError> {
    require(context)?;
    if let Some(served) = served(namespace) {
        return Ok(answer(served.document()));
    }
    let other = OTHERS.iter().find(|one| one.eq_ignore_ascii_case(namespace));
    let other = other.ok_or_else(|| ArmError::NoNamespace(namespace.to_owned()))?;
    Ok(answer(bare(other)))
}

/// The operations on the resources of a provider.
pub(super) fn operations(namespace: &str) -> Result<Response, ArmError> {
    let served = served(namespace).ok_or_else(|| ArmError::NoNamespace(namespace.to_owned()))?;
    let kinds = served.types.iter().map(|one| one.name).filter(|kind| *kind != "operations");
    let operations = kinds.flat_map(|kind| {
        [("read", "Get or list"), ("write", "Create or update"), ("delete", "Delete")].map(
            |(verb, action)| {
                json!({
                    "name": format!("{}/{kind}/{verb}", served.namespace),
                    "isDataAction": false,
                    "display": {
                        "provider": served.namespace,
                        "resource": kind,
                        "operation": format!("{action} {kind}"),
                        "description": format!("{action} {kind}."),
                    },
                })
            },
        )
    });
    Ok(answer(json!({ "value": operations.collect::<Vec<_>>() })))
}

/// The locations.
pub(super) fn places(context: &Context) -> Result<Response, ArmError> {
    require(context)?;
    Ok(answer(locations::document()))
}

/// Whether a template can deploy resources of this type.
pub(super) fn is_deployed(kind: &str) -> bool {
    let Some((namespace, name)) = kind.split_once('/') else { return false };
    let types = served(namespace).map(|one| one.types).unwrap_or_default();
    types.iter().any(|one| one.is_deployed && one.name.eq_ignore_ascii_case(name))
}

fn require(context: &Context) -> Result<(), ArmError> {
    if context.arm.gate.has_any_role(&context.caller) {
        return Ok(());
    }
    context.require(READ, &Scope::subscription(LOCAL_SUBSCRIPTION))
}

fn served(namespace: &str) -> Option<&'static Provider> {
    SERVED.iter().find(|one| one.namespace.eq_ignore_ascii_case(namespace))
}

impl Provider {
    fn document(&self) -> Value {
        let types: Vec<Value> = self
            .types
            .iter()
            .map(|one| {
                json!({
                    "resourceType": one.name,
                    "locations": locations::names(),
                    "apiVersions": one.versions,
                    "capabilities": "CrossResourceGroupResourceMove, SupportsTags, SupportsLocation",
                })
            })
            .collect();
        document(self.namespace, &types)
    }
}

fn bare(namespace: &str) -> Value {
    document(namespace, &[])
}

fn document(namespace: &str, types: &[Value]) -> Value {
    json!({
        "id": format!("/subscriptions/{LOCAL_SUBSCRIPTION}/providers/{namespace}"),
        "namespace": namespace,
        "registrationPolicy": "RegistrationRequired",
        "registrationState": "Registered",
        "resourceTypes": types,
    })
}
