//! The ring as it is stored, and as it is in memory: a head, and an entry for each data key.
//!
//! Head and entries are sealed under the service-managed key and bound to their registry, the entries to their data key
//! as well. An entry contains the data key wrapped by the vault's key, or, in a registry without a customer-managed key,
//! the data key itself. The store sees opaque bytes, each value shorter than 2 KiB.
//!
//! An entry also holds a *proof*: an empty value sealed under the data key. It shows that the key that the vault unwraps
//! is the key that was wrapped, before anything is sealed under it. Otherwise a vault that was restored from elsewhere could
//! make us write data that can never be read again.
//!
//! **Invariant:** a ring in memory was authenticated: its head when it was read, the kind of every entry when it is opened.

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::error::{RingError, RingStoreError};
use super::service_key::{SealedValue, ServiceKey};
use super::{IdentityId, KeyError, KeyId};
use sealed_envelope::{
    DATA_KEY_LEN, DataKey, DataKeyId, SealError, VALUE_OVERHEAD, open_value, scrubbed, seal_value,
};

/// Stores the ring of one registry. All calls block; the ring makes them on blocking threads.
pub trait RingStore: Send + Sync + 'static {
    /// The ring, if there is one.
    fn load(&self) -> Result<Option<StoredRing>, RingStoreError>;

    /// Replaces the ring durably if its generation is `expected` (`None`: if there is no ring). Otherwise it returns false and
    /// does nothing.
    fn replace(&self, expected: Option<u64>, ring: &StoredRing) -> Result<bool, RingStoreError>;

    /// Replaces any ring, and deletes everything that is sealed under its data keys, in one durable commit.
    /// The operation `ends` ends in the same commit.
    fn reinitialize(&self, ring: &StoredRing, ends: Option<Uuid>) -> Result<(), RingStoreError>;

    /// Durably removes those of these data keys that seal nothing, so that nothing can be sealed under them afterwards, and
    /// returns them. If it removed any, the generation grows by one. `None` if the generation is not `expected`; then it did
    /// nothing.
    fn remove_unused(
        &self,
        expected: u64,
        data_keys: &[DataKeyId],
    ) -> Result<Option<Vec<DataKeyId>>, RingStoreError>;
}

/// The ring as it is stored. All of it is opaque to the store.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredRing {
    /// Grows with every change.
    pub generation: u64,
    /// The sealed [`Head`].
    pub head: Vec<u8>,
    /// The data keys, oldest first.
    pub entries: Vec<(DataKeyId, Vec<u8>)>,
}

/// The ring in memory. The entries stay sealed.
#[derive(Clone)]
pub(super) struct Ring {
    pub(super) generation: u64,
    pub(super) head: Head,
    entries: Vec<(DataKeyId, Vec<u8>)>,
}

/// The properties of the whole ring.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Head {
    /// The customer-managed key, with or without a version; `None` for only the service-managed key.
    pub(super) configured: Option<KeyId>,
    /// The version that all entries are wrapped with.
    pub(super) kek: Option<KeyId>,
    /// The identity that asks for the data keys; `None`, as in rings of earlier versions, for the one of the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) identity: Option<IdentityId>,
    /// The data key for new objects.
    #[serde(with = "hex_id")]
    pub(super) current: DataKeyId,
    /// When the entries were wrapped anew, in seconds of emulator time since 1970.
    pub(super) rotated: Option<i64>,
}

/// The content of an entry.
pub(super) enum Entry {
    /// The data key itself.
    Bare(DataKey),
    /// The data key under the vault's key.
    Wrapped(Wrapped),
}

/// A data key under the vault's key.
pub(super) struct Wrapped {
    /// The key version.
    pub(super) kek: KeyId,
    /// The vault's output.
    pub(super) wrapped: Vec<u8>,
    /// See the top of this file.
    proof: Vec<u8>,
}

/// First byte of an entry.
const BARE: u8 = 0;
const WRAPPED: u8 = 1;

/// The purpose that a proof is sealed for.
const PROOF: &[u8] = b"sealyard ring v1 proof";

impl Ring {
    pub(super) fn new(generation: u64, head: Head, entries: Vec<(DataKeyId, Vec<u8>)>) -> Self {
        Self { generation, head, entries }
    }

    /// Authenticates the head of a stored ring.
    pub(super) fn read(
        stored: StoredRing,
        registry: &str,
        key: &ServiceKey,
    ) -> Result<Self, RingError> {
        let head = key
            .open(registry, SealedValue::Head, &stored.head)
            .map_err(|_| RingError::DamagedRing)?;
        let head: Head = serde_json::from_slice(&head).map_err(|_| RingError::DamagedRing)?;
        let ring = Self::new(stored.generation, head, stored.entries);
        let whole = ring.head.configured.is_some() == ring.head.kek.is_some()
            && ring.contains(ring.head.current);
        if whole { Ok(ring) } else { Err(RingError::DamagedRing) }
    }

