//! The documents of vaults in answers, with Azure's names and order. Only this module converts domain types to these.

use std::collections::BTreeMap;

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::host::Site;
use crate::model::network::NetworkRules;
use crate::model::policy::AccessPolicy;
use crate::vault::lifecycle::VaultView;

/// A complete list: there is no next page.
#[derive(Serialize)]
pub(super) struct List<T> {
    pub(super) value: Vec<T>,
}

/// `Vault`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Vault {
    id: String,
    name: String,
    r#type: &'static str,
    location: String,
    tags: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_data: Option<SystemData>,
    properties: VaultOut,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SystemData {
    created_by: String,
    created_by_type: &'static str,
    created_at: String,
    last_modified_by: String,
    last_modified_by_type: &'static str,
    last_modified_at: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct VaultOut {
    sku: SkuOut,
    tenant_id: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    network_acls: Option<NetworkOut>,
    access_policies: Vec<PolicyOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    enabled_for_deployment: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    enabled_for_disk_encryption: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    enabled_for_template_deployment: Option<bool>,
    enable_soft_delete: bool,
    soft_delete_retention_in_days: u16,
    enable_rbac_authorization: bool,
    /// Absent unless it is on: a client that sends the same body back must not ask to turn it off.
    #[serde(skip_serializing_if = "Option::is_none")]
    enable_purge_protection: Option<bool>,
    vault_uri: String,
    provisioning_state: &'static str,
    public_network_access: &'static str,
}

#[derive(Serialize)]
struct SkuOut {
    family: &'static str,
    name: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NetworkOut {
    bypass: &'static str,
    default_action: &'static str,
    ip_rules: Vec<IpRuleOut>,
    virtual_network_rules: Vec<SubnetOut>,
}

#[derive(Serialize)]
struct IpRuleOut {
    value: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SubnetOut {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ignore_missing_vnet_service_endpoint: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PolicyOut {
    tenant_id: String,
    object_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    application_id: Option<String>,
    permissions: PermissionsOut,
}

#[derive(Serialize)]
struct PermissionsOut {
    keys: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secrets: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificates: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    storage: Option<Vec<String>>,
}

/// `DeletedVault`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeletedVault {
    id: String,
    name: String,
    r#type: &'static str,
    properties: DeletedOut,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DeletedOut {
    vault_id: String,
    location: String,
    tags: BTreeMap<String, String>,
    deletion_date: String,
    scheduled_purge_date: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    purge_protection_enabled: Option<bool>,
}

impl Vault {
    /// Renders a vault, with its address as this client reaches it.
    pub(super) fn new(view: &VaultView, site: &Site) -> Self {
        let settings = &view.settings;
        Self {
            id: view.path.to_string(),
            name: view.path.spelling.clone(),
            r#type: "Microsoft.KeyVault/vaults",
            location: settings.location.clone(),
            tags: settings.tags.clone(),
            system_data: SystemData::from_view(view),
            properties: VaultOut {
                sku: SkuOut { family: "A", name: settings.sku.as_str() },
                tenant_id: azure_emulator_core::identity::TENANT,
                network_acls: settings.network.as_ref().map(NetworkOut::new),
                access_policies: view.policies.iter().map(PolicyOut::new).collect(),
                enabled_for_deployment: settings.enabled_for_deployment,
                enabled_for_disk_encryption: settings.enabled_for_disk_encryption,
                enabled_for_template_deployment: settings.enabled_for_template_deployment,
                enable_soft_delete: true,
                soft_delete_retention_in_days: settings.retention_days,
                enable_rbac_authorization: settings.rbac,
                enable_purge_protection: settings.purge_protection.then_some(true),
                vault_uri: site.managed_vault_uri(&view.path.name),
                provisioning_state: "Succeeded",
                public_network_access: if settings.public_network_access {
                    "Enabled"
                } else {
                    "Disabled"
                },
            },
        }
    }
}

impl SystemData {
    /// `None` for a vault whose data folder did not store it.
    fn from_view(view: &VaultView) -> Option<Self> {
        let settings = &view.settings;
        let (created, created_by) = (settings.created?, settings.created_by.clone()?);
        Some(Self {
            last_modified_by: settings.modified_by.clone().unwrap_or_else(|| created_by.clone()),
            last_modified_by_type: "Application",
            last_modified_at: when(settings.modified.unwrap_or(created)),
            created_by,
            created_by_type: "Application",
            created_at: when(created),
        })
    }
}

impl NetworkOut {
    fn new(rules: &NetworkRules) -> Self {
        Self {
            bypass: if rules.bypass_for_services { "AzureServices" } else { "None" },
            default_action: if rules.deny_by_default { "Deny" } else { "Allow" },
            ip_rules: rules
                .addresses
                .iter()
                .map(|range| IpRuleOut { value: range.to_string() })
                .collect(),
            virtual_network_rules: rules
                .subnets
                .iter()
                .map(|rule| SubnetOut {
                    id: rule.id.clone(),
                    ignore_missing_vnet_service_endpoint: rule.ignore_missing_endpoint,
                })
                .collect(),
        }
    }
}

impl PolicyOut {
    pub(super) fn new(policy: &AccessPolicy) -> Self {
        Self {
            tenant_id: policy.tenant_id.clone(),
            object_id: policy.object_id.clone(),
            application_id: policy.application_id.clone(),
            permissions: PermissionsOut {
                keys: policy.keys().to_vec(),
                secrets: policy.secrets.clone(),
                certificates: policy.certificates.clone(),
                storage: policy.storage.clone(),
            },
        }
    }
}

impl DeletedVault {
    pub(super) fn new(view: &VaultView) -> Self {
        let (settings, path) = (&view.settings, &view.path);
        let deletion = settings.deletion;
        Self {
            id: format!(
                "/subscriptions/{}/providers/Microsoft.KeyVault/locations/{}/deletedVaults/{}",
                path.subscription, settings.location, path.spelling
            ),
            name: path.spelling.clone(),
            r#type: "Microsoft.KeyVault/deletedVaults",
            properties: DeletedOut {
                vault_id: path.to_string(),
                location: settings.location.clone(),
                tags: settings.tags.clone(),
                deletion_date: deletion.map(|at| when(at.deleted)).unwrap_or_default(),
                scheduled_purge_date: deletion
                    .map(|at| when(at.scheduled_purge))
                    .unwrap_or_default(),
                purge_protection_enabled: settings.purge_protection.then_some(true),
            },
        }
    }
}

/// A moment in Azure's format.
pub(super) fn when(seconds: i64) -> String {
    OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|moment| moment.format(&Rfc3339).ok())
        .unwrap_or_default()
}
