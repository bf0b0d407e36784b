//! The target of a path.
//!
//! The router calls it for every request. Unknown paths go to the vault: `Microsoft.KeyVault`,
//! `Microsoft.Authorization`, and paths that no provider serves, which the vault refuses.

use mock_keyvault::control::RequestError;
use percent_encoding::percent_decode_str;

use super::deployment::{self, DeploymentPart};
use super::registry::RegistryPart;

/// The provider of identities and its types, in lower case.
const IDENTITY: &str = "microsoft.managedidentity";
const IDENTITIES: &str = "userassignedidentities";
/// The provider of registries and its types, in lower case.
const REGISTRY: &str = "microsoft.containerregistry";
const REGISTRIES: &str = "registries";

/// The provider of deployments and its types, in lower case.
const RESOURCES: &str = "microsoft.resources";
const DEPLOYMENTS: &str = "deployments";

/// The target of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::arm) enum Target {
    /// The description of this cloud, needed before sign-in.
    Metadata,
    Tenants,
    Subscriptions,
    Subscription(String),
    /// The resource providers.
    Providers {
        subscription: String,
    },
    /// A resource provider.
    Provider {
        subscription: String,
        namespace: String,
    },
    /// The registration of a resource provider.
    ProviderRegistration {
        subscription: String,
        namespace: String,
    },
    /// The operations on the resources of a provider.
    ProviderOperations {
        namespace: String,
    },
    /// The locations.
    Locations {
        subscription: String,
    },
    /// The groups.
    Groups {
        subscription: String,
    },
    /// A group.
    Group {
        subscription: String,
        name: String,
    },
    /// The status of an operation.
    OperationStatus(String),
    /// The result of an operation.
    OperationResult(String),
    /// A user-assigned identity.
    Identity {
        subscription: String,
        group: String,
        name: String,
    },
    /// The identities of a group, or of the subscription.
    Identities {
        subscription: String,
        group: Option<String>,
    },
    /// A registry, or one of its parts or actions.
    Registry {
        subscription: String,
        group: String,
        name: String,
        part: RegistryPart,
    },
    /// Whether a registry name is available.
    RegistryName {
        subscription: String,
    },
    /// The registries of a group, or of the subscription.
    Registries {
        subscription: String,
        group: Option<String>,
    },
    /// A deployment to a group, or one of its parts or actions.
    Deployment {
        subscription: String,
        group: String,
        name: String,
        part: DeploymentPart,
    },
    /// The deployments of a group.
    Deployments {
        subscription: String,
        group: String,
    },
    /// Deployments to another scope than a group.
    DeploymentElsewhere,
    /// Resources of any type, in a group or in the subscription.
    Resources {
        subscription: String,
        group: Option<String>,
    },
    /// Answered by the vault.
    Vault,
}

/// Whether the control plane answers this path.
pub fn serves(path: &str) -> bool {
    let mut parts = path.split('/').filter(|part| !part.is_empty()).map(str::to_ascii_lowercase);
    match parts.next().as_deref() {
        Some("subscriptions" | "providers" | "tenants") => true,
        Some("metadata") => parts.next().as_deref() == Some("endpoints"),
        _ => false,
    }
}

/// The group that contains the target of a path; `None` for a group itself, and for targets outside groups.
pub(in crate::arm) fn parent_group(path: &str) -> Option<String> {
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    let is = |part: Option<&str>, word: &str| part.is_some_and(|it| it.eq_ignore_ascii_case(word));
    if !is(parts.next(), "subscriptions") || parts.next().is_none() {
        return None;
    }
    let group = is(parts.next(), "resourcegroups").then(|| parts.next()).flatten()?;
    parts.next()?;
    Some(percent_decode_str(group).decode_utf8().ok()?.into_owned())
}

