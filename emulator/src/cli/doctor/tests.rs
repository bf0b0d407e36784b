//! Each cause has a finding and a command, and that command, typed as printed, repairs it.

use std::ffi::OsString;

use mock_keyvault::{KeyPermission, VaultChanges};
use serde_json::json;

use super::super::command::parse;
use super::super::context::Context;
use super::super::dispatch::run_client;
use super::super::exit::Exit;
use super::super::hints::Hints;
use super::super::output::Output;
use super::DoctorArgs;
use super::emulator::examine;
use super::finding::{Check, Finding, Report, Verdict};
use crate::Sealyard;
use crate::revocation::RevocationMethod;

/// A running emulator, and the context of its commands.
struct TestEmulator {
    emulator: Sealyard,
    context: Context,
}

impl TestEmulator {
    async fn new() -> Self {
        let emulator = Sealyard::builder().ephemeral().start().await.unwrap();
        let url = emulator.registry_url();
        let line = ["sealyard", "--endpoint", &url, "--quiet", "status"].map(OsString::from);
        let global = parse(&line).unwrap().global;
        let hints = Hints::new(Some(&"sealyard".into()), None);
        Self { emulator, context: Context { global, output: Output::silent(), hints } }
    }

    /// The findings that are wrong.
    async fn wrong(&self) -> Vec<Finding> {
        let mut findings = self.findings().await;
        findings.retain(|finding| finding.verdict == Verdict::Wrong);
        findings
    }

    async fn findings(&self) -> Vec<Finding> {
        let free = "127.0.0.1:0".parse().unwrap();
        examine(&DoctorArgs { listen: free, azure_listen: free }, &self.context).await.findings
    }

    /// Types a command as printed.
    async fn run(&self, command: &str) {
        let args: Vec<OsString> = command.split(' ').map(OsString::from).collect();
        let cli = parse(&args).unwrap_or_else(|error| panic!("{command}: {error}"));
        run_client(cli.command.unwrap(), &mut self.context.clone()).await.unwrap();
    }

    /// Asserts that this is the only wrong finding, and returns its repair.
    #[track_caller]
    fn only(findings: &[Finding], check: Check, cause: &str) -> String {
        let [finding] = findings else { panic!("{cause}: {findings:?}") };
        assert_eq!((finding.check, finding.cause.as_deref()), (check, Some(cause)), "{finding:?}");
        assert!(finding.why.is_some(), "{finding:?}");
        finding.repair.clone().unwrap_or_else(|| panic!("{finding:?}"))
    }
}

#[tokio::test]
async fn nothing_is_wrong_with_a_fresh_emulator() {
    let test = TestEmulator::new().await;

    let report = Report::new(true, test.findings().await);

    assert_eq!(report.exit(), Exit::Success, "{report:?}");
    let is_ok = |check| {
        report
            .findings
            .iter()
            .any(|finding| finding.check == check && finding.verdict == Verdict::Ok)
    };
    for check in [Check::Emulator, Check::Vault, Check::Token, Check::Registry, Check::Disk] {
        assert!(is_ok(check), "{check:?}: {report:?}");
    }
}

#[tokio::test]
async fn each_revocation_is_found_with_its_cause_and_the_repair_ends_it() {
    let test = TestEmulator::new().await;
    test.emulator.create_registry("team1").await.unwrap();
    for (registry, end) in [("local", ""), ("team1", " --registry team1")] {
        for method in RevocationMethod::ALL {
            if method == RevocationMethod::Role {
                continue;
            }
            test.run(&format!("sealyard revoke --by {method}{end}")).await;

            let wrong = test.wrong().await;

            // A change of a vault affects all registries whose keys are in it, and has one repair.
            let restore = Some(format!("sealyard restore{end}"));
            assert!(wrong.iter().all(|finding| finding.repair == restore), "{method}: {wrong:?}");
            let both = if matches!(method, RevocationMethod::Firewall | RevocationMethod::Vault) {
                2
            } else {
                1
            };
            assert_eq!(wrong.len(), both, "{method}: {wrong:?}");
            let of_this: Vec<Finding> =
                wrong.into_iter().filter(|it| it.registry.as_deref() == Some(registry)).collect();
            let repair = TestEmulator::only(&of_this, Check::Registry, cause(method));
            test.run(&repair).await;
            assert_eq!(test.wrong().await, [], "{method}");
        }
    }
}

