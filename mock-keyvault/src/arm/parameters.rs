//! The bodies of requests about vaults, and their conversion to changes of the domain.
//!
//! Fields are named in lower case: their names become lower case before they are read. `documents.rs` has the answers.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::error::ArmError;
use crate::model::network::{NetworkRules, SubnetRule};
use crate::model::policy::{AccessPolicy, PermissionLists};
use crate::model::settings::Sku;
use crate::vault::lifecycle::{Mode, VaultChangeError, VaultChanges};

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
