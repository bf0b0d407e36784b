//! Describes the problems of each registry, as the emulator has diagnosed them.

use super::finding::{Check, Finding};
use super::repair::Repair;
use crate::admin::{DiagnosisReport, RegistryDiagnosis, RotationDiagnosis};
use crate::cli::hints::Hints;
use crate::diagnosis::RotationCause;
use crate::keys::{Cause, Severity, State};

/// The findings of all registries. `is_embedded` says whether their vault is a part of the emulator.
pub(super) fn examine(
    diagnosis: &DiagnosisReport,
    is_embedded: bool,
    has_faults: bool,
    hints: &Hints,
) -> Vec<Finding> {
    let findings_of = |registry| {
        let vault_is_ours = diagnosis.vault_is_ours;
        let repair = Repair {
            registry,
            all: &diagnosis.registries,
            vault_is_ours,
            is_embedded,
            has_faults,
            hints,
        };
        let mut findings = vec![content(&repair)];
        findings.extend(rotation(&repair));
        findings.extend(warnings(&repair));
        findings
    };
    diagnosis.registries.iter().flat_map(findings_of).collect()
}

/// Whether pulls and pushes work.
fn content(repair: &Repair<'_>) -> Finding {
    let registry = repair.registry;
    let name = &registry.name;
    let finding = match (registry.state, registry.cause) {
        (State::Active, Some(Cause::KeyExpired)) => Finding::wrong(
            Check::Registry,
            Cause::KeyExpired.name(),
            format!("{name} serves its content, but cannot create a data key"),
        )
        .because(why(registry))
        .repaired_by(repair.for_cause(Cause::KeyExpired)),
        (State::Active, _) => {
            Finding::ok(Check::Registry, format!("{name} serves pulls and pushes"))
        }
        (State::Unavailable, Some(cause)) => {
            let status = if is_outage(cause) { "503" } else { "403" };
            let what = format!("{name} refuses every pull and push with {status}");
            let is_elsewhere = is_outage(cause) && !repair.is_embedded;
            let elsewhere = "; the vault is another program: start it, or make it reachable";
            let why = why(registry) + if is_elsewhere { elsewhere } else { "" };
            Finding::wrong(Check::Registry, cause.name(), what)
                .because(why)
                .repaired_by(repair.for_cause(cause))
        }
        (state @ (State::Checking | State::Unavailable), _) => {
            let what = format!("{name} delays pulls and pushes: the vault has not answered yet");
            let finding = Finding::wrong(Check::Registry, state.name(), what);
            finding.repaired_by(repair.for_cause(Cause::VaultUnreachable))
        }
    };
    finding.for_registry(name)
}

/// Whether the key can be rotated. For an unavailable registry there is no further finding.
fn rotation(repair: &Repair<'_>) -> Option<Finding> {
    let registry = repair.registry;
    let blocked = registry.rotation.as_ref().filter(|_| registry.state == State::Active)?;
    if registry.cause == Some(Cause::KeyExpired)
        && blocked.cause == RotationCause::State(Cause::KeyExpired)
    {
        return None;
    }
    let what = format!("{} cannot use the newest version of its key", registry.name);
    let finding = Finding::wrong(Check::Rotation, blocked.cause.name(), what)
        .for_registry(&registry.name)
        .because(blocked.message.clone());
    Some(finding.repaired_by(repair_of_rotation(repair, blocked)))
}

/// Warnings about settings that work, but are risky.
fn warnings(repair: &Repair<'_>) -> Vec<Finding> {
    let registry = repair.registry;
    let protect = || registry.key.as_ref().map(|key| repair.protect(key));
    let finding = |warning: &String| {
        Finding::note(Check::Vault, "noPurgeProtection", warning.clone())
            .for_registry(&registry.name)
            .because("a deleted key can be destroyed before its retention ends; turning protection on cannot be undone")
            .repaired_by(protect())
    };
    registry.warnings.iter().map(finding).collect()
}

fn repair_of_rotation(repair: &Repair<'_>, blocked: &RotationDiagnosis) -> Option<String> {
    let key = repair.registry.key.as_ref()?;
    match blocked.cause {
        // The newest version is not the version in use.
        RotationCause::State(Cause::KeyDisabled) => {
            Some(repair.enable(key, blocked.version.as_deref()))
        }
        RotationCause::State(cause) => repair.for_cause(cause),
        RotationCause::KeyType => Some(repair.new_version(key)),
        RotationCause::PermissionMissing => Some(repair.permit(key, false)),
    }
}

/// The cause as a sentence, with the permissions that the identity lacks if that is the cause.
fn why(registry: &RegistryDiagnosis) -> String {
    let mut message = registry.message.clone().unwrap_or_default();
    let missing = registry.rotation.as_ref().map(|rotation| rotation.missing.join(", "));
    if let (Some(missing), Some(key)) =
        (missing.filter(|missing| !missing.is_empty()), &registry.key)
    {
        let (identity, vault) = (&key.identity.client_id, &key.vault);
        message =
            format!("{message}: the identity {identity} lacks {missing} in the vault {vault}");
    }
    match registry.cause {
        Some(Cause::KeyPurged) => {
            format!("{message}; only a backup of the key can restore it")
        }
        Some(Cause::IdentityRemoved) => match &registry.key {
            Some(key) if key.identity.assigned => {
                format!("{message}; the registry has it, but the token issuer does not accept it")
            }
            Some(key) if key.identity.resource_id.is_none() => {
                format!(
                    "{message}; it is deleted, and a new identity with its name is a different identity"
                )
            }
            Some(key) => {
                let identity =
                    key.identity.resource_id.as_deref().unwrap_or(&key.identity.client_id);
                format!("{message}; the registry no longer has the identity {identity}")
            }
            None => message,
        },
        _ => message,
    }
}

/// Whether the cause is an outage and not a refusal, so that it may end by itself.
fn is_outage(cause: Cause) -> bool {
    cause.severity() == Severity::Outage
}