impl Target {
    /// The target of a path.
    pub(in crate::arm) fn parse(path: &str) -> Result<Self, RequestError> {
        if !serves(path) {
            return Err(RequestError::nothing_at(path));
        }
        let mut parts = Vec::new();
        for part in path.split('/').filter(|part| !part.is_empty()) {
            let decoded = percent_decode_str(part).decode_utf8();
            let decoded = decoded.map_err(|_| RequestError::nothing_at(path))?;
            // No name has control characters, and a key of the store must not have any.
            if decoded.contains(char::is_control) {
                return Err(RequestError::nothing_at(path));
            }
            parts.push(decoded.into_owned());
        }
        let folded: Vec<String> = parts.iter().map(|part| part.to_ascii_lowercase()).collect();
        let folded: Vec<&str> = folded.iter().map(String::as_str).collect();
        let part = |at: usize| parts.get(at).cloned().unwrap_or_default();
        let last = || parts.last().cloned().unwrap_or_default();
        Ok(match folded.as_slice() {
            ["metadata", "endpoints"] => Self::Metadata,
            ["tenants"] => Self::Tenants,
            ["subscriptions"] => Self::Subscriptions,
            ["subscriptions", _] => Self::Subscription(last()),
            ["subscriptions", _, "locations"] => Self::Locations { subscription: part(1) },
            ["subscriptions", _, "providers"] => Self::Providers { subscription: part(1) },
            ["subscriptions", _, "providers", _] => {
                Self::Provider { subscription: part(1), namespace: last() }
            }
            ["subscriptions", _, "providers", _, "register"] => {
                Self::ProviderRegistration { subscription: part(1), namespace: part(3) }
            }
            ["providers", _, "operations"] => Self::ProviderOperations { namespace: part(1) },
            ["subscriptions", _, "resourcegroups"] => Self::Groups { subscription: part(1) },
            ["subscriptions", _, "resourcegroups", _] => {
                Self::Group { subscription: part(1), name: last() }
            }
            ["subscriptions", .., "operationstatuses", _] => Self::OperationStatus(last()),
            ["subscriptions", .., "operationresults", _] => Self::OperationResult(last()),
            ["subscriptions", _, "providers", IDENTITY, IDENTITIES] => {
                Self::Identities { subscription: part(1), group: None }
            }
            ["subscriptions", _, "resourcegroups", _, "providers", IDENTITY, IDENTITIES] => {
                Self::Identities { subscription: part(1), group: Some(part(3)) }
            }
            ["subscriptions", _, "resourcegroups", _, "providers", IDENTITY, IDENTITIES, _] => {
                Self::Identity { subscription: part(1), group: part(3), name: last() }
            }
            ["subscriptions", _, "providers", REGISTRY, REGISTRIES] => {
                Self::Registries { subscription: part(1), group: None }
            }
            ["subscriptions", _, "resourcegroups", _, "providers", REGISTRY, REGISTRIES] => {
                Self::Registries { subscription: part(1), group: Some(part(3)) }
            }
            ["subscriptions", _, "resourcegroups", _, "providers", REGISTRY, REGISTRIES, _, ..] => {
                // Resources of other providers at a registry, such as role assignments, are not parts of it.
                match RegistryPart::parse(&parts[8..]) {
                    Some(rest) => Self::Registry {
                        subscription: part(1),
                        group: part(3),
                        name: part(7),
                        part: rest,
                    },
                    None => Self::Vault,
                }
            }
            ["subscriptions", _, "providers", REGISTRY, "checknameavailability"] => {
                Self::RegistryName { subscription: part(1) }
            }
            ["subscriptions", _, "resourcegroups", _, "providers", RESOURCES, DEPLOYMENTS]
            | ["subscriptions", _, "resourcegroups", _, DEPLOYMENTS] => {
                Self::Deployments { subscription: part(1), group: part(3) }
            }
            [
                "subscriptions",
                _,
                "resourcegroups",
                _,
                "providers",
                RESOURCES,
                DEPLOYMENTS,
                _,
                ..,
            ] => Self::deployment(&parts, 7),
            // Clients request the results of a deployment under this path.
            ["subscriptions", _, "resourcegroups", _, DEPLOYMENTS, _, ..] => {
                Self::deployment(&parts, 5)
            }
            folded if deployment::is_other_scope(folded) => Self::DeploymentElsewhere,
            ["subscriptions", _, "resources"] => {
                Self::Resources { subscription: part(1), group: None }
            }
            ["subscriptions", _, "resourcegroups", _, "resources"] => {
                Self::Resources { subscription: part(1), group: Some(part(3)) }
            }
            _ => Self::Vault,
        })
    }

