//! The JSON of vaults in requests and answers, with Azure's names and order.
//!
//! Only this module converts domain types to these. Fields of requests are named in lower case: their names become lower case
//! before they are read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::error::ArmError;
use crate::host::Site;
use crate::model::network::{NetworkRules, SubnetRule};
use crate::model::policy::{AccessPolicy, PermissionLists};
use crate::model::settings::Sku;
use crate::vault::lifecycle::{Mode, VaultChangeError, VaultChanges, VaultView};

const MAX_LOCATION: usize = 50;
/// The longest accepted subnet id, far above Azure's limit for the id of a resource.
const MAX_SUBNET_ID: usize = 1024;

/// `VaultCreateOrUpdateParameters`, and `VaultPatchParameters`, which has fewer of the same fields.
#[derive(Deserialize)]
pub(super) struct VaultParameters {
    location: Option<String>,
    tags: Option<BTreeMap<String, Option<String>>>,
    properties: Option<VaultProperties>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct VaultProperties {
    #[serde(rename = "tenantid")]
    tenant_id: Option<String>,
    sku: Option<SkuIn>,
    #[serde(rename = "accesspolicies")]
    access_policies: Option<Vec<AccessPolicyEntry>>,
    #[serde(rename = "createmode")]
    create_mode: Option<String>,
    #[serde(rename = "enablesoftdelete")]
    enable_soft_delete: Option<bool>,
    #[serde(rename = "softdeleteretentionindays")]
    soft_delete_retention_in_days: Option<i64>,
    #[serde(rename = "enablepurgeprotection")]
    enable_purge_protection: Option<bool>,
    #[serde(rename = "enablerbacauthorization")]
    enable_rbac_authorization: Option<bool>,
    #[serde(rename = "networkacls")]
    network_acls: Option<NetworkRuleSet>,
    #[serde(rename = "publicnetworkaccess")]
    public_network_access: Option<String>,
    #[serde(rename = "enabledfordeployment")]
    enabled_for_deployment: Option<bool>,
    #[serde(rename = "enabledfordiskencryption")]
    enabled_for_disk_encryption: Option<bool>,
    #[serde(rename = "enabledfortemplatedeployment")]
    enabled_for_template_deployment: Option<bool>,
}

#[derive(Deserialize)]
struct SkuIn {
    name: Option<String>,
}

#[derive(Deserialize)]
struct NetworkRuleSet {
    bypass: Option<String>,
    #[serde(rename = "defaultaction")]
    default_action: Option<String>,
    #[serde(rename = "iprules")]
    ip_rules: Option<Vec<IpRule>>,
    #[serde(rename = "virtualnetworkrules")]
    virtual_network_rules: Option<Vec<VirtualNetworkRule>>,
}

#[derive(Deserialize)]
struct IpRule {
    value: String,
}

#[derive(Deserialize)]
struct VirtualNetworkRule {
    id: String,
    #[serde(rename = "ignoremissingvnetserviceendpoint")]
    ignore_missing_endpoint: Option<bool>,
}

/// `VaultAccessPolicyParameters`.
#[derive(Deserialize)]
pub(super) struct PolicyParameters {
    properties: Option<PolicyProperties>,
}

#[derive(Deserialize)]
struct PolicyProperties {
    #[serde(rename = "accesspolicies")]
    access_policies: Option<Vec<AccessPolicyEntry>>,
}

#[derive(Deserialize)]
struct AccessPolicyEntry {
    #[serde(rename = "tenantid")]
    tenant_id: Option<String>,
    #[serde(rename = "objectid")]
    object_id: Option<String>,
    #[serde(rename = "applicationid")]
    application_id: Option<String>,
    permissions: Option<PermissionsIn>,
}

#[derive(Default, Deserialize)]
struct PermissionsIn {
    keys: Option<Vec<String>>,
    secrets: Option<Vec<String>>,
    certificates: Option<Vec<String>>,
    storage: Option<Vec<String>>,
}

impl VaultParameters {
    /// The requested changes and their mode. `api_version` decides the model of a vault whose request does not mention roles.
    pub(super) fn into_changes(self) -> Result<(VaultChanges, Mode), ArmError> {
        let invalid = |what| ArmError::from(VaultChangeError::Invalid(what));
        let properties = self.properties.unwrap_or_default();
        let mode = match properties.create_mode.as_deref() {
            Some(mode) if mode.eq_ignore_ascii_case("recover") => Mode::Recover,
            Some(mode) if mode.eq_ignore_ascii_case("default") => Mode::Whole,
            None => Mode::Whole,
            Some(_) => return Err(invalid("createMode")),
        };
        let changes = VaultChanges {
            location: self.location.as_deref().map(location).transpose()?,
            tags: self.tags.map(|tags| {
                tags.into_iter().map(|(name, value)| (name, value.unwrap_or_default())).collect()
            }),
            tenant_id: properties.tenant_id,
            sku: properties.sku.map(sku).transpose()?,
            retention_days: properties.soft_delete_retention_in_days,
            soft_delete: properties.enable_soft_delete,
            purge_protection: properties.enable_purge_protection,
            rbac: properties.enable_rbac_authorization,
            policies: properties.access_policies.map(policies).transpose()?,
            network: properties.network_acls.map(network).transpose()?,
            public_network_access: match properties.public_network_access.as_deref() {
                // Some clients write an empty text for no value.
                None | Some("") => None,
                Some(text) if text.eq_ignore_ascii_case("enabled") => Some(true),
                Some(text) if text.eq_ignore_ascii_case("disabled") => Some(false),
                Some(_) => return Err(invalid("publicNetworkAccess")),
            },
            enabled_for_deployment: properties.enabled_for_deployment,
            enabled_for_disk_encryption: properties.enabled_for_disk_encryption,
            enabled_for_template_deployment: properties.enabled_for_template_deployment,
        };
        Ok((changes, mode))
    }
}

impl PolicyParameters {
    pub(super) fn into_policies(self) -> Result<Vec<AccessPolicy>, ArmError> {
        let listed = self.properties.and_then(|properties| properties.access_policies);
        policies(listed.ok_or(VaultChangeError::Missing("accessPolicies"))?)
    }
}

/// A location in Azure's form: `East US` becomes `eastus`.
fn location(text: &str) -> Result<String, ArmError> {
    let text: String = text.chars().filter(|c| *c != ' ').collect::<String>().to_lowercase();
    let fits = (1..=MAX_LOCATION).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if fits { Ok(text) } else { Err(VaultChangeError::Invalid("location").into()) }
}

fn sku(sku: SkuIn) -> Result<Sku, ArmError> {
    let name = sku.name.unwrap_or_default();
    [Sku::Standard, Sku::Premium]
        .into_iter()
        .find(|known| known.as_str().eq_ignore_ascii_case(&name))
        .ok_or_else(|| VaultChangeError::Invalid("sku").into())
}

fn policies(entries: Vec<AccessPolicyEntry>) -> Result<Vec<AccessPolicy>, ArmError> {
    entries
        .into_iter()
        .map(|entry| {
            let tenant = entry.tenant_id.ok_or(VaultChangeError::Missing("tenantId"))?;
            if uuid::Uuid::parse_str(&tenant).is_err() {
                return Err(VaultChangeError::Invalid("tenantId").into());
            }
            let object = entry.object_id.ok_or(VaultChangeError::Missing("objectId"))?;
            let permissions = entry.permissions.unwrap_or_default();
            let lists = PermissionLists {
                keys: permissions.keys.unwrap_or_default(),
                secrets: permissions.secrets,
                certificates: permissions.certificates,
                storage: permissions.storage,
            };
            Ok(AccessPolicy::parse(tenant, &object, entry.application_id, lists)
                .map_err(VaultChangeError::from)?)
        })
        .collect()
}

fn network(rules: NetworkRuleSet) -> Result<NetworkRules, ArmError> {
    let invalid = |what| ArmError::from(VaultChangeError::Invalid(what));
    let is = |text: &Option<String>, word: &str| {
        text.as_ref().is_some_and(|text| text.eq_ignore_ascii_case(word))
    };
    let deny_by_default = match &rules.default_action {
        text if is(text, "deny") => true,
        text if text.is_none() || is(text, "allow") => false,
        _ => return Err(invalid("networkAcls.defaultAction")),
    };
    let bypass_for_services = match &rules.bypass {
        text if is(text, "none") => false,
        text if text.is_none() || is(text, "azureservices") => true,
        _ => return Err(invalid("networkAcls.bypass")),
    };
    let addresses = rules
        .ip_rules
        .unwrap_or_default()
        .into_iter()
        .map(|rule| rule.value.trim().parse().map_err(|_| invalid("networkAcls.ipRules")));
    let subnets = rules.virtual_network_rules.unwrap_or_default().into_iter().map(|rule| {
        if rule.id.is_empty() || rule.id.len() > MAX_SUBNET_ID {
            return Err(invalid("networkAcls.virtualNetworkRules"));
        }
        Ok(SubnetRule { id: rule.id, ignore_missing_endpoint: rule.ignore_missing_endpoint })
    });
    Ok(NetworkRules {
        deny_by_default,
        bypass_for_services,
        addresses: addresses.collect::<Result<_, ArmError>>()?,
        subnets: subnets.collect::<Result<_, ArmError>>()?,
    })
}

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
