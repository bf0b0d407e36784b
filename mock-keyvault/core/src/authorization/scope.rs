//! Scopes: where a role is assigned, and where an action takes place. A scope is the path of a resource.
//!
//! Parsed once, where a request comes in. Two scopes that differ only in letter case are equal. A scope contains itself
//! and all scopes below it.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// The longest path that is accepted. Azure's resource ids are far shorter.
const MAX_LEN: usize = 1024;

/// The path is not a scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a scope: a subscription, a resource group or a resource")]
pub struct ScopeError(String);

/// A subscription, a resource group, a resource, a part of a resource such as a key, or the root.
#[derive(Clone, Debug)]
pub struct Scope {
    given: String,
    folded: String,
}

impl Scope {
    /// A subscription.
    pub fn subscription(id: Uuid) -> Self {
        let given = format!("/subscriptions/{id}");
        Self { folded: given.clone(), given }
    }

    /// The path, as it was first written. The root is `/`.
    pub fn as_str(&self) -> &str {
        if self.given.is_empty() { "/" } else { &self.given }
    }

    /// The path in lower case.
    pub fn folded(&self) -> &str {
        if self.folded.is_empty() { "/" } else { &self.folded }
    }

    /// The subscription that it lies in, if it is not the root.
    pub fn subscription_id(&self) -> Option<&str> {
        self.given.split('/').nth(2)
    }

    /// Whether the other scope is this one, or lies below it.
    pub fn contains(&self, other: &Self) -> bool {
        match other.folded.strip_prefix(&self.folded) {
            Some(rest) => rest.is_empty() || rest.starts_with('/'),
            None => false,
        }
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(path: &str) -> Result<Self, ScopeError> {
        let wrong = || ScopeError(path.chars().take(MAX_LEN).collect());
        let trimmed = path.trim_matches('/');
        if trimmed.is_empty() {
            return Ok(Self { given: String::new(), folded: String::new() });
        }
        let segments: Vec<&str> = trimmed.split('/').collect();
        let fits = |segment: &&str| {
            !segment.is_empty()
                && segment.chars().all(|c| !c.is_control() && !"<>%&?#\\".contains(c))
        };
        if path.len() > MAX_LEN || !segments.iter().all(fits) {
            return Err(wrong());
        }
        let is = |at: usize, word: &str| {
            segments.get(at).is_some_and(|segment| segment.eq_ignore_ascii_case(word))
        };
        let in_subscription =
            is(0, "subscriptions") && segments.get(1).is_some_and(|id| Uuid::parse_str(id).is_ok());
        // After the provider come pairs of type and name.
        let has_shape = match segments.len() {
            2 => true,
            4 => is(2, "resourcegroups"),
            length if length >= 8 && length % 2 == 0 => {
                is(2, "resourcegroups") && is(4, "providers")
            }
            _ => false,
        };
        if !in_subscription || !has_shape {
            return Err(wrong());
        }
        let given = format!("/{}", segments.join("/"));
        Ok(Self { folded: given.to_lowercase(), given })
    }
}

impl PartialEq for Scope {
    fn eq(&self, other: &Self) -> bool {
        self.folded == other.folded
    }
}

impl Eq for Scope {}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const S: &str = "/subscriptions/00000000-0000-4000-8000-00000000a002";

    #[test]
    fn every_kind_of_scope_is_read_and_equal_in_any_case() {
        for below in [
            "",
            "/resourceGroups/g",
            "/resourcegroups/g/providers/Microsoft.KeyVault/vaults/v",
            "/resourceGroups/g/providers/Microsoft.KeyVault/vaults/v/keys/k",
        ] {
            let scope: Scope = format!("{S}{below}").parse().unwrap();
            let other: Scope = format!("{S}{below}/").to_uppercase().parse().unwrap();
            assert_eq!(scope, other);
            assert_eq!(scope.as_str(), format!("{S}{below}"));
        }
        assert_eq!("/".parse::<Scope>().unwrap().as_str(), "/");
    }

    #[test]
    fn a_path_that_is_not_a_scope_is_refused() {
        for path in [
            "/subscriptions",
            "/subscriptions/x",
            &format!("{S}/resourceGroups"),
            &format!("{S}/things/g"),
            &format!("{S}/resourceGroups/g/providers"),
            &format!("{S}/resourceGroups/g/providers/Microsoft.KeyVault/vaults"),
            &format!("{S}//resourceGroups/g"),
            &format!("{S}/resourceGroups/{}", "g".repeat(1024)),
            &format!("{S}/resourceGroups/a?b"),
        ] {
            assert!(path.parse::<Scope>().is_err(), "{path}");
        }
    }

    #[test]
    fn a_scope_contains_the_scopes_below_it_but_not_siblings_with_the_same_prefix() {
        let group: Scope = format!("{S}/resourceGroups/g").parse().unwrap();
        let vault: Scope =
            format!("{S}/resourceGroups/G/providers/Microsoft.KeyVault/vaults/v").parse().unwrap();
        let other: Scope = format!("{S}/resourceGroups/g2").parse().unwrap();
        let root: Scope = "/".parse().unwrap();

        assert!(group.contains(&group) && group.contains(&vault) && root.contains(&group));
        assert!(!vault.contains(&group) && !group.contains(&other) && !group.contains(&root));
    }

    proptest! {
        #[test]
        fn no_path_panics_and_an_accepted_one_is_parsed_again(path in "(/[a-zA-Z0-9 .é-]{0,5}){0,9}") {
            if let Ok(scope) = format!("{S}{path}").parse::<Scope>() {
                prop_assert_eq!(scope.as_str().parse::<Scope>().unwrap(), scope);
            }
            let _ = path.parse::<Scope>();
        }
    }
}
