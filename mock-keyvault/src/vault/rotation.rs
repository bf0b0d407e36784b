//! New versions on request or by policy, and the policies of keys.
//!
//! Called by the routes and by [`super::schedule`], which performs the policies.
//!
//! This file does not decide when an action is due.

use super::due::DueAction;
use super::manage::{CreateConditions, NewKey};
use super::vaults::Vaults;
use super::view::KeyView;
use crate::model::KeyReference;
use crate::model::error::VaultError;
use crate::model::names::{KeyName, KeyVersion, VaultName};
use crate::model::rotation::{PolicyTerms, RotationPolicy};
use crate::model::version::Version;

/// The policy of a key with the facts for its rendering; `None` means that no client has set a policy.
#[derive(Clone, Debug)]
pub(crate) struct PolicyView {
    pub(crate) name: KeyName,
    pub(crate) policy: Option<RotationPolicy>,
}

impl Vaults {
    /// The policy of a key.
    pub(crate) fn rotation_policy(
        &self,
        vault: &VaultName,
        name: &KeyName,
    ) -> Result<PolicyView, VaultError> {
        self.with_vault(vault, |found| match found.live(name) {
            Some(key) => Ok(PolicyView { name: key.name.clone(), policy: key.schedule.policy }),
            None => {
                Err(VaultError::KeyNotFound(KeyReference { name: name.clone(), version: None }))
            }
        })
    }

    /// Replaces the policy of a key.
    pub(crate) fn set_rotation_policy(
        &self,
        vault: &VaultName,
        name: &KeyName,
        terms: PolicyTerms,
    ) -> Result<PolicyView, VaultError> {
        let _changing = self.change();
        let PolicyView { name, policy } = self.rotation_policy(vault, name)?;
        let now = self.clock.unix_now();
        let created = policy.map_or(now, |policy| policy.created);
        let policy = Some(RotationPolicy { terms, created, updated: now });
        self.change_schedule(vault, &name, |schedule| schedule.policy = policy)?;
        Ok(PolicyView { name, policy })
    }

    /// Creates a new version like the newest, now.
    pub(crate) fn rotate(&self, vault: &VaultName, name: &KeyName) -> Result<KeyView, VaultError> {
        let at = KeyReference { name: name.clone(), version: None };
        let newest = self.key(vault, &at)?.version;
        let (new, conditions) = self.successor(vault, name, &newest, None)?;
        self.make(vault, name, new, &conditions)?.ok_or(VaultError::KeyNotFound(at))
    }

    /// Creates the version that was due at a moment, unless it is no longer due.
    pub(super) fn rotate_when_due(
        &self,
        vault: &VaultName,
        name: &KeyName,
        newest: &KeyVersion,
        due: DueAction,
    ) -> Result<(), VaultError> {
        let at = KeyReference { name: name.clone(), version: Some(newest.clone()) };
        let last = self.key(vault, &at)?.version;
        let (new, conditions) = self.successor(vault, name, &last, Some(due.at))?;
        let conditions = CreateConditions { due: Some((newest.clone(), due)), ..conditions };
        self.make(vault, name, new, &conditions).map(drop)
    }

    /// The properties of the next version: of the same type, with the same operations and tags, enabled, and with the expiry
    /// that the policy gives it.
    fn successor(
        &self,
        vault: &VaultName,
        name: &KeyName,
        last: &Version,
        created: Option<i64>,
    ) -> Result<(NewKey, CreateConditions), VaultError> {
        let policy = self.rotation_policy(vault, name)?.policy;
        let created = created.unwrap_or_else(|| self.clock.unix_now());
        let expires = policy.and_then(|policy| policy.end_of(created));
        let mut new = NewKey::like(last);
        new.version.expires = expires;
        Ok((new, CreateConditions { created: Some(created), existing: true, due: None }))
    }
}
