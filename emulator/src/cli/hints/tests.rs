//! The texts of hints, and where commands may be written.

use std::ffi::OsString;
use std::path::Path;

use super::*;
use crate::keys::Cause;
use crate::revocation::RevocationMethod;

fn hints() -> Hints {
    Hints::new(Some(&OsString::from("sealyard")), None)
}

#[test]
fn a_hint_has_the_program_and_the_folder_as_typed() {
    let program = OsString::from("target/release/sealyard");
    assert_eq!(
        Hints::new(Some(&program), None).line(&Hint::Status),
        "target/release/sealyard status"
    );

    let (program, folder) = (OsString::from("/my programs/sealyard"), OsString::from("it's here"));
    let hints = Hints::new(Some(&program), Some(folder));
    assert_eq!(
        hints.line(&Hint::KeyEnable { key: KeyTarget::for_registry("local"), version: None }),
        r"'/my programs/sealyard' --data-dir 'it'\''s here' key enable"
    );
}

#[test]
fn a_hint_for_an_emulator_at_a_url_has_its_endpoint_except_for_a_start() {
    let hints = Hints::new(Some(&OsString::from("sealyard")), Some("/d".into()));
    let hints = hints.at("http://127.0.0.1:7000/");
    let start = Hint::Serve { listen: None, azure_listen: Some(FREE_PORT) };

    assert_eq!(
        hints.line(&Hint::Status),
        "sealyard --data-dir /d --endpoint http://127.0.0.1:7000 status"
    );
    assert_eq!(hints.line(&start), "sealyard --data-dir /d serve --azure-listen 127.0.0.1:0");
    assert_eq!(
        hints.only_at("http://127.0.0.1:7000").line(&Hint::ExportEnv),
        "eval \"$(sealyard --endpoint http://127.0.0.1:7000 env)\""
    );
}

#[test]
fn a_hint_names_the_registry_that_it_is_for() {
    let restore = |registry| hints().line(&Hint::Restore { registry });

    assert_eq!(restore("local"), "sealyard restore");
    assert_eq!(restore("team1"), "sealyard restore --registry team1");
    assert_eq!(
        hints().repair_hint(Cause::KeyDisabled, "team1", &[]).unwrap(),
        "`sealyard key enable --registry team1` repairs it"
    );
    assert_eq!(hints().repair_hint(Cause::VaultUnreachable, "team1", &RevocationMethod::ALL), None);
}

#[test]
fn restore_is_named_only_for_a_method_that_revoke_used() {
    for (cause, method) in [
        (Cause::PolicyRemoved, RevocationMethod::Policy),
        (Cause::RoleRemoved, RevocationMethod::Role),
        (Cause::KeyDisabled, RevocationMethod::Disable),
        (Cause::KeyDeleted, RevocationMethod::Delete),
        (Cause::VaultFirewall, RevocationMethod::Firewall),
        (Cause::VaultDeleted, RevocationMethod::Vault),
        (Cause::IdentityRemoved, RevocationMethod::Identity),
        (Cause::IdentityInactive, RevocationMethod::Identity),
    ] {
        let others: Vec<RevocationMethod> =
            RevocationMethod::ALL.into_iter().filter(|other| *other != method).collect();

        let by_restore = hints().repair_hint(cause, "local", &[method]).unwrap();
        let by_others = hints().repair_hint(cause, "local", &others).unwrap();

        assert_eq!(by_restore, "`sealyard restore` repairs it", "{cause}");
        assert!(!by_others.contains("restore"), "{cause}: {by_others}");
    }
}

#[test]
fn every_hint_has_a_sample_that_the_program_can_parse() {
    for hint in Hint::samples("team1", "an identity") {
        let typed = hint.command_line().0;
        let args: Vec<OsString> =
            std::iter::once("sealyard".into()).chain(typed.iter().cloned()).collect();

        assert!(crate::cli::command::parse(&args).is_ok(), "{hint:?}");
    }
}

#[test]
fn no_other_module_contains_a_command_of_this_program() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut folders, mut found) = (vec![source], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs")
                && !path.parent().is_some_and(|folder| folder.ends_with("cli/hints"))
            {
                let text = std::fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
                let is_code = |line: &&str| !line.trim_start().starts_with("//");
                let lines = code.lines().filter(is_code);
                let lines = lines.filter(|line| line.contains(concat!('`', "sealyard")));
                found.extend(lines.map(|line| format!("{}: {line}", path.display())));
            }
        }
    }

    // The tests of the command line compare what is rendered.
    found.retain(|line| !line.contains("/tests"));
    assert!(found.is_empty(), "{found:#?}");
}
