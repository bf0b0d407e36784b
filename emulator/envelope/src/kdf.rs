//! The public inputs of the derivation of a key: the file and the place in it, or the purpose of a value.
//!
//! All public data about the place of the ciphertext is in the derivation, so segments need no associated data.
//! `message_key.rs` derives.

use super::message_key::Derivation;
use super::random::Salt;
use super::{DataKey, Header, ObjectKind};

/// Data that a reader must know without reading it from the file: it is authenticated, but not stored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Binding {
    /// The name of the registry whose content this is.
    pub registry: String,
    /// The kind that the caller expects.
    pub kind: ObjectKind,
}

impl Binding {
    /// Binds to this registry and kind of object.
    pub fn new(registry: impl Into<String>, kind: ObjectKind) -> Self {
        Self { registry: registry.into(), kind }
    }
}

/// The place of a run in its file. It is part of the derivation, so that a run authenticates only there.
#[derive(Clone, Copy)]
pub(super) struct RunPlace {
    /// How many bytes of plaintext lie before the run.
    pub(super) start: u64,
    /// The salt of the run before it, or [`Salt::NONE`].
    pub(super) previous: Salt,
}

/// The inputs that all derivations of one file share.
pub(super) struct FileContext {
    pub(super) header: Header,
    registry: String,
}

impl FileContext {
    pub(super) fn new(header: Header, binding: Binding) -> Self {
        Self { header, registry: binding.registry }
    }

    /// The key of the run with this salt at this place.
    pub(super) fn run<'a>(
        &self,
        data_key: &'a DataKey,
        salt: &'a Salt,
        place: RunPlace,
    ) -> Derivation<'a> {
        let mut info = self.info(b"sealyard envelope v1 run");
        info.extend_from_slice(&place.start.to_be_bytes());
        info.extend_from_slice(&place.previous.0);
        Derivation { data_key, salt, info }
    }

    /// The key of the trailer with this salt.
    pub(super) fn trailer<'a>(&self, data_key: &'a DataKey, salt: &'a Salt) -> Derivation<'a> {
        Derivation { data_key, salt, info: self.info(b"sealyard envelope v1 trailer") }
    }

    fn info(&self, purpose: &[u8]) -> Vec<u8> {
        let mut info = with_context(purpose, self.registry.as_bytes());
        info.extend_from_slice(&self.header.to_bytes());
        info
    }
}

/// The key of a short value with this salt.
pub(super) fn value<'a>(data_key: &'a DataKey, salt: &'a Salt, context: &[u8]) -> Derivation<'a> {
    Derivation { data_key, salt, info: with_context(b"sealyard envelope v1 value", context) }
}

/// A purpose and an input of variable length, with its length in front, so that different contexts never give the same bytes.
fn with_context(purpose: &[u8], context: &[u8]) -> Vec<u8> {
    let len = (context.len() as u64).to_be_bytes();
    [purpose, &len, context].concat()
}
