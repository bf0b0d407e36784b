//! Parses the paths of the resource providers: letter case does not matter, slashes may be doubled or trail.
//!
//! Called by `router.rs`. Names are checked where they are used, so that each refusal has its own message.

use percent_encoding::percent_decode_str;
use uuid::Uuid;

use super::error::ArmError;
use crate::control::{self, RequestError};
use crate::model::settings::VaultPath;
use crate::vault::lifecycle::PolicyChange;
use azure_emulator_core::authorization::Scope;

/// The longest name of a resource group.
const MAX_GROUP: usize = 90;

/// The name of a deleted vault in a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DeletedAt {
    pub(super) subscription: Uuid,
    pub(super) location: String,
    pub(super) name: String,
}

/// The resource that a path names.
#[derive(Clone, Debug)]
pub(super) enum Target {
    Vault(VaultPath),
    Vaults {
        subscription: Uuid,
        group: Option<String>,
    },
    Policies {
        path: VaultPath,
        change: PolicyChange,
    },
    CheckName {
        subscription: Uuid,
    },
    /// Whether the name of a managed HSM is free.
    CheckHsmName {
        subscription: Uuid,
    },
    DeletedVaults {
        subscription: Uuid,
    },
    DeletedVault(DeletedAt),
    Purge(DeletedAt),
    /// Managed HSMs, including deleted ones: there are none.
    ManagedHsms {
        subscription: Uuid,
    },
    Resources {
        subscription: Uuid,
        group: Option<String>,
    },
    Definitions(Scope),
    Definition {
        scope: Scope,
        id: String,
    },
    Assignments(Scope),
    Assignment {
        scope: Scope,
        name: String,
    },
}

impl Target {
    /// Finds the target of a path.
    pub(super) fn parse(path: &str) -> Result<Self, ArmError> {
        let mut segments = Vec::new();
        for segment in path.split('/').filter(|segment| !segment.is_empty()) {
            let decoded = percent_decode_str(segment).decode_utf8();
            segments.push(decoded.map_err(|_| RequestError::nothing_at(path))?.into_owned());
        }
        let lower: Vec<String> = segments.iter().map(|text| text.to_ascii_lowercase()).collect();
        let folded: Vec<&str> = lower.iter().map(String::as_str).collect();
        let is_authorization = |pair: &[&str]| pair == ["providers", "microsoft.authorization"];
        if let Some(at) = folded.windows(2).rposition(is_authorization) {
            return authorization(path, &segments, &folded, at);
        }
        let subscription = || subscription(&segments);
        let group = || group(&segments);
        match folded.as_slice() {
            ["subscriptions", _, "resources"] => {
                Ok(Self::Resources { subscription: subscription()?, group: None })
            }
            ["subscriptions", _, "resourcegroups", _, "resources"] => {
                Ok(Self::Resources { subscription: subscription()?, group: Some(group()?) })
            }
            ["subscriptions", _, "providers", "microsoft.keyvault", rest @ ..] => {
                in_subscription(path, rest, subscription()?, &segments)
            }
            [
                "subscriptions",
                _,
                "resourcegroups",
                _,
                "providers",
                "microsoft.keyvault",
                rest @ ..,
            ] => {
                let (subscription, group) = (subscription()?, group()?);
                in_group(path, rest, subscription, group, &segments)
            }
            _ => Err(RequestError::nothing_at(path).into()),
        }
    }

    /// The subscription that the path names, if it names one.
    pub(super) fn subscription(&self) -> Option<Uuid> {
        match self {
            Self::Vault(path) | Self::Policies { path, .. } => Some(path.subscription),
            Self::Vaults { subscription, .. }
            | Self::CheckName { subscription }
            | Self::CheckHsmName { subscription }
            | Self::DeletedVaults { subscription }
            | Self::ManagedHsms { subscription }
            | Self::Resources { subscription, .. } => Some(*subscription),
            Self::DeletedVault(at) | Self::Purge(at) => Some(at.subscription),
            Self::Definitions(scope)
            | Self::Definition { scope, .. }
            | Self::Assignments(scope)
            | Self::Assignment { scope, .. } => {
                scope.subscription_id().and_then(|id| Uuid::parse_str(id).ok())
            }
        }
    }
}

