//! The actions on a repository, as the registry's tokens name them, and sets of actions.

use std::fmt;
use std::str::FromStr;

/// One action on a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Read manifests and blobs.
    Pull,
    /// Write them.
    Push,
    /// Delete manifests, tags, blobs or the repository.
    Delete,
    /// Read times, attributes and lists.
    MetadataRead,
    /// Change attributes.
    MetadataWrite,
}

/// A text that names no action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an action of a repository")]
pub struct UnknownAction;

/// A set of actions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Actions(u8);

impl Action {
    /// All of them, in the order in which they are written.
    pub const ALL: [Self; 5] =
        [Self::Pull, Self::Push, Self::Delete, Self::MetadataRead, Self::MetadataWrite];

    /// Its name in scopes and tokens.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Delete => "delete",
            Self::MetadataRead => "metadata_read",
            Self::MetadataWrite => "metadata_write",
        }
    }
}

impl FromStr for Action {
    type Err = UnknownAction;

    fn from_str(text: &str) -> Result<Self, UnknownAction> {
        match text {
            "pull" => Ok(Self::Pull),
            "push" => Ok(Self::Push),
            "delete" => Ok(Self::Delete),
            // Old versions of the Azure CLI request the second spelling.
            "metadata_read" | "metadataRead" => Ok(Self::MetadataRead),
            "metadata_write" | "metadataWrite" => Ok(Self::MetadataWrite),
            _ => Err(UnknownAction),
        }
    }
}

impl Actions {
    /// All of them.
    pub fn all() -> Self {
        Action::ALL.into_iter().collect()
    }

    /// Parses names separated by commas. `*` is all; unknown names are skipped.
    pub fn parse_list(text: &str) -> Self {
        if text == "*" {
            return Self::all();
        }
        text.split(',').filter_map(|name| name.trim().parse::<Action>().ok()).collect()
    }

    /// Whether it is empty.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether an action is in it.
    pub fn has(self, action: Action) -> bool {
        self.0 & bit(action) != 0
    }

    /// The actions in both sets.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The actions in either set.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The actions, in order.
    pub fn iter(self) -> impl Iterator<Item = Action> {
        Action::ALL.into_iter().filter(move |action| self.has(*action))
    }
}

impl FromIterator<Action> for Actions {
    fn from_iter<I: IntoIterator<Item = Action>>(actions: I) -> Self {
        Self(actions.into_iter().fold(0, |set, action| set | bit(action)))
    }
}

impl fmt::Display for Actions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, action) in self.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            write!(f, "{comma}{}", action.as_str())?;
        }
        Ok(())
    }
}

fn bit(action: Action) -> u8 {
    1 << action as u8
}