    /// The stored form.
    pub(super) fn write(&self, registry: &str, key: &ServiceKey) -> Result<StoredRing, RingError> {
        let head = serde_json::to_vec(&self.head).map_err(|_| RingError::DamagedRing)?;
        Ok(StoredRing {
            generation: self.generation,
            head: key.seal(registry, SealedValue::Head, &head)?,
            entries: self.entries.clone(),
        })
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = DataKeyId> {
        self.entries.iter().map(|(id, _)| *id)
    }

    pub(super) fn contains(&self, id: DataKeyId) -> bool {
        self.ids().any(|other| other == id)
    }

    /// Opens the outer layer of an entry.
    pub(super) fn entry(
        &self,
        id: DataKeyId,
        registry: &str,
        key: &ServiceKey,
    ) -> Result<Entry, KeyError> {
        let (_, sealed) = self
            .entries
            .iter()
            .find(|(other, _)| *other == id)
            .ok_or(KeyError::NoSuchDataKey(id))?;
        let plain = key
            .open(registry, SealedValue::Entry(id.as_bytes()), sealed)
            .map_err(|_| KeyError::DamagedDataKey(id))?;
        let entry = Entry::decode(&plain).ok_or(KeyError::DamagedDataKey(id))?;
        // A bare key in a ring with a customer-managed key was planted, even if it is sealed correctly.
        let fits = match &entry {
            Entry::Bare(_) => self.head.kek.is_none(),
            Entry::Wrapped(wrapped) => self.head.kek.as_ref() == Some(&wrapped.kek),
        };
        if fits { Ok(entry) } else { Err(KeyError::DamagedDataKey(id)) }
    }
}

impl Entry {
    /// Seals the entry for the ring of a registry.
    pub(super) fn seal(
        &self,
        id: DataKeyId,
        registry: &str,
        key: &ServiceKey,
    ) -> Result<Vec<u8>, SealError> {
        key.seal(registry, SealedValue::Entry(id.as_bytes()), &self.encode())
    }

    /// `0 ‖ key`, or `1 ‖ length of the key id ‖ key id ‖ proof ‖ wrapped key`.
    fn encode(&self) -> Zeroizing<Vec<u8>> {
        match self {
            Self::Bare(key) => {
                // With its final capacity at once: a buffer that grows leaves copies behind.
                let mut bytes = Zeroizing::new(Vec::with_capacity(1 + DATA_KEY_LEN));
                bytes.push(BARE);
                scrubbed(|| bytes.extend_from_slice(key.expose()));
                bytes
            }
            Self::Wrapped(Wrapped { kek, wrapped, proof }) => {
                let version = kek.version().map_or("", |version| version.as_str());
                let kek = format!("{}/{}/{version}", kek.vault(), kek.name());
                let len = u8::try_from(kek.len()).unwrap_or(u8::MAX);
                let mut bytes = vec![WRAPPED, len];
                bytes.extend_from_slice(kek.as_bytes());
                bytes.extend_from_slice(proof);
                bytes.extend_from_slice(wrapped);
                Zeroizing::new(bytes)
            }
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        match *kind {
            BARE => Some(Self::Bare(DataKey::copy_of(rest.try_into().ok()?))),
            WRAPPED => {
                let (len, rest) = rest.split_first()?;
                let (kek, rest) = rest.split_at_checked(usize::from(*len))?;
                let (proof, wrapped) = rest.split_at_checked(VALUE_OVERHEAD)?;
                let mut parts = std::str::from_utf8(kek).ok()?.split('/');
                let vault = parts.next()?.parse().ok()?;
                let name = parts.next()?.parse().ok()?;
                let version = parts.next()?.parse().ok()?;
                let kek = KeyId::new(vault, name, Some(version));
                Some(Self::Wrapped(Wrapped {
                    kek,
                    wrapped: wrapped.to_vec(),
                    proof: proof.to_vec(),
                }))
            }
            _ => None,
        }
    }
}

impl Wrapped {
    /// An entry for a data key that the vault has wrapped with `kek`.
    pub(super) fn new(
        kek: KeyId,
        wrapped: Vec<u8>,
        id: DataKeyId,
        key: &DataKey,
    ) -> Result<Self, SealError> {
        Ok(Self { kek, wrapped, proof: seal_value(key, PROOF, id.as_bytes(), &[])? })
    }

    /// Whether the key that the vault unwrapped is the key that was wrapped.
    pub(super) fn is_proven_by(&self, id: DataKeyId, key: &DataKey) -> bool {
        open_value(key, PROOF, id.as_bytes(), &self.proof).is_ok()
    }
}

mod hex_id {
    use serde::{Deserialize, Deserializer, Serializer};

    use sealed_envelope::DataKeyId;

