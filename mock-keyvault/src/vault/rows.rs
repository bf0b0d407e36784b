//! Converts vaults and versions to their rows and back.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::state::Vault;
use crate::model::ec::EcPublic;
use crate::model::material::PublicKey;
use crate::model::names::VaultName;
use crate::model::rsa::RsaPublic;
use crate::model::version::{Key, PrivateSlot, Version};
use crate::store::{LoadedVault, PublicRow, StoreError, VersionRow};

impl Vault {
    /// Reads a vault with everything in it.
    pub(super) fn from_rows(vault: &VaultName, rows: LoadedVault) -> Result<Self, StoreError> {
        let mut keys = BTreeMap::new();
        for (folded, loaded) in rows.keys {
            let mut versions = Vec::with_capacity(loaded.versions.len());
            for (id, row, tags) in loaded.versions {
                versions.push(Arc::new(version_of(&id, row, tags)?));
            }
            versions.sort_by_key(|version| version.sequence);
            let name = loaded.row.name.parse().map_err(damaged)?;
            let (deletion, schedule) = (loaded.row.deletion, loaded.schedule);
            keys.insert(folded, Key { name, versions, deletion, schedule });
        }
        let settings = rows.settings.brought_up(vault);
        Ok(Self { settings, policies: rows.policies, keys })
    }
}

/// Creates the row of a version.
pub(super) fn row_of(version: &Version) -> VersionRow {
    VersionRow {
        sequence: version.sequence,
        kty: version.kty,
        public: match &version.public {
            PublicKey::Rsa(public) => PublicRow::Rsa {
                modulus: URL_SAFE_NO_PAD.encode(&public.modulus),
                exponent: URL_SAFE_NO_PAD.encode(&public.exponent),
            },
            PublicKey::Ec(public) => PublicRow::Ec {
                curve: public.curve,
                x: URL_SAFE_NO_PAD.encode(&public.x),
                y: URL_SAFE_NO_PAD.encode(&public.y),
            },
        },
        operations: version.operations.clone(),
        attributes: version.attributes.clone(),
    }
}

/// Reads the version in a row.
pub(super) fn version_of(
    id: &str,
    row: VersionRow,
    tags: BTreeMap<String, String>,
) -> Result<Version, StoreError> {
    Ok(Version {
        id: id.parse().map_err(damaged)?,
        sequence: row.sequence,
        kty: row.kty,
        public: public_of(&row.public)?,
        operations: row.operations,
        attributes: row.attributes,
        tags,
        private: Arc::new(PrivateSlot::default()),
    })
}

/// Reads the public part in a row.
fn public_of(row: &PublicRow) -> Result<PublicKey, StoreError> {
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(damaged);
    Ok(match row {
        PublicRow::Rsa { modulus, exponent } => {
            PublicKey::Rsa(RsaPublic { modulus: decode(modulus)?, exponent: decode(exponent)? })
        }
        PublicRow::Ec { curve, x, y } => {
            PublicKey::Ec(EcPublic { curve: *curve, x: decode(x)?, y: decode(y)? })
        }
    })
}

pub(super) fn damaged(error: impl fmt::Display) -> StoreError {
    StoreError::Damaged(error.to_string())
}
