//! What cannot work under `sealyard az`, in one sentence before `az` says something else; and what is said after a command
//! that failed for a reason that everybody meets.

use std::path::Path;

const BICEP: &str = "the Bicep compiler is downloaded from GitHub, and nothing leads there from here: \
    install `bicep` yourself and put it into PATH";
const NO_BUILDS: &str = "nothing is built here, for there are no agents and no sources to fetch: \
    build with docker, and push to the registry's port on the loopback";

/// Why a command cannot work here, if it cannot.
pub(super) fn cannot_work(words: &[&str], has_bicep: bool) -> Option<&'static str> {
    let is_bicep_file = || {
        words.iter().any(|word| {
            Path::new(word).extension().is_some_and(|end| {
                end.eq_ignore_ascii_case("bicep") || end.eq_ignore_ascii_case("bicepparam")
            })
        })
    };
    match named(words).as_slice() {
        ["login", ..] if !says_who(words) => Some(
            "there is nobody to sign in with a browser or a code: this command is signed in as the owner already; \
             another principal signs in with --service-principal",
        ),
        ["bicep", "install" | "upgrade" | "list-versions"] => Some(BICEP),
        ["bicep", _] if !has_bicep => Some(BICEP),
        ["deployment" | "stack", ..] if !has_bicep && is_bicep_file() => Some(BICEP),
        ["acr", "build" | "run" | "task" | "taskrun" | "pack" | "agentpool"] => Some(NO_BUILDS),
        ["acr", "check-health"] => Some(
            "it looks the registry up in DNS and pulls an image of mcr.microsoft.com, and nothing leads there from here: \
             the command `doctor` checks the registry and its key",
        ),
        ["acr", "artifact-streaming"] => {
            Some("nothing makes images for streaming here: clients pull them as they were pushed")
        }
        ["acr", "helm"] => Some(
            "these are the commands of Helm 2, whose charts Azure does not store any more: \
             Helm 3 pushes charts as OCI artifacts, with `helm push` to the registry's port on the loopback",
        ),
        ["keyvault", ..] if words.iter().any(|word| names_hsm(word)) => Some(
            "there are no managed HSMs here: a premium vault keeps keys of hardware, \
             made with --vault-name and --protection hsm",
        ),
        ["acr", "import"] => Some(
            "nothing is fetched from other registries: pull the image with a client, and push it to the registry's port on the loopback",
        ),
        ["extension", "add" | "update" | "list-available"] => Some(
            "extensions are downloaded, and nothing leads there from here: add them with `az` alone, into the folder of AZURE_EXTENSION_DIR",
        ),
        ["upgrade" | "find" | "feedback" | "interactive" | "survey", ..] => Some(
            "this command is about the Azure CLI itself and needs the internet: run it with `az` alone",
        ),
        _ => None,
    }
}

/// What is said after a command that failed.
pub(super) fn after_failure(words: &[&str]) -> Option<String> {
    match named(words).as_slice() {
        ["keyvault", "set-policy" | "delete-policy"] => Some(
            "a vault that goes by roles takes no access policies, and today's `az keyvault create` makes one that does: \
             make it with --enable-rbac-authorization false, or start the emulator with --legacy-access-policies"
                .to_owned(),
        ),
        _ => None,
    }
}

/// The command that the words name, without its options.
pub(super) fn named<'a>(words: &[&'a str]) -> Vec<&'a str> {
    words.iter().copied().take_while(|word| !word.starts_with('-')).take(2).collect()
}

/// Whether a word is the option that names a managed HSM.
fn names_hsm(word: &str) -> bool {
    word.split('=').next() == Some("--hsm-name")
}

/// Whether a sign-in names somebody who needs no browser.
fn says_who(words: &[&str]) -> bool {
    let is_such = |word: &&str| {
        matches!(*word, "--service-principal" | "--identity" | "-i" | "--help" | "-h")
    };
    words.iter().any(is_such)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, words: Option<&str>) {
        let line: Vec<&str> = line.split(' ').collect();
        let reason = cannot_work(&line, false);
        match (reason, words) {
            (Some(reason), Some(words)) => assert!(reason.contains(words), "{line:?}: {reason}"),
            (reason, words) => assert_eq!(reason, words, "{line:?}"),
        }
    }

    #[test]
    fn what_cannot_work_is_told_beforehand() {
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
    fn a_policy_that_was_not_set_has_the_ways_to_a_vault_that_takes_one() {
        let said = |line: &str| after_failure(&line.split(' ').collect::<Vec<_>>());

        let words = said("keyvault set-policy -n kv1 --object-id o --key-permissions get").unwrap();

        assert!(words.contains("--enable-rbac-authorization false"), "{words}");
        assert!(words.contains("with --legacy-access-policies"), "{words}");
        assert_eq!(said("keyvault create -n kv1"), None);
    }
}
