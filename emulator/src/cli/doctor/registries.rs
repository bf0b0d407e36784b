//! What is in the way of each registry, as the emulator has found it out, in sentences.

use super::super::hints::Hints;
use super::finding::{Check, Finding};
use super::repair::Repair;
use crate::admin::{DiagnosisReport, RegistryDiagnosis, RotationDiagnosis};

/// The findings of all registries. `is_embedded`: their vault is a part of the emulator.
pub(super) fn examine(
    diagnosis: &DiagnosisReport,
    is_embedded: bool,
    has_faults: bool,
    hints: &Hints,
) -> Vec<Finding> {
    let of = |registry| {
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
    diagnosis.registries.iter().flat_map(of).collect()
}

/// Whether pulls and pushes go.
fn content(repair: &Repair<'_>) -> Finding {
    let registry = repair.registry;
    let name = &registry.name;
    let cause = registry.cause.as_deref();
    let finding = match (registry.state.as_str(), cause) {
        ("active", Some("keyExpired")) => Finding::wrong(
            Check::Registry,
            "keyExpired",
            format!("{name} serves its content, but no new data key can be made"),
        )
        .because(why(registry))
        .repaired_by(repair.of("keyExpired")),
        ("active", _) => Finding::ok(Check::Registry, format!("{name} serves pulls and pushes")),
        ("unavailable", Some(cause)) => {
            let status = if is_outage(cause) { "503" } else { "403" };
            let what = format!("{name} refuses every pull and push with {status}");
            let is_elsewhere = is_outage(cause) && !repair.is_embedded;
            let elsewhere = "; it is another program, which has to be started or reached";
            let why = why(registry) + if is_elsewhere { elsewhere } else { "" };
            Finding::wrong(Check::Registry, cause, what).because(why).repaired_by(repair.of(cause))
        }
        (state, _) => {
            let what = format!(
                "{name} lets pulls and pushes wait: the vault was asked and has not answered"
            );
            let finding = Finding::wrong(Check::Registry, state, what);
            finding.repaired_by(repair.of("vaultUnreachable"))
        }
    };
    finding.of(name)
}

/// Whether the key can be rotated. Of a registry that is dark there is nothing more to say.
fn rotation(repair: &Repair<'_>) -> Option<Finding> {
    let registry = repair.registry;
    let blocked = registry.rotation.as_ref().filter(|_| registry.state == "active")?;
    if registry.cause.as_deref() == Some("keyExpired") && blocked.cause == "keyExpired" {
        return None;
    }
    let what = format!("{} cannot take the newest version of its key into use", registry.name);
    let finding = Finding::wrong(Check::Rotation, &blocked.cause, what)
        .of(&registry.name)
        .because(blocked.words.clone());
    Some(finding.repaired_by(repair_of_rotation(repair, blocked)))
}

/// What works, and should make somebody think.
fn warnings(repair: &Repair<'_>) -> Vec<Finding> {
    let registry = repair.registry;
    let protect = || registry.key.as_ref().map(|key| repair.protect(key));
    let finding = |words: &String| {
        Finding::note(Check::Vault, "noPurgeProtection", words.clone())
            .of(&registry.name)
            .because("a deleted key can be destroyed before its retention ends; turning protection on cannot be undone")
            .repaired_by(protect())
    };
    registry.warnings.iter().map(finding).collect()
}

fn repair_of_rotation(repair: &Repair<'_>, blocked: &RotationDiagnosis) -> Option<String> {
    let key = repair.registry.key.as_ref()?;
    match blocked.cause.as_str() {
        // The newest version is another one than that in use.
        "keyDisabled" => Some(repair.enable(key, blocked.version.as_deref())),
        cause => repair.of(cause),
    }
}

/// The cause in words, and what the identity lacks if that is it.
fn why(registry: &RegistryDiagnosis) -> String {
    let mut words = registry.words.clone().unwrap_or_default();
    let missing = registry.rotation.as_ref().map(|rotation| rotation.missing.join(", "));
    if let (Some(missing), Some(key)) =
        (missing.filter(|missing| !missing.is_empty()), &registry.key)
    {
        let (identity, vault) = (&key.identity.client_id, &key.vault);
        words = format!("{words}: the identity {identity} lacks {missing} in the vault {vault}");
    }
    match registry.cause.as_deref() {
        Some("keyPurged") => {
            format!("{words}; only a backup of the key brings it back, if there is one")
        }
        Some("identityRemoved") => match &registry.key {
            Some(key) if key.identity.assigned => {
                format!("{words}; the registry has it, but the issuer of tokens does not accept it")
            }
            Some(key) if key.identity.resource_id.is_none() => {
                format!(
                    "{words}; it is deleted, and one that is made under its name is another one"
                )
            }
            Some(key) => {
                let identity =
                    key.identity.resource_id.as_deref().unwrap_or(&key.identity.client_id);
                format!("{words}; the registry does not have the identity {identity} any more")
            }
            None => words,
        },
        _ => words,
    }
}

/// Whether nobody said no: it may pass by itself.
fn is_outage(cause: &str) -> bool {
    matches!(cause, "vaultUnreachable" | "vaultThrottled" | "issuerDown" | "auditUnavailable")
}