#[tokio::test]
async fn a_removed_role_is_found_with_the_missing_permissions() {
    let test = TestEmulator::new().await;
    let vault = test.emulator.vault().unwrap();
    let (scope, identity) = (vault.vault_id("local").unwrap(), vault.managed_identity().object_id);
    vault.assign_role(&scope, "Key Vault Crypto Service Encryption User", identity).await.unwrap();
    vault
        .change_vault("local", VaultChanges { rbac: Some(true), ..VaultChanges::default() })
        .await
        .unwrap();
    test.run("sealyard revoke --by role").await;

    let wrong = test.wrong().await;

    let repair = TestEmulator::only(&wrong, Check::Registry, "roleRemoved");
    let why = wrong[0].why.as_ref().unwrap();
    assert!(why.contains("lacks get, wrapKey, unwrapKey in the vault local"), "{why}");
    test.run(&repair).await;
    assert_eq!(test.wrong().await, []);
}

#[tokio::test]
async fn each_manual_change_has_the_command_that_undoes_it() {
    let test = TestEmulator::new().await;
    for (damage, cause, expected) in [
        ("key disable", "keyDisabled", "sealyard key enable --version "),
        ("key delete", "keyDeleted", "sealyard key recover"),
        (
            "registry remove-identity local sealyard-identity",
            "identityRemoved",
            "sealyard registry assign-identity local /subscriptions/",
        ),
    ] {
        let damage = match cause {
            "identityRemoved" => format!(
                "registry remove-identity local {}",
                test.emulator.registry().profile().identities[0].resource
            ),
            _ => damage.to_owned(),
        };
        test.run(&format!("sealyard {damage}")).await;

        let repair = TestEmulator::only(&test.wrong().await, Check::Registry, cause);

        assert!(repair.starts_with(expected), "{repair}");
        test.run(&repair).await;
        assert_eq!(test.wrong().await, [], "{cause}");
    }
}

#[tokio::test]
async fn a_deleted_identity_is_distinguished_from_a_removed_one() {
    let test = TestEmulator::new().await;
    test.emulator.create_registry("team1").await.unwrap();
    test.run("sealyard identity delete team1 --force").await;

    let wrong = test.wrong().await;

    let [finding] = wrong.as_slice() else { panic!("{wrong:?}") };
    assert_eq!(finding.cause.as_deref(), Some("identityRemoved"), "{finding:?}");
    assert!(finding.why.as_ref().unwrap().contains("it is deleted"), "{finding:?}");
    assert_eq!(finding.repair, None, "another identity of that name would not help");
}

#[tokio::test]
async fn a_policy_that_lacks_one_permission_is_found_before_a_rotation_needs_it() {
    let test = TestEmulator::new().await;
    let vault = test.emulator.vault().unwrap();
    let identity = vault.managed_identity().object_id;
    let some = [KeyPermission::Get, KeyPermission::UnwrapKey];
    vault.set_access_policy("local", identity, &some).await.unwrap();

    let wrong = test.wrong().await;

    let repair = TestEmulator::only(&wrong, Check::Rotation, "permissionMissing");
    assert!(wrong[0].why.as_ref().unwrap().contains("No policy gives it 'Wrap Key'"), "{wrong:?}");
    let expected = format!(
        "sealyard az -- keyvault set-policy --name local --object-id {identity} --key-permissions get wrapKey unwrapKey"
    );
    assert_eq!(repair, expected);
    // Does the same as that command, without `az`.
    vault.set_access_policy("local", identity, KeyPermission::FOR_ENCRYPTION).await.unwrap();
    assert_eq!(test.wrong().await, []);
}

#[tokio::test]
async fn a_newest_version_that_cannot_be_used_is_found_while_the_old_one_serves() {
    let test = TestEmulator::new().await;
    test.run("sealyard key new-version").await;
    let local = test.emulator.registry();
    let key = local.key_ring().describe().configured.unwrap();
    let owner = test.emulator.app().owner().unwrap();
    let newest = owner.list_versions(&key).await.unwrap().pop().unwrap().id;
    let version = newest.version().unwrap().to_string();
    test.run(&format!("sealyard key disable --version {version}")).await;

    let repair = TestEmulator::only(&test.wrong().await, Check::Rotation, "keyDisabled");

    assert_eq!(repair, format!("sealyard key enable --version {version}"));
    test.run(&repair).await;
    assert_eq!(test.wrong().await, []);
}

