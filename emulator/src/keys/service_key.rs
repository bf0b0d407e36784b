//! The service-managed key: the encryption that every registry has, with a customer-managed key or without.
//!
//! It seals the entries and the head of the ring. With a customer-managed key it is the outer of two layers, so that
//! an attacker who only has the public part of the vault's key cannot plant a data key; without one it is the only layer.
//! The code that makes it decides where it is kept.

use zeroize::Zeroizing;

use sealed_envelope::{DATA_KEY_LEN, DataKey, OpenError, SealError, open_value, seal_value};

/// The emulator's own AES-256 key. It can neither be printed nor cloned.
pub struct ServiceKey(DataKey);

impl std::fmt::Debug for ServiceKey {
    /// Shows nothing of the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ServiceKey(..)")
    }
}

/// The kind of a sealed value, so that one kind cannot replace another.
#[derive(Clone, Copy)]
pub(super) enum SealedValue<'a> {
    /// The head of a ring.
    Head,
    /// The entry of this data key.
    Entry(&'a [u8]),
    /// Another secret of the registry, by its purpose.
    Secret(&'a [u8]),
}

impl ServiceKey {
    /// A new key from the operating system's generator.
    pub fn generate() -> Result<Self, SealError> {
        DataKey::generate().map(Self)
    }

    /// A copy of these bytes. The caller wipes them.
    pub fn copy_of(bytes: &[u8; DATA_KEY_LEN]) -> Self {
        Self(DataKey::copy_of(bytes))
    }

    /// The secret bytes, for the file that keeps them.
    pub fn expose(&self) -> &[u8; DATA_KEY_LEN] {
        self.0.expose()
    }

    /// Seals a small secret of a registry that is shown again, such as a password. `purpose` names it.
    pub fn seal_secret(
        &self,
        registry: &str,
        purpose: &str,
        secret: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        self.seal(registry, SealedValue::Secret(purpose.as_bytes()), secret)
    }

    /// Opens what [`ServiceKey::seal_secret`] sealed for the same registry and purpose.
    pub fn open_secret(
        &self,
        registry: &str,
        purpose: &str,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        self.open(registry, SealedValue::Secret(purpose.as_bytes()), sealed)
    }

    /// Seals a part of the ring of a registry.
    pub(super) fn seal(
        &self,
        registry: &str,
        place: SealedValue<'_>,
        plain: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        seal_value(&self.0, place.context(), &place.associated(registry), plain)
    }

    /// Opens what [`ServiceKey::seal`] sealed for the same registry and place.
    pub(super) fn open(
        &self,
        registry: &str,
        place: SealedValue<'_>,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        open_value(&self.0, place.context(), &place.associated(registry), sealed)
    }
}

impl SealedValue<'_> {
    const fn context(self) -> &'static [u8] {
        match self {
            Self::Head => b"sealyard ring v1 head",
            Self::Entry(_) => b"sealyard ring v1 entry",
            Self::Secret(_) => b"sealyard registry v1 secret",
        }
    }

    /// The registry, with its length in front so that no two pairs give the same bytes, and the data key.
    fn associated(self, registry: &str) -> Vec<u8> {
        let id = match self {
            Self::Head => &[],
            Self::Entry(id) | Self::Secret(id) => id,
        };
        let len = u64::try_from(registry.len()).unwrap_or(u64::MAX).to_be_bytes();
        [&len[..], registry.as_bytes(), id].concat()
    }
}
