//! What is to change in a vault, and the rules that no change may break.
//!
//! Retention is fixed once a vault is there. Soft delete and purge protection are never turned off, and a request that
//! says `false` is refused even where they were never on, as in Azure.

use std::collections::BTreeMap;

use super::MAX_POLICIES;
use super::error::VaultChangeError;
use crate::vault::network::NetworkRules;
use crate::vault::policy::AccessPolicy;
use crate::vault::settings::{Sku, VaultPath, VaultSettings};
use azure_emulator_core::identity::TENANT;

const RETENTION_DAYS: std::ops::RangeInclusive<i64> = 7..=90;
/// Azure's limits for tags and rules.
const MAX_TAGS: usize = 50;
const MAX_TAG_NAME: usize = 512;
const MAX_TAG_VALUE: usize = 256;
const MAX_ADDRESS_RULES: usize = 1000;
const MAX_SUBNET_RULES: usize = 200;

/// What a vault is to be; what is none stays as it is, or is Azure's default in a new one.
#[derive(Clone, Debug, Default)]
pub struct VaultChanges {
    /// Where it says that it is. It cannot change.
    pub location: Option<String>,
    /// Tags, in place of those there were.
    pub tags: Option<BTreeMap<String, String>>,
    /// The tenant: there is but one.
    pub tenant_id: Option<String>,
    /// The price class.
    pub sku: Option<Sku>,
    /// How many days what is deleted can be recovered, 7 to 90. It cannot change.
    pub retention_days: Option<i64>,
    /// Always on.
    pub soft_delete: Option<bool>,
    /// Once on, on for good.
    pub purge_protection: Option<bool>,
    /// Whether roles count in place of access policies.
    pub rbac: Option<bool>,
    /// Access policies, in place of those there were.
    pub policies: Option<Vec<AccessPolicy>>,
    /// Network rules.
    pub network: Option<NetworkRules>,
    /// Whether it takes calls over the public network.
    pub public_network_access: Option<bool>,
    /// Kept and shown, as the next two are.
    pub enabled_for_deployment: Option<bool>,
    /// Kept and shown.
    pub enabled_for_disk_encryption: Option<bool>,
    /// Kept and shown.
    pub enabled_for_template_deployment: Option<bool>,
}

impl VaultChanges {
    /// Refuses what lacks a property that the whole of a vault must have.
    pub(super) fn require_whole(
        &self,
        rbac: bool,
        needs_policies: bool,
    ) -> Result<(), VaultChangeError> {
        if self.location.is_none() {
            return Err(VaultChangeError::Missing("location"));
        }
        if self.tenant_id.is_none() {
            return Err(VaultChangeError::Missing("tenantId"));
        }
        if self.sku.is_none() {
            return Err(VaultChangeError::Missing("sku"));
        }
        if needs_policies && !rbac && self.policies.is_none() {
            return Err(VaultChangeError::Missing("accessPolicies"));
        }
        Ok(())
    }

    /// The retention of a new vault.
    pub(super) fn new_retention(&self, default: u16) -> Result<u16, VaultChangeError> {
        let Some(days) = self.retention_days else { return Ok(default) };
        u16::try_from(days)
            .ok()
            .filter(|_| RETENTION_DAYS.contains(&days))
            .ok_or(VaultChangeError::Invalid("softDeleteRetentionInDays"))
    }

    /// Settings and policies after the change; tags are the caller's, who knows whether they are replaced or kept.
    pub(super) fn applied_to(
        &self,
        path: &VaultPath,
        mut settings: VaultSettings,
        policies: Vec<AccessPolicy>,
    ) -> Result<(VaultSettings, Vec<AccessPolicy>), VaultChangeError> {
        self.refuse_fixed(path, &settings)?;
        if let Some(tags) = &self.tags {
            refuse_tags(tags)?;
            settings.tags.clone_from(tags);
        }
        settings.sku = self.sku.unwrap_or(settings.sku);
        settings.purge_protection = self.purge_protection.unwrap_or(settings.purge_protection);
        settings.rbac = self.rbac.unwrap_or(settings.rbac);
        if let Some(rules) = &self.network {
            if rules.addresses.len() > MAX_ADDRESS_RULES {
                return Err(VaultChangeError::Invalid("networkAcls.ipRules"));
            }
            if rules.subnets.len() > MAX_SUBNET_RULES {
                return Err(VaultChangeError::Invalid("networkAcls.virtualNetworkRules"));
            }
            settings.network = Some(rules.clone());
        }
        settings.public_network_access =
            self.public_network_access.unwrap_or(settings.public_network_access);
        settings.enabled_for_deployment =
            self.enabled_for_deployment.or(settings.enabled_for_deployment);
        settings.enabled_for_disk_encryption =
            self.enabled_for_disk_encryption.or(settings.enabled_for_disk_encryption);
        settings.enabled_for_template_deployment =
            self.enabled_for_template_deployment.or(settings.enabled_for_template_deployment);
        let policies = self.policies.clone().unwrap_or(policies);
        refuse_policies(&policies)?;
        Ok((settings, policies))
    }

    fn refuse_fixed(
        &self,
        path: &VaultPath,
        settings: &VaultSettings,
    ) -> Result<(), VaultChangeError> {
        if self.tenant_id.as_deref().is_some_and(|id| !id.eq_ignore_ascii_case(TENANT)) {
            return Err(VaultChangeError::Invalid("tenantId"));
        }
        if let Some(asked) = self.location.as_ref().filter(|asked| **asked != settings.location) {
            return Err(VaultChangeError::LocationChange {
                path: path.clone(),
                found: settings.location.clone(),
                asked: asked.clone(),
            });
        }
        if let Some(days) = self.retention_days {
            if !RETENTION_DAYS.contains(&days) {
                return Err(VaultChangeError::Invalid("softDeleteRetentionInDays"));
            }
            if days != i64::from(settings.retention_days) {
                return Err(VaultChangeError::Fixed("softDeleteRetentionInDays"));
            }
        }
        if self.soft_delete == Some(false) {
            return Err(VaultChangeError::Irreversible("enableSoftDelete"));
        }
        if self.purge_protection == Some(false) {
            return Err(VaultChangeError::Irreversible("enablePurgeProtection"));
        }
        Ok(())
    }
}

/// Refuses more policies than there may be, and two for one identity.
pub(super) fn refuse_policies(policies: &[AccessPolicy]) -> Result<(), VaultChangeError> {
    if policies.len() > MAX_POLICIES {
        return Err(VaultChangeError::TooManyPolicies(MAX_POLICIES));
    }
    for (at, policy) in policies.iter().enumerate() {
        if policies.iter().skip(at + 1).any(|other| other.is_of_the_same(policy)) {
            return Err(VaultChangeError::PolicyTwice(policy.object_id.clone()));
        }
    }
    Ok(())
}

fn refuse_tags(tags: &BTreeMap<String, String>) -> Result<(), VaultChangeError> {
    let fit = tags.len() <= MAX_TAGS
        && tags.iter().all(|(name, value)| {
            !name.is_empty()
                && name.chars().count() <= MAX_TAG_NAME
                && value.chars().count() <= MAX_TAG_VALUE
        });
    if fit { Ok(()) } else { Err(VaultChangeError::Invalid("tags")) }
}
