//! A registry in a path, and the part of the path after it.
//!
//! Called by the parser of all paths. Keywords are compared without regard to case, and names are kept as written. This
//! file also looks up the registry of a path and checks that it is in that group.

use azure_emulator_core::authorization::Scope;

use super::TYPE;
use super::refusal::Refusal;
use crate::arm::context::Context;
use crate::arm::error::ArmError;
use crate::registry::{Registry, ResourceGroup};

/// A registry in a path; it may not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::arm) struct RegistryPath {
    pub(in crate::arm) group: ResourceGroup,
    pub(in crate::arm) name: String,
}

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
    Absent(Absent, Option<String>),
    /// An action of Azure's registries that is not supported.
    AbsentAction(Absent),
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
pub(in crate::arm) enum Absent {
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
pub(super) const ABSENT: &[(&str, Absent, bool)] = &[
    ("webhooks", Absent::Webhooks, false),
    ("replications", Absent::Replications, false),
    ("privateEndpointConnections", Absent::PrivateEndpoints, false),
    ("privateLinkResources", Absent::PrivateEndpoints, false),
    ("cacheRules", Absent::CacheRules, false),
    ("credentialSets", Absent::CredentialSets, false),
    ("connectedRegistries", Absent::ConnectedRegistries, false),
    ("tasks", Absent::Tasks, false),
    ("taskRuns", Absent::Tasks, false),
    ("runs", Absent::Tasks, false),
    ("agentPools", Absent::Tasks, false),
    ("exportPipelines", Absent::Pipelines, false),
    ("importPipelines", Absent::Pipelines, false),
    ("pipelineRuns", Absent::Pipelines, false),
    ("packages", Absent::Archives, false),
    ("archives", Absent::Archives, false),
    ("importImage", Absent::Import, true),
    ("scheduleRun", Absent::Tasks, true),
    ("listBuildSourceUploadUrl", Absent::Tasks, true),
    ("builds", Absent::Tasks, true),
    ("buildTasks", Absent::Tasks, true),
];

impl RegistryPath {
    /// The id of the registry, whether it exists or not.
    pub(super) fn id(&self) -> String {
        format!("{}/providers/{TYPE}/{}", self.group.id(), self.name)
    }

    /// The scope of permissions for the registry.
    pub(super) fn scope(&self) -> Result<Scope, ArmError> {
        scope_of(&self.id())
    }

    /// The registry, if this group has one of this name.
    pub(super) fn find(&self, context: &Context) -> Option<Registry> {
        let found = context.arm.registries.get(&self.name);
        found.filter(|registry| registry.profile().group == self.group)
    }

    /// The registry, or Azure's error if it does not exist.
    pub(super) fn found(&self, context: &Context) -> Result<Registry, ArmError> {
        self.find(context).ok_or_else(|| ArmError::NoResource {
            kind: TYPE,
            name: self.name.chars().take(100).collect(),
            group: self.group.to_string(),
        })
    }

    /// The registry of a new part, or Azure's error if it does not exist.
    pub(super) fn parent_of(
        &self,
        context: &Context,
        kind: &'static str,
    ) -> Result<Registry, ArmError> {
        self.find(context).ok_or_else(|| Refusal::NoParent { kind, registry: self.id() }.into())
    }

    /// The name in the id of a part of this registry, of this type. `None`: the id names something else.
    pub(super) fn part_in<'a>(&self, id: &'a str, kind: &str) -> Option<&'a str> {
        let before = format!("{}/{kind}/", self.id());
        let start = id.get(..before.len())?;
        let name = id.get(before.len()..)?;
        (start.eq_ignore_ascii_case(&before) && !name.is_empty() && !name.contains('/'))
            .then_some(name)
    }
}

/// The scope of permissions for a resource.
pub(super) fn scope_of(id: &str) -> Result<Scope, ArmError> {
    id.parse().map_err(|_| ArmError::Content("the name is not valid".to_owned()))
}

impl RegistryPart {
    /// Parses the part after the registry's name. `None`: it does not belong to the registry.
    pub(in crate::arm) fn parse<T: AsRef<str>>(rest: &[T]) -> Option<Self> {
        let mut words = rest.iter().map(AsRef::as_ref);
        let Some(word) = words.next() else { return Some(Self::Whole) };
        let word = word.to_ascii_lowercase();
        let rest: Vec<&str> = words.collect();
        match (word.as_str(), rest.as_slice()) {
            ("listcredentials", []) => Some(Self::Action(Action::ListCredentials)),
            ("regeneratecredential", []) => Some(Self::Action(Action::RegenerateCredential)),
            ("generatecredentials", []) => Some(Self::Action(Action::GenerateCredentials)),
            ("listusages", []) => Some(Self::Action(Action::ListUsages)),
            ("scopemaps", []) => Some(Self::ScopeMaps),
            ("scopemaps", [name]) => Some(Self::ScopeMap((*name).to_owned())),
            ("tokens", []) => Some(Self::Tokens),
            ("tokens", [name]) => Some(Self::Token((*name).to_owned())),
            (word, rest) => Self::absent(word, rest),
        }
    }

    fn absent(word: &str, rest: &[&str]) -> Option<Self> {
        let (_, kind, is_action) =
            ABSENT.iter().find(|(known, ..)| known.eq_ignore_ascii_case(word))?;
        if *is_action {
            return Some(Self::AbsentAction(*kind));
        }
        match rest {
            [] => Some(Self::Absent(*kind, None)),
            [name] => Some(Self::Absent(*kind, Some((*name).to_owned()))),
            // A part or an action of an unsupported resource.
            _ => Some(Self::AbsentAction(*kind)),
        }
    }
}

impl Absent {
    /// Its name, and a sentence about the alternative.
    pub(super) fn words(self) -> (&'static str, &'static str) {
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
            (&["webhooks", "x", "ping"], Some(RegistryPart::AbsentAction(Absent::Webhooks))),
            (&["webhooks"], Some(RegistryPart::Absent(Absent::Webhooks, None))),
            (&["importImage"], Some(RegistryPart::AbsentAction(Absent::Import))),
            (&["tokens", "a", "b"], None),
            (&["nothing"], None),
            (&["providers", "Microsoft.Authorization", "roleAssignments"], None),
        ] {
            assert_eq!(RegistryPart::parse(rest), expected, "{rest:?}");
        }
    }

    #[test]
    fn a_part_is_known_by_its_id_in_any_case_and_only_if_it_is_of_this_registry() {
        let at = RegistryPath { group: "Group".parse().unwrap(), name: "team1".to_owned() };
        let id = format!("{}/TOKENS/Mine", at.id().to_uppercase());

        assert_eq!(at.part_in(&id, "tokens"), Some("Mine"));
        for other in
            ["", "Mine", "/subscriptions/x", &id.replace("TEAM1", "TEAM2"), &format!("{id}/a")]
        {
            assert_eq!(at.part_in(other, "tokens"), None, "{other}");
        }
        assert_eq!(at.part_in(&id, "scopeMaps"), None);
    }

    proptest! {
        #[test]
        fn no_path_makes_the_parser_panic(rest in proptest::collection::vec(r"\PC{0,20}", 0..4)) {
            let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
            let _ = RegistryPart::parse(&rest);
        }
    }
}
