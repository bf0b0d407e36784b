//! The data that an interrupted update with a rotation needs to continue: the state before, and the changes after.
//!
//! The ring shows whether the rotation is done: key and identity change there in one commit.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::change::Change;
use super::error::ManageError;
use super::rotation::KeyChange;
use crate::keys::KeyId;
use crate::names::RegistryName;
use crate::registry::parts::Registry;
use crate::registry::resources::{IdentityRef, Profile, Tags};
use crate::store::{AssignedRow, PrincipalRow};

/// The steps of an update. `Serialize` is the format of the intent.
#[derive(Serialize, Deserialize)]
pub(super) struct UpdateSteps {
    pub(super) registry: String,
    key: Option<KeyId>,
    identity: Option<String>,
    before: IdentitiesBefore,
    /// The key before the update. `None` if an older program began it.
    #[serde(default)]
    key_before: Option<KeyId>,
    /// When the registry was created, to recognize it among registries of its name. `None` if an older program began
    /// the update.
    #[serde(default)]
    created: Option<i64>,
    rest: RemainingChanges,
}

/// The identities before the update.
#[derive(Serialize, Deserialize)]
struct IdentitiesBefore {
    identities: BTreeMap<String, AssignedRow>,
    system_identity: Option<PrincipalRow>,
    /// Older programs did not store it.
    #[serde(default)]
    former_identity: Option<(AssignedRow, i64)>,
}

/// The changes after the rotation.
#[derive(Serialize, Deserialize)]
struct RemainingChanges {
    sku: Option<String>,
    tags: Option<BTreeMap<String, String>>,
    remove: Vec<String>,
    system_identity: Option<bool>,
    anonymous: Option<bool>,
    strict: Option<bool>,
    /// Older programs did not store it.
    #[serde(default)]
    no_bypass: Option<bool>,
    admin_enabled: Option<bool>,
    anonymous_pull: Option<bool>,
}

impl UpdateSteps {
    pub(super) fn new(
        name: &RegistryName,
        old: &Profile,
        key_before: Option<KeyId>,
        key: &KeyChange,
        rest: &Change,
    ) -> Self {
        let record = old.record(name);
        Self {
            registry: name.as_str().to_owned(),
            key: key.key.clone(),
            key_before,
            created: Some(record.row.created),
            identity: key.identity.as_ref().map(ToString::to_string),
            before: IdentitiesBefore {
                identities: record.identities,
                system_identity: record.row.system_identity,
                former_identity: record.row.former_identity,
            },
            rest: RemainingChanges {
                sku: rest.sku.map(|sku| sku.to_string()),
                tags: rest.tags.as_ref().map(|tags| tags.as_map().clone()),
                remove: rest.remove.iter().map(ToString::to_string).collect(),
                system_identity: rest.system_identity,
                anonymous: rest.anonymous,
                strict: rest.strict,
                no_bypass: rest.no_bypass,
                admin_enabled: rest.admin_enabled,
                anonymous_pull: rest.anonymous_pull,
            },
        }
    }

    /// Whether this is the registry of the update, with its previous key or with the update's result.
    pub(super) fn is_wanted(&self, registry: &Registry, profile: &Profile) -> bool {
        let created = profile.created.unix_timestamp();
        let is_same = self.created.is_none_or(|meant| meant == created);
        let now = registry.key_ring().describe().configured;
        let leads_to = self.key.as_ref().or(self.key_before.as_ref());
        is_same && (self.key_before.is_none() || now == self.key_before || now.as_ref() == leads_to)
    }

    /// Whether the key of the registry is the rotation's target.
    pub(super) fn is_rotated(
        &self,
        registry: &Registry,
        profile: &Profile,
    ) -> Result<bool, ManageError> {
        let now = registry.key_ring().describe();
        let has_key = self.key.is_none() || now.configured == self.key;
        let Some(named) = &self.identity else { return Ok(has_key) };
        let named: IdentityRef = named.parse()?;
        let key_identity = profile.identity_id(&named);
        Ok(has_key && key_identity.is_some() && key_identity == now.identity)
    }

    /// The registry as it was before.
    pub(super) fn before(self, name: &RegistryName, now: &Profile) -> Result<Profile, ManageError> {
        let mut record = now.record(name);
        record.identities = self.before.identities;
        record.row.system_identity = self.before.system_identity;
        record.row.former_identity = self.before.former_identity;
        Ok(Profile::from_record(record)?.1)
    }

    /// The changes that remain after the rotation.
    pub(super) fn remaining_changes(self, now: &Profile) -> Result<Change, ManageError> {
        let RemainingChanges { sku, tags, remove, .. } = self.rest;
        let remove: Vec<IdentityRef> =
            remove.iter().map(|named| named.parse()).collect::<Result<_, _>>()?;
        Ok(Change {
            sku: sku.map(|sku| sku.parse()).transpose()?,
            tags: tags.map(Tags::try_from).transpose()?,
            // Some may be removed already.
            remove: remove.into_iter().filter(|named| now.user_assigned(named).is_some()).collect(),
            system_identity: self.rest.system_identity,
            anonymous: self.rest.anonymous,
            strict: self.rest.strict,
            no_bypass: self.rest.no_bypass,
            admin_enabled: self.rest.admin_enabled,
            anonymous_pull: self.rest.anonymous_pull,
            ..Change::default()
        })
    }
}
