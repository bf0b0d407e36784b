//! Scope maps: lists of what tokens may do in which repositories, and those that every registry has.
//!
//! An action is `repositories/NAME/content/read` and the like. The name may be `*` or end in `/*`; it need not be a
//! repository's that there is. What several actions allow is put together.

use std::str::FromStr;

use super::action::{Action, Actions};
use crate::registry::names::RepositoryName;

/// The scope map that allows everything.
pub(super) const ADMIN: &str = "_repositories_admin";

/// The scope maps that every registry has: name, description, and the ends of their actions on all repositories. Azure keeps
/// `_repositories_pull` and `_repositories_push` without metadata on purpose, so that a token that leaks lists nothing (Azure/acr#600, #690).
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

/// One action of a scope map, as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeMapAction {
    text: String,
    repositories: Pattern,
    action: Action,
}

/// Which repositories an action is about.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    All,
    /// All whose names begin so; it ends in a slash.
    Under(String),
    One(RepositoryName),
}

/// A text that is no action of a scope map.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScopeMapActionError {
    /// It has another form.
    #[error(
        "'{0}' is not an action of a scope map: expected repositories/NAME/ and then content/read, content/write, content/delete, metadata/read or metadata/write; NAME may be * or end in /*"
    )]
    Malformed(String),
    /// It is about a connected registry.
    #[error("'{0}' is about a connected registry, and those are not emulated")]
    Gateway(String),
}

/// The actions of a scope map that every registry has, with its description. None: it is not one of them.
pub(super) fn system(name: &str) -> Option<(&'static str, Vec<ScopeMapAction>)> {
    let (_, description, ends) = SYSTEM.iter().find(|(known, ..)| *known == name)?;
    let actions = ends.iter().filter_map(|end| format!("repositories/*/{end}").parse().ok());
    Some((description, actions.collect()))
}

/// The names of the scope maps that every registry has.
pub(super) fn system_names() -> impl Iterator<Item = &'static str> {
    SYSTEM.iter().map(|(name, ..)| *name)
}

/// What a list of actions allows in a repository.
pub(super) fn allowed(map: &[ScopeMapAction], repository: &RepositoryName) -> Actions {
    map.iter().filter(|rule| rule.is_about(repository)).map(|rule| rule.action).collect()
}

impl ScopeMapAction {
    /// The action, as it was written.
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
    fn a_star_is_all_or_all_below_and_what_several_allow_is_put_together() {
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
    fn what_every_registry_has_allows_what_its_name_says() {
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
    fn what_is_no_action_is_refused() {
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
        fn no_text_makes_the_parser_panic_and_what_is_taken_is_written_as_it_came(
            text in r"(repositories/)?[a-z*/]{0,20}(/content/read|/metadata/write)?",
        ) {
            if let Ok(action) = text.parse::<ScopeMapAction>() {
                prop_assert_eq!(action.as_str(), text);
            }
        }
    }
}