    pub(super) fn serialize<S: Serializer>(
        id: &DataKeyId,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(id)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<DataKeyId, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kek() -> KeyId {
        format!("https://local.vault.localhost/keys/k/{}", "ab".repeat(16)).parse().unwrap()
    }

    fn ring_with(service: &ServiceKey, id: DataKeyId, entry: &Entry) -> Ring {
        let (configured, kek) = (Some(kek().unversioned()), Some(kek()));
        let head = Head { configured, kek, identity: None, current: id, rotated: None };
        Ring::new(1, head, vec![(id, entry.seal(id, "local", service).unwrap())])
    }

    fn wrapped(id: DataKeyId, key: &DataKey) -> Entry {
        Entry::Wrapped(Wrapped::new(kek(), vec![7; 512], id, key).unwrap())
    }

    #[test]
    fn a_ring_survives_being_stored_and_its_rows_are_short() {
        let service = ServiceKey::generate().unwrap();
        let (id, key) = (DataKeyId::random().unwrap(), DataKey::generate().unwrap());
        let ring = ring_with(&service, id, &wrapped(id, &key));

        let stored = ring.write("local", &service).unwrap();
        assert!(stored.head.len() < 2048 && stored.entries[0].1.len() < 2048);
        let again = Ring::read(stored, "local", &service).unwrap();

        assert_eq!(again.head, ring.head);
        let Ok(Entry::Wrapped(entry)) = again.entry(id, "local", &service) else {
            panic!("not wrapped")
        };
        assert_eq!((entry.kek.clone(), entry.wrapped.len()), (kek(), 512));
        assert!(entry.is_proven_by(id, &key));
        assert!(!entry.is_proven_by(id, &DataKey::generate().unwrap()));
    }

    #[test]
    fn a_head_without_an_identity_uses_the_identity_of_the_start() {
        let id = DataKeyId::random().unwrap();
        let old = serde_json::json!({
            "configured": kek().unversioned(), "kek": kek(), "current": id.to_string(), "rotated": 7,
        });

        let head: Head = serde_json::from_value(old.clone()).unwrap();

        assert_eq!((&head.identity, head.rotated), (&None, Some(7)));
        assert_eq!(serde_json::to_value(&head).unwrap(), old, "and is written as before");
        let named = Head { identity: Some(IdentityId::system()), ..head };
        let stored = serde_json::to_vec(&named).unwrap();
        assert_eq!(serde_json::from_slice::<Head>(&stored).unwrap(), named);
    }

    #[test]
    fn a_ring_does_not_open_for_another_registry_or_under_another_service_key() {
        let service = ServiceKey::generate().unwrap();
        let (id, key) = (DataKeyId::random().unwrap(), DataKey::generate().unwrap());
        let ring = ring_with(&service, id, &wrapped(id, &key));
        let stored = ring.write("local", &service).unwrap();

        assert!(matches!(
            Ring::read(stored.clone(), "other", &service),
            Err(RingError::DamagedRing)
        ));
        let foreign = ServiceKey::generate().unwrap();
        assert!(matches!(Ring::read(stored, "local", &foreign), Err(RingError::DamagedRing)));
        assert!(matches!(ring.entry(id, "other", &service), Err(KeyError::DamagedDataKey(_))));
    }

    #[test]
    fn an_entry_does_not_open_under_the_name_of_another() {
        let service = ServiceKey::generate().unwrap();
        let (id, key) = (DataKeyId::random().unwrap(), DataKey::generate().unwrap());
        let mut ring = ring_with(&service, id, &wrapped(id, &key));
        let other = DataKeyId::random().unwrap();
        ring.entries[0].0 = other;

        assert!(matches!(ring.entry(other, "local", &service), Err(KeyError::DamagedDataKey(_))));
    }

    #[test]
    fn a_bare_key_planted_in_a_ring_with_a_customer_managed_key_is_refused() {
        let service = ServiceKey::generate().unwrap();
        let id = DataKeyId::random().unwrap();
        let ring = ring_with(&service, id, &Entry::Bare(DataKey::generate().unwrap()));

        assert!(matches!(ring.entry(id, "local", &service), Err(KeyError::DamagedDataKey(_))));
    }

    #[test]
    fn an_entry_under_another_key_version_than_the_ring_is_refused() {
        let service = ServiceKey::generate().unwrap();
        let (id, key) = (DataKeyId::random().unwrap(), DataKey::generate().unwrap());
        let other = kek().at("cd".repeat(16).parse().unwrap());
        let entry = Entry::Wrapped(Wrapped::new(other, vec![7; 256], id, &key).unwrap());
        let ring = ring_with(&service, id, &entry);

        assert!(matches!(ring.entry(id, "local", &service), Err(KeyError::DamagedDataKey(_))));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_entry_reader_panic(bytes in proptest::collection::vec(0u8.., 0..300)) {
            let _ = Entry::decode(&bytes);
        }
    }
}
