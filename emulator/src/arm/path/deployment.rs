//! Parses the part of a path after the name of a deployment.
//!
//! Called by the parser of all paths, with segments in lower case and names as written.

/// The provider of deployments, in lower case.
const RESOURCES: &str = "microsoft.resources";

/// A deployment, or one of its parts or actions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::arm) enum DeploymentPart {
    /// The deployment itself.
    Whole,
    /// Checks a template.
    Validate,
    /// Lists the changes that a template would make.
    WhatIf,
    /// Cancels it.
    Cancel,
    /// Returns its template.
    Export,
    /// The results for all its resources.
    Steps,
    /// The result for one resource.
    Step(String),
}

impl DeploymentPart {
    /// Parses the part after the name. `None`: it belongs to no deployment.
    pub(super) fn parse<T: AsRef<str>>(rest: &[T]) -> Option<Self> {
        let rest: Vec<&str> = rest.iter().map(AsRef::as_ref).collect();
        let is = |word: &str, name: &str| word.eq_ignore_ascii_case(name);
        Some(match rest.as_slice() {
            [] => Self::Whole,
            [word] if is(word, "validate") => Self::Validate,
            [word] if is(word, "whatIf") => Self::WhatIf,
            [word] if is(word, "cancel") => Self::Cancel,
            [word] if is(word, "exportTemplate") => Self::Export,
            [word] if is(word, "operations") => Self::Steps,
            [word, id] if is(word, "operations") => Self::Step((*id).to_owned()),
            _ => return None,
        })
    }
}

/// Whether a path, in lower case, belongs to a deployment to another scope than a resource group.
pub(super) fn is_other_scope(folded: &[&str]) -> bool {
    match folded {
        ["subscriptions", _, rest @ ..]
        | ["providers", "microsoft.management", "managementgroups", _, rest @ ..] => {
            matches!(rest, ["providers", RESOURCES, "deployments", ..])
        }
        _ => matches!(folded, ["providers", RESOURCES, "deployments", ..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_and_actions_of_a_deployment_are_parsed_in_any_letter_case() {
        for (rest, expected) in [
            (&[][..], Some(DeploymentPart::Whole)),
            (&["VALIDATE"], Some(DeploymentPart::Validate)),
            (&["whatif"], Some(DeploymentPart::WhatIf)),
            (&["cancel"], Some(DeploymentPart::Cancel)),
            (&["exporttemplate"], Some(DeploymentPart::Export)),
            (&["operations"], Some(DeploymentPart::Steps)),
            (&["Operations", "A1"], Some(DeploymentPart::Step("A1".to_owned()))),
            (&["nothing"], None),
            (&["validate", "x"], None),
        ] {
            assert_eq!(DeploymentPart::parse(rest), expected, "{rest:?}");
        }
    }

    #[test]
    fn deployments_to_other_scopes_than_groups_are_recognized() {
        for path in [
            "subscriptions/s/providers/microsoft.resources/deployments",
            "subscriptions/s/providers/microsoft.resources/deployments/d/validate",
            "providers/microsoft.resources/deployments/d",
            "providers/microsoft.management/managementgroups/m/providers/microsoft.resources/deployments/d",
        ] {
            assert!(is_other_scope(&path.split('/').collect::<Vec<_>>()), "{path}");
        }
        let group = "subscriptions/s/resourcegroups/g/providers/microsoft.resources/deployments/d";
        assert!(!is_other_scope(&group.split('/').collect::<Vec<_>>()));
    }
}
