//! Parses the part of a path after the name of a registry.
//!
//! Called by the parser of all paths. Keywords are compared without regard to case, and names are kept as written.

/// A registry, or one of its parts or actions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::arm) enum RegistryPart {
    /// The registry itself.
    Whole,
    /// An action without a resource of its own.
    Action(Action),
    /// All scope maps.
    ScopeMaps,
    /// A scope map.
    ScopeMap(String),
    /// All tokens.
    Tokens,
    /// A token.
    Token(String),
    /// An unsupported resource type, or one resource of it.
    Unsupported(UnsupportedFeature, Option<String>),
    /// An action of Azure's registries that is not supported.
    UnsupportedAction(UnsupportedFeature),
}

/// An action of a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::arm) enum Action {
    /// Shows the passwords of the admin user.
    ListCredentials,
    /// Replaces one of these passwords.
    RegenerateCredential,
    /// Generates passwords for a token.
    GenerateCredentials,
    /// Reports usage and limits.
    ListUsages,
}

/// Resource types and actions of Azure's registries that are not emulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::arm) enum UnsupportedFeature {
    Webhooks,
    Replications,
    PrivateEndpoints,
    CacheRules,
    CredentialSets,
    ConnectedRegistries,
    Tasks,
    Pipelines,
    Archives,
    Import,
}

/// The unsupported segments after the name of a registry, and whether each is an action.
pub(in crate::arm) const UNSUPPORTED_SEGMENTS: &[(&str, UnsupportedFeature, bool)] = &[
    ("webhooks", UnsupportedFeature::Webhooks, false),
    ("replications", UnsupportedFeature::Replications, false),
    ("privateEndpointConnections", UnsupportedFeature::PrivateEndpoints, false),
    ("privateLinkResources", UnsupportedFeature::PrivateEndpoints, false),
    ("cacheRules", UnsupportedFeature::CacheRules, false),
    ("credentialSets", UnsupportedFeature::CredentialSets, false),
    ("connectedRegistries", UnsupportedFeature::ConnectedRegistries, false),
    ("tasks", UnsupportedFeature::Tasks, false),
    ("taskRuns", UnsupportedFeature::Tasks, false),
    ("runs", UnsupportedFeature::Tasks, false),
    ("agentPools", UnsupportedFeature::Tasks, false),
    ("exportPipelines", UnsupportedFeature::Pipelines, false),
    ("importPipelines", UnsupportedFeature::Pipelines, false),
    ("pipelineRuns", UnsupportedFeature::Pipelines, false),
    ("packages", UnsupportedFeature::Archives, false),
    ("archives", UnsupportedFeature::Archives, false),
    ("importImage", UnsupportedFeature::Import, true),
    ("scheduleRun", UnsupportedFeature::Tasks, true),
    ("listBuildSourceUploadUrl", UnsupportedFeature::Tasks, true),
    ("builds", UnsupportedFeature::Tasks, true),
    ("buildTasks", UnsupportedFeature::Tasks, true),
];

impl RegistryPart {
    /// Parses the part after the registry's name. `None`: it does not belong to the registry.
    pub(super) fn parse<T: AsRef<str>>(rest: &[T]) -> Option<Self> {
        let mut segments = rest.iter().map(AsRef::as_ref);
        let Some(first) = segments.next() else { return Some(Self::Whole) };
        let first = first.to_ascii_lowercase();
        let rest: Vec<&str> = segments.collect();
        match (first.as_str(), rest.as_slice()) {
            ("listcredentials", []) => Some(Self::Action(Action::ListCredentials)),
            ("regeneratecredential", []) => Some(Self::Action(Action::RegenerateCredential)),
            ("generatecredentials", []) => Some(Self::Action(Action::GenerateCredentials)),
            ("listusages", []) => Some(Self::Action(Action::ListUsages)),
            ("scopemaps", []) => Some(Self::ScopeMaps),
            ("scopemaps", [name]) => Some(Self::ScopeMap((*name).to_owned())),
            ("tokens", []) => Some(Self::Tokens),
            ("tokens", [name]) => Some(Self::Token((*name).to_owned())),
            (first, rest) => Self::unsupported(first, rest),
        }
    }

    fn unsupported(segment: &str, rest: &[&str]) -> Option<Self> {
        let (_, kind, is_action) =
            UNSUPPORTED_SEGMENTS.iter().find(|(known, ..)| known.eq_ignore_ascii_case(segment))?;
        if *is_action {
            return Some(Self::UnsupportedAction(*kind));
        }
        match rest {
            [] => Some(Self::Unsupported(*kind, None)),
            [name] => Some(Self::Unsupported(*kind, Some((*name).to_owned()))),
            // A part or an action of an unsupported resource.
            _ => Some(Self::UnsupportedAction(*kind)),
        }
    }
}

impl UnsupportedFeature {
    /// Its name, and a sentence about the alternative.
    pub(in crate::arm) fn name_and_alternative(self) -> (&'static str, &'static str) {
        match self {
            Self::Webhooks => (
                "webhooks",
                "The stream `/_sealyard/events` reports changes of a key's state, rotations and damaged content, but no pushes and no deletes.",
            ),
            Self::Replications => ("geo-replication", "A registry is in one place."),
            Self::PrivateEndpoints => {
                ("private endpoints", "A registry is reached at its own address only.")
            }
            Self::CacheRules => ("cache rules", "Push the images that clients pull."),
            Self::CredentialSets => ("credential sets", "They serve cache rules only."),
            Self::ConnectedRegistries => {
                ("connected registries", "Registries do not synchronize with one another.")
            }
            Self::Tasks => ("tasks and builds", "Build elsewhere, and push the image."),
            Self::Pipelines => ("transfer pipelines", "Copy images with a client, such as skopeo."),
            Self::Archives => ("archives", "A registry holds only images and artifacts."),
            Self::Import => ("the import of images", "Copy images with a client, such as skopeo."),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keywords_are_parsed_in_any_case_and_names_are_kept() {
        for (rest, expected) in [
            (&[][..], Some(RegistryPart::Whole)),
            (&["LISTCREDENTIALS"], Some(RegistryPart::Action(Action::ListCredentials))),
            (&["ScopeMaps", "Mine"], Some(RegistryPart::ScopeMap("Mine".to_owned()))),
            (&["tokens"], Some(RegistryPart::Tokens)),
            (
                &["webhooks", "x", "ping"],
                Some(RegistryPart::UnsupportedAction(UnsupportedFeature::Webhooks)),
            ),
            (&["webhooks"], Some(RegistryPart::Unsupported(UnsupportedFeature::Webhooks, None))),
            (&["importImage"], Some(RegistryPart::UnsupportedAction(UnsupportedFeature::Import))),
            (&["tokens", "a", "b"], None),
            (&["nothing"], None),
            (&["providers", "Microsoft.Authorization", "roleAssignments"], None),
        ] {
            assert_eq!(RegistryPart::parse(rest), expected, "{rest:?}");
        }
    }

    proptest! {
        #[test]
        fn no_path_makes_the_parser_panic(rest in proptest::collection::vec(r"\PC{0,20}", 0..4)) {
            let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
            let _ = RegistryPart::parse(&rest);
        }
    }
}
