//! The facts that a client knows: the content that must be there, and the content that must be gone.
//!
//! A step that was answered with success makes facts. A step that was refused, or not answered, leaves it open whether its
//! changes were made; but if they were, they must be whole.

use std::collections::BTreeMap;

use crate::support::content;

/// A thing that a client can see.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Thing {
    /// The blob of this digest in the repository `app`.
    Blob(String),
    /// The manifest with this tag or digest in the repository `app`.
    Manifest(String),
    /// The registry of this name.
    Registry(String),
    /// The version of the key that `local` uses.
    KeyVersion,
}

/// The content of a thing, or `None` if it does not exist.
pub(super) type State = Option<Vec<u8>>;

/// The states that are right for a thing.
#[derive(Clone, Debug)]
pub(super) enum Right {
    OneOf(Vec<State>),
    /// The client was not told.
    Any,
}

/// All things, with the states that are right for them.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts(pub(super) BTreeMap<Thing, Right>);

impl Thing {
    pub(super) fn blob(bytes: &[u8]) -> Self {
        Self::Blob(content::digest(bytes).to_string())
    }

    pub(super) fn by_digest(bytes: &[u8]) -> Self {
        Self::Manifest(content::digest(bytes).to_string())
    }
}

impl Facts {
    /// The client was told that the thing is in this state.
    pub(super) fn told(&mut self, thing: Thing, state: State) {
        self.0.insert(thing, Right::OneOf(vec![state]));
    }

    /// The thing may have come into this state.
    pub(super) fn may_be(&mut self, thing: Thing, state: State) {
        let right = self.0.entry(thing).or_insert_with(|| Right::OneOf(vec![None]));
        if let Right::OneOf(states) = right
            && !states.contains(&state)
        {
            states.push(state);
        }
    }

    /// The fault if the thing is in this state, as a sentence.
    pub(super) fn fault(&self, thing: &Thing, found: &State) -> Option<String> {
        let Right::OneOf(states) = self.0.get(thing)? else { return None };
        if states.contains(found) {
            return None;
        }
        let shown = |state: &State| match state {
            None => "missing".to_owned(),
            Some(bytes) if bytes.len() < 80 => String::from_utf8_lossy(bytes).into_owned(),
            Some(bytes) => format!("{} bytes", bytes.len()),
        };
        let right: Vec<String> = states.iter().map(shown).collect();
        Some(format!("{thing:?} is {}, and should be {}", shown(found), right.join(" or ")))
    }
}
