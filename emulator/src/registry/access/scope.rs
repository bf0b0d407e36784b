//! The scopes of a token request, such as `repository:app:pull,push`, as docker and ACR's clients write them.
//!
//! Parsed once, at the token endpoint. A text may have several scopes separated by spaces, and there may be several
//! texts. Unknown scopes are skipped: the client then gets a token for less, and is refused when it uses it.

use std::fmt;
use std::str::FromStr;

use super::action::Actions;
use crate::names::RepositoryName;

/// The maximum number of repositories in one token: it has to fit into a header.
const MAX_SCOPES: usize = 64;

/// An object of access.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The list of all repositories: `registry:catalog:*`.
    Catalog,
    /// A repository: `repository:NAME:ACTIONS`.
    Repository {
        /// The repository.
        name: RepositoryName,
        /// The actions on it.
        actions: Actions,
    },
}

/// A text that is not a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a scope: expected repository:NAME:ACTIONS or registry:catalog:*")]
pub struct UnknownScope;

impl Scope {
    /// Parses all scopes of all texts. Duplicates are merged.
    pub fn parse_all<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<Self> {
        let mut scopes: Vec<Self> = Vec::new();
        let parts = texts.into_iter().flat_map(str::split_whitespace);
        for scope in parts.filter_map(|part| part.parse::<Self>().ok()) {
            match scopes.iter().position(|known| known.is_about_the_same(&scope)) {
                Some(place) => scopes[place].add(&scope),
                None if scopes.len() < MAX_SCOPES => scopes.push(scope),
                None => (),
            }
        }
        scopes
    }

    fn add(&mut self, other: &Self) {
        if let (Self::Repository { actions, .. }, Self::Repository { actions: more, .. }) =
            (self, other)
        {
            *actions = actions.or(*more);
        }
    }

    fn is_about_the_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Catalog, Self::Catalog) => true,
            (Self::Repository { name, .. }, Self::Repository { name: other, .. }) => name == other,
            (Self::Catalog, Self::Repository { .. }) | (Self::Repository { .. }, Self::Catalog) => {
                false
            }
        }
    }
}

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        let (kind, rest) = text.split_once(':').ok_or(UnknownScope)?;
        let (name, actions) = rest.rsplit_once(':').ok_or(UnknownScope)?;
        // A class may follow the type, such as `repository(plugin)`: Docker's token specification for registries.
        match kind.split('(').next().unwrap_or(kind) {
            // A caller who may list the catalog may do every action on it.
            "registry" if name == "catalog" && !actions.is_empty() => Ok(Self::Catalog),
            "repository" => {
                let name = name.parse().map_err(|_| UnknownScope)?;
                match Actions::parse_list(actions) {
                    none if none.is_empty() => Err(UnknownScope),
                    actions => Ok(Self::Repository { name, actions }),
                }
            }
            _ => Err(UnknownScope),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Catalog => f.write_str("registry:catalog:*"),
            Self::Repository { name, actions } => write!(f, "repository:{name}:{actions}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::action::Action;
    use super::*;

    fn scope(name: &str, actions: &[Action]) -> Scope {
        let actions = actions.iter().copied().collect();
        Scope::Repository { name: name.parse().unwrap(), actions }
    }

    #[test]
    fn scopes_of_one_or_several_texts_are_merged() {
        let texts = ["repository:a/b:pull  repository:c:pull,push", "repository:a/b:push"];

        let scopes = Scope::parse_all(texts);

        let both = [Action::Pull, Action::Push];
        assert_eq!(scopes, [scope("a/b", &both), scope("c", &both)]);
    }

    #[test]
    fn star_classes_and_old_spellings_of_actions_are_accepted() {
        for (text, expected) in [
            ("repository:a:*", scope("a", &Action::ALL)),
            ("repository(plugin):a:pull", scope("a", &[Action::Pull])),
            ("repository:a:metadataRead,other", scope("a", &[Action::MetadataRead])),
            ("registry:catalog:*", Scope::Catalog),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn unknown_scopes_are_skipped() {
        let texts =
            ["", "pull", "repository:A:pull", "repository:a:", "registry:other:*", "x:a:pull"];

        assert!(Scope::parse_all(texts).is_empty());
    }

    #[test]
    fn the_number_of_scopes_in_a_token_is_limited() {
        let texts: Vec<String> = (0..1000).map(|i| format!("repository:a{i}:pull")).collect();

        assert_eq!(Scope::parse_all(texts.iter().map(String::as_str)).len(), MAX_SCOPES);
    }

    proptest! {
        #[test]
        fn a_written_scope_is_parsed_back(
            name in r"[a-z0-9]{1,8}(/[a-z0-9]{1,8}){0,3}",
            actions in prop::collection::vec(0..5_usize, 1..5),
        ) {
            let actions: Vec<Action> = actions.into_iter().map(|i| Action::ALL[i]).collect();
            let scope = scope(&name, &actions);
            prop_assert_eq!(scope.to_string().parse(), Ok(scope));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in r"\PC{0,200}", tail in r"[a-z:,* /()]{0,80}") {
            let _ = Scope::parse_all([text.as_str(), tail.as_str()]);
        }
    }
}
