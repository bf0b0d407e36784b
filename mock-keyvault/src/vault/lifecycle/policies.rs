//! Adds, replaces and removes access policies, one or several at a time.
//!
//! Called by the routes `accessPolicies/add`, `replace` and `remove`, and by the fixture's handle.

use super::super::vaults::Vaults;
use super::changes::refuse_policies;
use super::error::VaultChangeError;
use crate::model::error::VaultError;
use crate::model::names::VaultName;
use crate::model::policy::AccessPolicy;
use crate::model::settings::VaultPath;

/// How access policies change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PolicyChange {
    /// Add the named permissions.
    Add,
    /// Replace the policies of the named identities.
    Replace,
    /// Remove the named permissions; an empty policy is removed.
    Remove,
}

impl Vaults {
    /// Changes the access policies of the named identities, and no others. Returns the changed policies.
    pub(crate) fn change_policies(
        &self,
        path: &VaultPath,
        change: PolicyChange,
        named: &[AccessPolicy],
        by: &str,
    ) -> Result<Vec<AccessPolicy>, VaultChangeError> {
        let _changing = self.change();
        let found = self.vault_at(path)?;
        let mut policies = found.policies;
        let mut changed = Vec::with_capacity(named.len());
        for policy in named {
            let at = policies.iter().position(|own| own.is_of_the_same(policy));
            let own = at.and_then(|at| policies.get_mut(at));
            match (change, own) {
                (PolicyChange::Add, Some(own)) => {
                    own.merge(policy);
                    changed.push(own.clone());
                }
                (PolicyChange::Replace, Some(own)) => {
                    own.clone_from(policy);
                    changed.push(policy.clone());
                }
                (PolicyChange::Remove, Some(own)) => {
                    own.subtract(policy);
                    if own.is_empty() {
                        policies.retain(|own| !own.is_of_the_same(policy));
                    } else {
                        changed.push(own.clone());
                    }
                }
                (PolicyChange::Add | PolicyChange::Replace, None) => {
                    policies.push(policy.clone());
                    changed.push(policy.clone());
                }
                (PolicyChange::Remove, None) => (),
            }
        }
        refuse_policies(&policies)?;
        let mut settings = found.settings;
        self.touch(&mut settings, by);
        self.save(&path.name, settings, policies)?;
        Ok(changed)
    }

    /// Gives an identity these permissions in place of its earlier ones, or removes its policy.
    pub(crate) fn set_policy(
        &self,
        name: &VaultName,
        object_id: &str,
        policy: Option<AccessPolicy>,
    ) -> Result<(), VaultError> {
        let _changing = self.change();
        let (settings, mut policies) =
            self.with_vault(name, |found| Ok((found.settings.clone(), found.policies.clone())))?;
        let is_theirs = |own: &AccessPolicy| {
            own.object_id.eq_ignore_ascii_case(object_id) && own.application_id.is_none()
        };
        match (policies.iter_mut().find(|own| is_theirs(own)), policy) {
            (Some(own), Some(policy)) => *own = policy,
            (None, Some(policy)) => policies.push(policy),
            (_, None) => policies.retain(|own| !is_theirs(own)),
        }
        self.save(name, settings, policies).map(drop).map_err(|error| match error {
            VaultChangeError::DiskFull => VaultError::DiskFull,
            VaultChangeError::ReadOnly => VaultError::ReadOnly,
            error => VaultError::Internal(error.to_string()),
        })
    }
}
