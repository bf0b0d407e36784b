//! The causes of states, with their effects on content and their messages: the one table.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The sentence that reports about the real service quote. It comes first in every refusal, so that a search finds help.
pub const REFUSAL_SENTENCE: &str = "Access to Key Encryption Key is forbidden. View troubleshooting steps at https://aka.ms/acr/cmk.";

/// Azure's message instead when the identity was removed long ago:
/// <https://learn.microsoft.com/azure/container-registry/tutorial-troubleshoot-customer-managed-keys>.
const INACTIVE_SENTENCE: &str = "The identity associated with the registry is inactive. This could be due to attempted removal of the identity. Reassign the identity manually.";

/// The cause of a state.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Cause {
    /// The key version has expired. It still unwraps, but cannot wrap.
    KeyExpired,
    /// The key cannot be rotated.
    RotationBlocked,
    /// The access policy of the vault does not permit the identity to use the key.
    PolicyRemoved,
    /// The identity has no role that permits it to use the key.
    RoleRemoved,
    /// The key version is disabled.
    KeyDisabled,
    /// The key is deleted, and can be recovered.
    KeyDeleted,
    /// The key is deleted permanently.
    KeyPurged,
    /// The firewall of the vault is closed to the registry.
    VaultFirewall,
    /// There is no vault of this name.
    VaultDeleted,
    /// The identity of the registry is deleted, or is no longer its own.
    IdentityRemoved,
    /// The identity was removed from the registry so long ago that Azure stops accepting it. Only in strict parity.
    IdentityInactive,
    /// The vault does not answer, or answers with an error of its own.
    VaultUnreachable,
    /// The vault has too many requests.
    VaultThrottled,
    /// The issuer of tokens does not answer.
    IssuerDown,
    /// The use of the key cannot be written to the audit log of the registry or of its vault.
    AuditUnavailable,
}

/// The effect of a cause on content.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Severity {
    /// Nothing: content is served as usual.
    Note,
    /// The vault refused, and will refuse again until an operator changes something: 403.
    Refusal,
    /// The vault has not refused. The cause may pass by itself: 503.
    Outage,
}

impl Cause {
    /// The one table.
    const fn row(self) -> (Severity, &'static str) {
        match self {
            Self::KeyExpired => (
                Severity::Note,
                "the key version is outside its validity: it unwraps the existing data keys and wraps no new ones",
            ),
            Self::RotationBlocked => (Severity::Note, "the key cannot be rotated"),
            Self::PolicyRemoved => (
                Severity::Refusal,
                "the access policy of the vault does not let the registry's identity use the key",
            ),
            Self::RoleRemoved => {
                (Severity::Refusal, "the registry's identity has no role that lets it use the key")
            }
            Self::KeyDisabled => (Severity::Refusal, "the key is disabled"),
            Self::KeyDeleted => (Severity::Refusal, "the key is deleted, and can be recovered"),
            Self::KeyPurged => {
                (Severity::Refusal, "the key is purged: it is gone for good, and so is all content")
            }
            Self::VaultFirewall => {
                (Severity::Refusal, "the firewall of the vault is closed to the registry")
            }
            Self::VaultDeleted => (Severity::Refusal, "there is no vault of this name"),
            Self::IdentityRemoved => (
                Severity::Refusal,
                "the registry's identity is gone, or its credential is not accepted",
            ),
            Self::IdentityInactive => (
                Severity::Refusal,
                "the identity was removed from the registry more than 90 days ago; assign it again",
            ),
            Self::VaultUnreachable => (Severity::Outage, "the vault does not answer"),
            Self::VaultThrottled => (Severity::Outage, "the vault has too many requests"),
            Self::IssuerDown => (Severity::Outage, "the issuer of tokens does not answer"),
            Self::AuditUnavailable => (
                Severity::Outage,
                "the use of the key cannot be written to the audit log, so the key is not used",
            ),
        }
    }

    /// The effect on content.
    pub(crate) const fn severity(self) -> Severity {
        self.row().0
    }

    /// Whether the vault refused, and did not merely fail to answer.
    pub const fn is_refusal(self) -> bool {
        matches!(self.severity(), Severity::Refusal)
    }

    /// The message of the cause, without a full stop.
    pub const fn message(self) -> &'static str {
        self.row().1
    }

    /// The first sentence of Azure's refusal for this cause.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::IdentityInactive => INACTIVE_SENTENCE,
            _ => REFUSAL_SENTENCE,
        }
    }

    /// The name for programs, as it is serialized.
    pub const fn name(self) -> &'static str {
        match self {
            Self::KeyExpired => "keyExpired",
            Self::RotationBlocked => "rotationBlocked",
            Self::PolicyRemoved => "policyRemoved",
            Self::RoleRemoved => "roleRemoved",
            Self::KeyDisabled => "keyDisabled",
            Self::KeyDeleted => "keyDeleted",
            Self::KeyPurged => "keyPurged",
            Self::VaultFirewall => "vaultFirewall",
            Self::VaultDeleted => "vaultDeleted",
            Self::IdentityRemoved => "identityRemoved",
            Self::IdentityInactive => "identityInactive",
            Self::VaultUnreachable => "vaultUnreachable",
            Self::VaultThrottled => "vaultThrottled",
            Self::IssuerDown => "issuerDown",
            Self::AuditUnavailable => "auditUnavailable",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
