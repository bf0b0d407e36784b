//! Scope maps: lists of the actions that tokens may do on repositories, and the predefined ones.
//!
//! An action is `repositories/NAME/content/read` and the like. The name may be `*` or end in `/*`; the repository need
//! not exist. The permissions of several actions are combined.

use std::str::FromStr;

use super::action::{Action, Actions};
use crate::names::RepositoryName;

/// The scope map that allows everything.
pub(super) const ADMIN: &str = "_repositories_admin";

/// The predefined scope maps: name, description, and the suffixes of their actions on all repositories. Azure keeps
/// `_repositories_pull` and `_repositories_push` without metadata on purpose, so that a leaked token lists nothing
/// (Azure/acr#600, #690).
const SYSTEM: [(&str, &str, &[&str]); 5] = [
    (
        ADMIN,
        "Everything in all repositories",
        &["content/read", "content/write", "content/delete", "metadata/read", "metadata/write"],
    ),
    ("_repositories_pull", "Pulls from all repositories", &["content/read"]),
    (
        "_repositories_pull_metadata_read",
        "Pulls from all repositories and reads their metadata",
        &["content/read", "metadata/read"],
    ),
    ("_repositories_push", "Pushes to all repositories", &["content/read", "content/write"]),
    (
        "_repositories_push_metadata_write",
        "Pushes to all repositories and changes their metadata",
        &["content/read", "content/write", "metadata/read", "metadata/write"],
    ),
];

/// One action of a scope map, as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeMapAction {
    text: String,
    repositories: Pattern,
    action: Action,
}

/// The repositories of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    All,
    /// All whose names begin with this prefix; it ends in a slash.
    Under(String),
    One(RepositoryName),
}

/// A text that is not an action of a scope map.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScopeMapActionError {
    /// It has another form.
    #[error(
        "'{0}' is not an action of a scope map: expected repositories/NAME/ and then content/read, content/write, content/delete, metadata/read or metadata/write; NAME may be * or end in /*"
    )]
    Malformed(String),
    /// It is for a connected registry.
    #[error("'{0}' is about a connected registry, and those are not emulated")]
    Gateway(String),
}

/// The actions of a predefined scope map, with its description. `None`: it is not predefined.
pub(super) fn system(name: &str) -> Option<(&'static str, Vec<ScopeMapAction>)> {
    let (_, description, ends) = SYSTEM.iter().find(|(known, ..)| *known == name)?;
    let actions = ends.iter().filter_map(|end| format!("repositories/*/{end}").parse().ok());
    Some((description, actions.collect()))
}

/// The names of the predefined scope maps.
pub(super) fn system_names() -> impl Iterator<Item = &'static str> {
    SYSTEM.iter().map(|(name, ..)| *name)
}

/// The actions that a list allows on a repository.
pub(super) fn allowed(map: &[ScopeMapAction], repository: &RepositoryName) -> Actions {
    map.iter().filter(|rule| rule.is_about(repository)).map(|rule| rule.action).collect()
}

impl ScopeMapAction {
    /// The action, as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn is_about(&self, repository: &RepositoryName) -> bool {
        match &self.repositories {
            Pattern::All => true,
            Pattern::Under(start) => repository.as_str().starts_with(start.as_str()),
            Pattern::One(name) => name == repository,
        }
    }
}

impl FromStr for ScopeMapAction {
    type Err = ScopeMapActionError;

    fn from_str(text: &str) -> Result<Self, ScopeMapActionError> {
        let malformed = || ScopeMapActionError::Malformed(text.chars().take(300).collect());
        if text.starts_with("gateway/") {
            return Err(ScopeMapActionError::Gateway(text.chars().take(300).collect()));
        }
        let rest = text.strip_prefix("repositories/").ok_or_else(malformed)?;
        let (name, action) = [
            ("/content/read", Action::Pull),
            ("/content/write", Action::Push),
            ("/content/delete", Action::Delete),
            ("/metadata/read", Action::MetadataRead),
            ("/metadata/write", Action::MetadataWrite),
        ]
        .into_iter()
        .find_map(|(end, action)| Some((rest.strip_suffix(end)?, action)))
        .ok_or_else(malformed)?;
        let name_of = |name: &str| name.parse::<RepositoryName>().map_err(|_| malformed());
        let repositories = match name.strip_suffix('*') {
            Some("") => Pattern::All,
            Some(start) => {
                let parent = start.strip_suffix('/').ok_or_else(malformed)?;
                Pattern::Under(format!("{}/", name_of(parent)?))
            }
            None => Pattern::One(name_of(name)?),
        };
        Ok(Self { text: text.to_owned(), repositories, action })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn map(actions: &[&str]) -> Vec<ScopeMapAction> {
        actions.iter().map(|action| action.parse().unwrap()).collect()
    }

    #[track_caller]
    fn check(actions: &[&str], repository: &str, expected: &str) {
        let allowed = allowed(&map(actions), &repository.parse().unwrap());
        assert_eq!(allowed.to_string(), expected, "{repository}");
    }

    #[test]
    fn a_star_matches_all_or_all_below_and_actions_are_combined() {
        let actions = [
            "repositories/app/content/read",
            "repositories/team/*/content/read",
            "repositories/team/one/content/write",
            "repositories/*/metadata/read",
        ];

        check(&actions, "app", "pull,metadata_read");
        check(&actions, "app2", "metadata_read");
        check(&actions, "team", "metadata_read");
        check(&actions, "team/one", "pull,push,metadata_read");
        check(&actions, "team/two/three", "pull,metadata_read");
    }

    #[test]
    fn predefined_scope_maps_allow_what_their_names_say() {
        let allows =
            |name| allowed(&system(name).unwrap().1, &"any/thing".parse().unwrap()).to_string();

        assert_eq!(allows("_repositories_pull"), "pull");
        assert_eq!(allows("_repositories_push"), "pull,push");
        assert_eq!(allows("_repositories_pull_metadata_read"), "pull,metadata_read");
        assert_eq!(
            allows("_repositories_push_metadata_write"),
            "pull,push,metadata_read,metadata_write"
        );
        assert_eq!(allows("_repositories_admin"), Actions::all().to_string());
        assert_eq!(system_names().filter_map(system).count(), 5);
        assert!(system("_repositories").is_none());
    }

    #[test]
    fn invalid_actions_are_refused() {
        for text in [
            "",
            "repositories/app",
            "repositories/app/content/other",
            "repositories//content/read",
            "repositories/App/content/read",
            "repositories/a*/content/read",
            "repositories/*/a/content/read",
            "repositories/*/*/content/read",
            "repositories/a/**/content/read",
        ] {
            let refused = text.parse::<ScopeMapAction>();
            assert!(matches!(refused, Err(ScopeMapActionError::Malformed(_))), "{text}");
        }
        let gateway = "gateway/edge/config/read".parse::<ScopeMapAction>();
        assert!(matches!(gateway, Err(ScopeMapActionError::Gateway(_))));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic_and_accepted_texts_are_kept_verbatim(
            text in r"(repositories/)?[a-z*/]{0,20}(/content/read|/metadata/write)?",
        ) {
            if let Ok(action) = text.parse::<ScopeMapAction>() {
                prop_assert_eq!(action.as_str(), text);
            }
        }
    }
}
