//! A call in the form of Key Vault's diagnostic log.

use http::StatusCode;
use serde::Serialize;
use time::OffsetDateTime;

use super::call::Call;
use crate::operation::Operation;

/// A call in the form of the diagnostic log.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record<'a> {
    #[serde(with = "time::serde::rfc3339")]
    time: OffsetDateTime,
    category: &'static str,
    operation_name: &'static str,
    /// Recorded logs of the service also say `Success` for refused calls; the signature and the status tell them apart.
    result_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    result_description: Option<&'a str>,
    correlation_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    caller_ip_address: Option<&'a str>,
    identity: Identity<'a>,
    properties: Properties<'a>,
    resource_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation_version: Option<&'a str>,
    result_signature: &'static str,
    duration_ms: String,
}

#[derive(Serialize)]
struct Identity<'a> {
    claim: Claim<'a>,
}

#[derive(Serialize)]
struct Claim<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    oid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    appid: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Properties<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_info: Option<&'a str>,
    http_status_code: u16,
    request_uri: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_access_policy_match: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_rbac_authorized: Option<bool>,
    /// Ours: the code of a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<&'a str>,
    /// Ours: the id of the answer, even if the client gave its own.
    request_id: &'a str,
}

impl Call {
    /// The record of the call in the diagnostic log.
    pub(crate) fn record(&self) -> Record<'_> {
        let status = StatusCode::from_u16(self.status).ok();
        Record {
            time: self.time,
            category: "AuditEvent",
            operation_name: diagnostic_name(self.operation),
            result_type: "Success",
            result_description: self.description.as_deref(),
            correlation_id: self.client_request_id.as_deref().unwrap_or(&self.request_id),
            caller_ip_address: self.client.as_deref(),
            identity: Identity {
                claim: Claim { oid: self.object_id.as_deref(), appid: self.app_id.as_deref() },
            },
            properties: Properties {
                id: self.id(),
                client_info: self.user_agent.as_deref(),
                http_status_code: self.status,
                request_uri: &self.request_uri,
                is_access_policy_match: self.is_allowed.filter(|_| !self.by_roles),
                is_rbac_authorized: self.is_allowed.filter(|_| self.by_roles),
                error_code: self.code,
                request_id: &self.request_id,
            },
            // The service writes the id in capitals here, and nowhere else.
            resource_id: self.resource_id.to_ascii_uppercase(),
            operation_version: self.api_version.as_deref(),
            result_signature: status.and_then(|status| status.canonical_reason()).unwrap_or(""),
            duration_ms: self.duration.as_millis().to_string(),
        }
    }

    /// The URI of the key at the host that the client used, with the version that answered.
    fn id(&self) -> Option<String> {
        let authority = self.request_uri.strip_prefix("https://")?.split('/').next()?;
        let key = self.key.as_deref()?;
        let version = self.used_version.as_deref().or(self.version.as_deref());
        let area = if self.is_of_deleted_key() { "deletedkeys" } else { "keys" };
        Some(match version {
            Some(version) if !self.is_of_all_versions() => {
                format!("https://{authority}/{area}/{key}/{version}")
            }
            _ => format!("https://{authority}/{area}/{key}"),
        })
    }

    fn is_of_deleted_key(&self) -> bool {
        matches!(
            self.operation,
            Operation::GetDeletedKey | Operation::PurgeDeletedKey | Operation::RecoverDeletedKey
        )
    }

    fn is_of_all_versions(&self) -> bool {
        self.is_of_deleted_key()
            || matches!(
                self.operation,
                Operation::DeleteKey
                    | Operation::ListKeyVersions
                    | Operation::GetKeyRotationPolicy
                    | Operation::UpdateKeyRotationPolicy
                    | Operation::BackupKey
            )
    }
}

/// The name of an operation in the published list of log operations. Release and attestation are not in that list.
pub(crate) fn diagnostic_name(operation: Operation) -> &'static str {
    match operation {
        Operation::BackupKey => "KeyBackup",
        Operation::CreateKey => "KeyCreate",
        Operation::Decrypt => "KeyDecrypt",
        Operation::DeleteKey => "KeyDelete",
        Operation::Encrypt => "KeyEncrypt",
        Operation::GetDeletedKey => "KeyGetDeleted",
        Operation::GetKey => "KeyGet",
        Operation::GetKeyAttestation => "KeyGetAttestation",
        Operation::GetKeyRotationPolicy => "KeyRotationPolicyGet",
        Operation::ImportKey => "KeyImport",
        Operation::ListDeletedKeys => "KeyListDeleted",
        Operation::ListKeys => "KeyList",
        Operation::ListKeyVersions => "KeyListVersions",
        Operation::PurgeDeletedKey => "KeyPurge",
        Operation::RecoverDeletedKey => "KeyRecover",
        Operation::Release => "KeyRelease",
        Operation::RestoreKey => "KeyRestore",
        Operation::RotateKey => "KeyRotate",
        Operation::Sign => "KeySign",
        Operation::UnwrapKey => "KeyUnwrap",
        Operation::UpdateKey => "KeyUpdate",
        Operation::UpdateKeyRotationPolicy => "KeyRotationPolicySet",
        Operation::Verify => "KeyVerify",
        Operation::WrapKey => "KeyWrap",
    }
}