#[tokio::test]
async fn faults_are_named_and_removed() {
    let test = TestEmulator::new().await;
    test.run("sealyard faults add status --on keys/unwrapKey --status 429 --name busy").await;
    // The lease has ended, so the vault's answer counts.
    test.run("sealyard clock advance 1m").await;

    let wrong = test.wrong().await;

    let of = |check| wrong.iter().find(|finding| finding.check == check).unwrap();
    assert_eq!(of(Check::Registry).cause.as_deref(), Some("vaultThrottled"), "{wrong:?}");
    assert!(
        of(Check::Faults).why.as_ref().unwrap().contains("status on keys/unwrapKey"),
        "{wrong:?}"
    );
    for check in [Check::Registry, Check::Faults] {
        assert_eq!(of(check).repair.as_deref(), Some("sealyard faults clear"), "{wrong:?}");
    }
    test.run("sealyard faults clear").await;
    assert_eq!(test.wrong().await, []);
}

#[tokio::test]
async fn a_frozen_clock_is_a_note_with_its_repair() {
    let test = TestEmulator::new().await;
    test.run("sealyard clock freeze").await;

    let findings = test.findings().await;

    let clock = findings.iter().find(|finding| finding.check == Check::Clock).unwrap();
    assert_eq!(clock.verdict, Verdict::Note);
    test.run(clock.repair.as_ref().unwrap()).await;
    assert!(test.findings().await.iter().all(|finding| finding.check != Check::Clock));
}

#[tokio::test]
async fn a_stopped_emulator_is_reported_as_not_running() {
    let test = TestEmulator::new().await;
    let TestEmulator { emulator, context } = test;
    emulator.shutdown().await;
    let free = "127.0.0.1:0".parse().unwrap();

    let seen = examine(&DoctorArgs { listen: free, azure_listen: free }, &context).await;

    let report = Report::new(seen.is_running, seen.findings);
    assert_eq!(report.exit(), Exit::NotRunning, "{report:?}");
    assert_eq!(report.findings[0].cause.as_deref(), Some("noAnswer"));
}

#[test]
fn a_report_for_people_and_for_programs() {
    let findings = vec![
        Finding::ok(Check::Emulator, "process 4711 answers at http://127.0.0.1:5000"),
        Finding::wrong(
            Check::Registry,
            "keyDisabled",
            "team1 refuses every pull and push with 403",
        )
        .for_registry("team1")
        .because("the key is disabled")
        .repaired_by("sealyard key enable --registry team1".to_owned()),
        Finding::note(Check::Docker, "notFound", "there is no docker in PATH"),
    ];

    let report = Report::new(true, findings);

    assert_eq!(report.exit(), Exit::Failed);
    insta::assert_snapshot!(report.render());
    assert_eq!(
        serde_json::to_value(&report).unwrap(),
        json!({ "healthy": false, "findings": [
            { "check": "emulator", "verdict": "ok", "what": "process 4711 answers at http://127.0.0.1:5000" },
            {
                "check": "registry", "verdict": "wrong", "registry": "team1", "cause": "keyDisabled",
                "what": "team1 refuses every pull and push with 403", "why": "the key is disabled",
                "repair": "sealyard key enable --registry team1",
            },
            { "check": "docker", "verdict": "note", "cause": "notFound", "what": "there is no docker in PATH" },
        ] })
    );
}

fn cause(method: RevocationMethod) -> &'static str {
    match method {
        RevocationMethod::Policy => "policyRemoved",
        RevocationMethod::Role => "roleRemoved",
        RevocationMethod::Disable => "keyDisabled",
        RevocationMethod::Delete => "keyDeleted",
        RevocationMethod::Firewall => "vaultFirewall",
        RevocationMethod::Vault => "vaultDeleted",
        RevocationMethod::Identity => "identityRemoved",
    }
}
