//! Refuses commands that cannot work under `sealyard az`, before `az` starts, and prints hints after commands that fail for
//! a common reason.

use std::path::Path;

const BICEP: &str = "`az` would download the Bicep compiler from GitHub, which the emulator cannot reach: \
    install `bicep` yourself and add it to PATH";
const NO_BUILDS: &str = "the emulator cannot build images, because it has no agents: \
    build with docker, and push to the registry's port on the loopback";

/// The reason why a command cannot work under `sealyard az`, if there is one.
pub(super) fn cannot_work(args: &[&str], has_bicep: bool) -> Option<&'static str> {
    let is_bicep_file = || {
        args.iter().any(|arg| {
            Path::new(arg).extension().is_some_and(|end| {
                end.eq_ignore_ascii_case("bicep") || end.eq_ignore_ascii_case("bicepparam")
            })
        })
    };
    match subcommand(args).as_slice() {
        ["login", ..] if !names_principal(args) => Some(
            "the emulator has no sign-in with a browser or a code: this command is signed in as the owner already; \
             to sign in as another principal, use --service-principal",
        ),
        ["bicep", "install" | "upgrade" | "list-versions"] => Some(BICEP),
        ["bicep", _] if !has_bicep => Some(BICEP),
        ["deployment" | "stack", ..] if !has_bicep && is_bicep_file() => Some(BICEP),
        ["acr", "build" | "run" | "task" | "taskrun" | "pack" | "agentpool"] => Some(NO_BUILDS),
        ["acr", "check-health"] => Some(
            "it needs DNS and an image of mcr.microsoft.com, which the emulator cannot reach: \
             use the command `doctor` to check the registry and its key",
        ),
        ["acr", "artifact-streaming"] => Some(
            "the emulator makes no images for streaming: clients pull images as they were pushed",
        ),
        ["acr", "helm"] => Some(
            "these are commands of Helm 2, whose charts Azure no longer stores: \
             use Helm 3, which pushes charts as OCI artifacts with `helm push` to the registry's port on the loopback",
        ),
        ["keyvault", ..] if args.iter().any(|arg| names_hsm(arg)) => Some(
            "the emulator has no managed HSMs: create a hardware key in a premium vault, \
             with --vault-name and --protection hsm",
        ),
        ["acr", "import"] => Some(
            "the emulator fetches nothing from other registries: pull the image with a client, and push it to the registry's port on the loopback",
        ),
        ["extension", "add" | "update" | "list-available"] => Some(
            "extensions are downloaded from the internet, which the emulator cannot reach: add them with `az` itself, into the folder of AZURE_EXTENSION_DIR",
        ),
        ["upgrade" | "find" | "feedback" | "interactive" | "survey", ..] => Some(
            "this command is about the Azure CLI itself and needs the internet: run it with `az` itself",
        ),
        _ => None,
    }
}

/// The hint after a failed command.
pub(super) fn after_failure(args: &[&str]) -> Option<String> {
    match subcommand(args).as_slice() {
        ["keyvault", "set-policy" | "delete-policy"] => Some(
            "a vault that uses roles accepts no access policies, and current versions of `az keyvault create` create such vaults: \
             create it with --enable-rbac-authorization false, or start the emulator with --legacy-access-policies"
                .to_owned(),
        ),
        _ => None,
    }
}

/// The command without its options.
pub(super) fn subcommand<'a>(args: &[&'a str]) -> Vec<&'a str> {
    args.iter().copied().take_while(|arg| !arg.starts_with('-')).take(2).collect()
}

/// Whether an argument is the option that names a managed HSM.
fn names_hsm(arg: &str) -> bool {
    arg.split('=').next() == Some("--hsm-name")
}

/// Whether a sign-in names a principal that needs no browser.
fn names_principal(args: &[&str]) -> bool {
    let is_such =
        |arg: &&str| matches!(*arg, "--service-principal" | "--identity" | "-i" | "--help" | "-h");
    args.iter().any(is_such)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: Option<&str>) {
        let line: Vec<&str> = line.split(' ').collect();
        let reason = cannot_work(&line, false);
        match (reason, expected) {
            (Some(reason), Some(expected)) => {
                assert!(reason.contains(expected), "{line:?}: {reason}");
            }
            (reason, expected) => assert_eq!(reason, expected, "{line:?}"),
        }
    }

    #[test]
    fn commands_that_cannot_work_are_refused_with_a_reason() {
        check("login", Some("--service-principal"));
        check("login --use-device-code", Some("--service-principal"));
        check("login --service-principal -u a -p b --tenant c", None);
        check("login --identity", None);
        check("bicep install", Some("PATH"));
        check("bicep version", Some("PATH"));
        check("deployment group create -g g --template-file main.bicep", Some("PATH"));
        check("deployment group create -g g --template-file=main.bicep", Some("PATH"));
        check("deployment group create -g g --parameters main.bicepparam", Some("PATH"));
        check("deployment group create -g g --template-file main.json", None);
        check("acr build -r team1 .", Some("build with docker"));
        check("acr task create -n t -r team1", Some("build with docker"));
        check("acr import -n team1 --source docker.io/library/alpine:1", Some("pull the image"));
        check("acr check-health -n team1 --yes", Some("the command `doctor`"));
        check("acr artifact-streaming create -n team1 --image app:v1", Some("as they were pushed"));
        check("acr helm list -n team1", Some("helm push"));
        check("keyvault key create --hsm-name h -n k", Some("premium vault"));
        check("keyvault key list --hsm-name=h", Some("premium vault"));
        check("keyvault key create --vault-name kv1 -n k --protection hsm", None);
        check("acr login -n team1", None);
        check("extension add -n x", Some("downloaded"));
        check("extension list", None);
        check("upgrade", Some("internet"));
        check("--version", None);
        check("keyvault list -o table", None);
        assert!(cannot_work(&["bicep", "build", "-f", "main.bicep"], true).is_none());
    }

    #[test]
    fn after_a_refused_policy_the_hint_says_how_to_get_a_vault_with_policies() {
        let hint_after = |line: &str| after_failure(&line.split(' ').collect::<Vec<_>>());

        let hint =
            hint_after("keyvault set-policy -n kv1 --object-id o --key-permissions get").unwrap();

        assert!(hint.contains("--enable-rbac-authorization false"), "{hint}");
        assert!(hint.contains("with --legacy-access-policies"), "{hint}");
        assert_eq!(hint_after("keyvault create -n kv1"), None);
    }
}
