//! The changes of a vault in a request, and the rules that no change may break.
//!
//! Retention is fixed when a vault is created. Soft delete and purge protection are never turned off; a request with `false` is
//! refused even if they were never on, as in Azure.

use std::collections::BTreeMap;

use super::error::VaultChangeError;
use crate::model::network::NetworkRules;
use crate::model::policy::AccessPolicy;
use crate::model::settings::{Sku, VaultPath, VaultSettings};
use azure_emulator_core::identity::TENANT;

/// The maximum number of access policies, as in Azure.
const MAX_POLICIES: usize = 1024;
const RETENTION_DAYS: std::ops::RangeInclusive<i64> = 7..=90;
/// Azure's limits for tags and rules.
const MAX_TAGS: usize = 50;
const MAX_TAG_NAME: usize = 512;
const MAX_TAG_VALUE: usize = 256;
const MAX_ADDRESS_RULES: usize = 1000;
const MAX_SUBNET_RULES: usize = 200;

/// The requested settings of a vault; `None` leaves a setting unchanged, or means Azure's default in a new vault.
#[derive(Clone, Debug, Default)]
pub struct VaultChanges {
    /// The location. It cannot change.
    pub location: Option<String>,
    /// Tags, which replace the existing ones.
    pub tags: Option<BTreeMap<String, String>>,
    /// The tenant: there is only one.
    pub tenant_id: Option<String>,
    /// The price class.
    pub sku: Option<Sku>,
    /// How many days a deleted key or vault can be recovered, 7 to 90. It cannot change.
    pub retention_days: Option<i64>,
    /// Always on.
    pub soft_delete: Option<bool>,
    /// Purge protection, which can never be turned off again.
    pub purge_protection: Option<bool>,
    /// Whether roles decide about access instead of access policies.
    pub rbac: Option<bool>,
    /// Access policies, which replace the existing ones.
    pub policies: Option<Vec<AccessPolicy>>,
    /// Network rules.
    pub network: Option<NetworkRules>,
    /// Whether the vault accepts calls over the public network.
    pub public_network_access: Option<bool>,
    /// Stored and shown without effect, like the next two.
    pub enabled_for_deployment: Option<bool>,
    /// Stored and shown.
    pub enabled_for_disk_encryption: Option<bool>,
    /// Stored and shown.
    pub enabled_for_template_deployment: Option<bool>,
}

impl VaultChanges {
    /// Refuses a request that lacks a required property of a whole vault.
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

    /// Settings and policies after the change; the caller sets the tags, since it knows whether they are replaced.
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
        if let Some(requested) =
            self.location.as_ref().filter(|requested| **requested != settings.location)
        {
            return Err(VaultChangeError::LocationChange {
                path: path.clone(),
                found: settings.location.clone(),
                requested: requested.clone(),
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

/// Refuses more policies than the limit, and two policies for one identity.
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