/// Paths of `Microsoft.KeyVault` under a subscription.
fn in_subscription(
    path: &str,
    rest: &[&str],
    subscription: Uuid,
    segments: &[String],
) -> Result<Target, ArmError> {
    let deleted = |location: &str| DeletedAt {
        subscription,
        location: location.to_owned(),
        name: segments.get(7).cloned().unwrap_or_default(),
    };
    match rest {
        ["vaults"] => Ok(Target::Vaults { subscription, group: None }),
        ["checknameavailability"] => Ok(Target::CheckName { subscription }),
        ["checkmhsmnameavailability"] => Ok(Target::CheckHsmName { subscription }),
        ["deletedvaults"] => Ok(Target::DeletedVaults { subscription }),
        ["managedhsms" | "deletedmanagedhsms"] => Ok(Target::ManagedHsms { subscription }),
        ["locations", location, "deletedvaults", _] => Ok(Target::DeletedVault(deleted(location))),
        ["locations", location, "deletedvaults", _, "purge"] => {
            Ok(Target::Purge(deleted(location)))
        }
        _ => Err(RequestError::nothing_at(path).into()),
    }
}

/// Paths of `Microsoft.KeyVault` under a resource group.
fn in_group(
    path: &str,
    rest: &[&str],
    subscription: Uuid,
    group: String,
    segments: &[String],
) -> Result<Target, ArmError> {
    match rest {
        ["vaults"] => Ok(Target::Vaults { subscription, group: Some(group) }),
        ["managedhsms"] => Ok(Target::ManagedHsms { subscription }),
        ["vaults", _, rest @ ..] => {
            let spelling = segments.get(7).cloned().unwrap_or_default();
            let name = spelling.parse().map_err(|_| ArmError::VaultName(spelling.clone()))?;
            let vault = VaultPath { subscription, group, name, spelling };
            match rest {
                [] => Ok(Target::Vault(vault)),
                ["accesspolicies", kind] => {
                    let change = match *kind {
                        "add" => PolicyChange::Add,
                        "replace" => PolicyChange::Replace,
                        "remove" => PolicyChange::Remove,
                        _ => return Err(RequestError::nothing_at(path).into()),
                    };
                    Ok(Target::Policies { path: vault, change })
                }
                _ => Err(RequestError::nothing_at(path).into()),
            }
        }
        _ => Err(RequestError::nothing_at(path).into()),
    }
}

/// Paths of `Microsoft.Authorization`, which may follow any scope. Its provider's name begins at `at`.
fn authorization(
    path: &str,
    segments: &[String],
    folded: &[&str],
    at: usize,
) -> Result<Target, ArmError> {
    let above = segments.get(..at).unwrap_or_default();
    let scope: Scope = format!("/{}", above.join("/")).parse()?;
    let rest = folded.get(at + 2..).unwrap_or_default();
    let last = || segments.last().cloned().unwrap_or_default();
    match rest {
        ["roledefinitions"] => Ok(Target::Definitions(scope)),
        ["roledefinitions", _] => Ok(Target::Definition { scope, id: last() }),
        ["roleassignments"] => Ok(Target::Assignments(scope)),
        ["roleassignments", _] => Ok(Target::Assignment { scope, name: last() }),
        _ => Err(RequestError::nothing_at(path).into()),
    }
}

fn subscription(segments: &[String]) -> Result<Uuid, ArmError> {
    let id = segments.get(1).map(String::as_str).unwrap_or_default();
    Ok(control::subscription(id)?)
}