    /// A deployment whose name is the segment at this index.
    fn deployment(parts: &[String], at: usize) -> Self {
        let part = |at: usize| parts.get(at).cloned().unwrap_or_default();
        match DeploymentPart::parse(parts.get(at + 1..).unwrap_or_default()) {
            Some(rest) => Self::Deployment {
                subscription: part(1),
                group: part(3),
                name: part(at),
                part: rest,
            },
            None => Self::Vault,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_are_parsed_in_any_case_and_vault_paths_go_to_the_vault() {
        for (path, target) in [
            ("/metadata/endpoints", Target::Metadata),
            ("//Tenants/", Target::Tenants),
            ("/SUBSCRIPTIONS", Target::Subscriptions),
            ("/subscriptions/X%20y", Target::Subscription("X y".to_owned())),
            (
                "/subscriptions/s/resourceGroups/My%20G/providers/Microsoft.ManagedIdentity/UserAssignedIdentities/Id1/",
                Target::Identity {
                    subscription: "s".into(),
                    group: "My G".into(),
                    name: "Id1".into(),
                },
            ),
            (
                "/subscriptions/s/providers/microsoft.managedidentity/userassignedidentities",
                Target::Identities { subscription: "s".into(), group: None },
            ),
            (
                "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/Registries/R1",
                Target::Registry {
                    subscription: "s".into(),
                    group: "g".into(),
                    name: "R1".into(),
                    part: RegistryPart::Whole,
                },
            ),
            (
                "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/R1/Tokens/T%201",
                Target::Registry {
                    subscription: "s".into(),
                    group: "g".into(),
                    name: "R1".into(),
                    part: RegistryPart::Token("T 1".into()),
                },
            ),
            (
                "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/R1/providers/Microsoft.Authorization/roleAssignments",
                Target::Vault,
            ),
            (
                "/subscriptions/s/providers/Microsoft.ContainerRegistry/checkNameAvailability",
                Target::RegistryName { subscription: "s".into() },
            ),
            (
                "/subscriptions/s/resourcegroups/g/providers/Microsoft.Resources/Deployments/D1/operations/A1",
                Target::Deployment {
                    subscription: "s".into(),
                    group: "g".into(),
                    name: "D1".into(),
                    part: DeploymentPart::Step("A1".into()),
                },
            ),
            (
                "/subscriptions/s/resourcegroups/g/deployments/D1/operations",
                Target::Deployment {
                    subscription: "s".into(),
                    group: "g".into(),
                    name: "D1".into(),
                    part: DeploymentPart::Steps,
                },
            ),
            (
                "/subscriptions/s/resourcegroups/g/providers/Microsoft.Resources/deployments/",
                Target::Deployments { subscription: "s".into(), group: "g".into() },
            ),
            (
                "/subscriptions/s/providers/Microsoft.Resources/deployments/d",
                Target::DeploymentElsewhere,
            ),
            (
                "/subscriptions/s/resourceGroups/g/resources",
                Target::Resources { subscription: "s".into(), group: Some("g".into()) },
            ),
            ("/subscriptions/s/resourceGroups/", Target::Groups { subscription: "s".into() }),
            (
                "/subscriptions/s/RESOURCEGROUPS/G",
                Target::Group { subscription: "s".into(), name: "G".into() },
            ),
            (
                "/subscriptions/s/resourceGroups/g/providers/a/b/c/operationStatuses/o",
                Target::OperationStatus("o".into()),
            ),
            ("/subscriptions/s/operationresults/o", Target::OperationResult("o".into())),
            ("/subscriptions/x/resourceGroups/g/providers", Target::Vault),
            ("/subscriptions/x/providers/Microsoft.KeyVault/vaults", Target::Vault),
            ("/providers/Microsoft.Authorization/roleDefinitions", Target::Vault),
        ] {
            assert_eq!(Target::parse(path).unwrap(), target, "{path}");
            assert!(serves(path), "{path}");
        }
        for path in ["/", "/metadata/identity/oauth2/token", "/keys", "/v2/"] {
            assert!(!serves(path), "{path}");
            assert!(Target::parse(path).is_err(), "{path}");
        }
        assert!(Target::parse("/subscriptions/%ff").is_err());
        assert!(Target::parse("/subscriptions/s/resourceGroups/g%00").is_err());
    }

    #[test]
    fn a_resource_in_a_group_has_a_parent_and_a_group_has_none() {
        let group = "/Subscriptions/s//resourceGroups/My%20G";

        assert_eq!(parent_group(&format!("{group}/providers/x/y/z")), Some("My G".to_owned()));
        assert_eq!(parent_group(group), None);
        assert_eq!(parent_group("/subscriptions/s/providers/x/y"), None);
    }

    proptest! {
        #[test]
        fn no_path_panics(path in "\\PC{0,60}") {
            let _ = Target::parse(&path);
            let _ = parent_group(&path);
            let _ = serves(&path);
        }
    }
}