fn group(segments: &[String]) -> Result<String, ArmError> {
    let group = segments.get(3).map(String::as_str).unwrap_or_default();
    let fits = (1..=MAX_GROUP).contains(&group.chars().count())
        && !group.ends_with('.')
        && group.chars().all(|c| c.is_alphanumeric() || "-_.()".contains(c));
    if fits {
        Ok(group.to_owned())
    } else {
        Err(ArmError::GroupName(group.chars().take(MAX_GROUP).collect()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const S: &str = "/subscriptions/00000000-0000-4000-8000-00000000a002";

    #[test]
    fn a_vault_is_found_in_any_letter_case_and_keeps_its_spelling() {
        for path in [
            format!("{S}/resourceGroups/Rg/providers/Microsoft.KeyVault/vaults/Kv-1"),
            format!("{S}//RESOURCEGROUPS/Rg/PROVIDERS/microsoft.keyvault/Vaults/Kv-1/"),
        ] {
            let Target::Vault(vault) = Target::parse(&path).unwrap() else { panic!("{path}") };
            assert_eq!((vault.group.as_str(), vault.spelling.as_str()), ("Rg", "Kv-1"));
            assert_eq!(vault.name.as_str(), "kv-1");
        }
    }

    #[test]
    fn every_route_is_found_at_its_path() {
        let provider = format!("{S}/providers/Microsoft.KeyVault");
        let vault = format!("{S}/resourceGroups/g/providers/Microsoft.KeyVault/vaults/kv1");
        let roles = "providers/Microsoft.Authorization";
        let found = |path: String| Target::parse(&path).unwrap();

        assert!(matches!(found(format!("{provider}/vaults")), Target::Vaults { group: None, .. }));
        assert!(matches!(
            found(format!("{provider}/checkNameAvailability")),
            Target::CheckName { .. }
        ));
        assert!(matches!(
            found(format!("{provider}/checkMhsmNameAvailability")),
            Target::CheckHsmName { .. }
        ));
        assert!(matches!(found(format!("{provider}/deletedVaults")), Target::DeletedVaults { .. }));
        let deleted = format!("{provider}/locations/EastUS/deletedVaults/Kv1");
        let Target::DeletedVault(at) = found(deleted.clone()) else { panic!("{deleted}") };
        assert_eq!((at.location.as_str(), at.name.as_str()), ("eastus", "Kv1"));
        assert!(matches!(found(format!("{deleted}/purge")), Target::Purge(_)));
        assert!(matches!(
            found(format!("{provider}/deletedManagedHSMs")),
            Target::ManagedHsms { .. }
        ));
        assert!(matches!(found(format!("{S}/resources")), Target::Resources { .. }));
        assert!(matches!(
            found(format!("{vault}/accessPolicies/Add")),
            Target::Policies { change: PolicyChange::Add, .. }
        ));
        for scope in [S.to_owned(), vault.clone(), format!("{vault}/keys/k")] {
            let Target::Assignments(at) = found(format!("{scope}/{roles}/roleAssignments")) else {
                panic!("{scope}")
            };
            assert_eq!(at.as_str(), scope);
            assert!(matches!(
                found(format!("{scope}/{roles}/roleAssignments/x")),
                Target::Assignment { .. }
            ));
            assert!(matches!(
                found(format!("{scope}/{roles}/roleDefinitions")),
                Target::Definitions(_)
            ));
        }
        assert!(matches!(found(format!("/{roles}/roleDefinitions/x")), Target::Definition { .. }));
    }

    #[test]
    fn unknown_paths_and_invalid_names_are_refused() {
        for path in ["/", "/subscriptions", &format!("{S}/x"), &format!("{S}/providers/X/y")] {
            assert!(
                matches!(Target::parse(path), Err(ArmError::Request(RequestError::NotFound(_)))),
                "{path}"
            );
        }
        let bad = format!("{S}/resourceGroups/g/providers/Microsoft.KeyVault/vaults/1x");
        assert!(matches!(Target::parse(&bad), Err(ArmError::VaultName(_))));
        let bad = format!("{S}/resourceGroups/a%20b/providers/Microsoft.KeyVault/vaults/kv1");
        assert!(matches!(Target::parse(&bad), Err(ArmError::GroupName(_))));
        assert!(matches!(
            Target::parse("/subscriptions/x/resources"),
            Err(ArmError::Request(RequestError::SubscriptionId(_)))
        ));
    }

    proptest! {
        #[test]
        fn no_path_panics(path in "(/([a-z%0-9A-F]{0,6}|providers|Microsoft.KeyVault|vaults)){0,10}") {
            let _ = Target::parse(&path);
            let _ = Target::parse(&format!("{S}{path}"));
            let _ = Target::parse(&format!("{path}/providers/Microsoft.Authorization{path}"));
        }
    }
}
