//! Snapshots of the texts that people read: help, the text of a start, and the exports.

use std::path::{Path, PathBuf};

use clap::CommandFactory as _;
use insta::{assert_snapshot, with_settings};

use super::client_env::{Identity, Shell, Variables};
use super::endpoints::Endpoints;
use super::options::Options;
use super::serve::banner;

fn endpoints() -> Endpoints {
    Endpoints {
        azure: "https://127.0.0.1:8443".to_owned(),
        vault: "https://local.vault.localhost:8443".to_owned(),
        login: "https://login.localhost:8443".to_owned(),
        ca: PathBuf::from("/data/tls/ca.pem"),
        pid: 4711,
        address: "0.0.0.0:8443".parse().unwrap(),
        tenant: "00000000-0000-4000-8000-00000000a001".to_owned(),
        client_id: "00000000-0000-4000-8000-00000000a003".to_owned(),
        secret_file: None,
    }
}

fn variables(managed: Identity, resolves: bool) -> Variables {
    let bundle = Path::new("/it's/ca-bundle.pem");
    Variables::new(&endpoints(), bundle, managed, resolves).unwrap()
}

#[test]
fn the_help_texts_match_their_snapshots() {
    fn walk(command: &mut clap::Command, path: &str) {
        let mut of_this = command.clone().mut_args(|arg| arg.hide_env_values(true)).term_width(100);
        assert_snapshot!(format!("help_{}", path.replace(' ', "_")), of_this.render_long_help());
        for sub in command.get_subcommands_mut() {
            let path = format!("{path} {}", sub.get_name());
            walk(sub, &path);
        }
    }
    let mut command = Options::command();
    command.build();

    with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        walk(&mut command, "mock-keyvault");
    });
}

#[test]
fn a_start_says_what_to_type_next() {
    let variables = variables(Identity::Owner, true);

    assert_snapshot!(banner(&endpoints(), &variables, true, "./mock-keyvault"));
}

#[test]
fn a_start_with_unresolved_local_names_says_what_to_do() {
    let variables = variables(Identity::Owner, false);

    assert_snapshot!(banner(&endpoints(), &variables, false, "./mock-keyvault"));
}

#[test]
fn a_generated_secret_is_not_in_the_text_of_a_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("owner.secret");
    fs_err::write(&file, "hidden-1").unwrap();
    fs_err::write(folder.path().join("identity-header.secret"), "hidden-2").unwrap();
    let endpoints = Endpoints { secret_file: Some(file), ..endpoints() };

    let of = |identity| Variables::new(&endpoints, Path::new("/b"), identity, true).unwrap();
    let (owner, app_service) = (of(Identity::Owner), of(Identity::AppService));
    let message = banner(&endpoints, &owner, true, "./mock-keyvault");

    assert!(!message.contains("hidden"), "{message}");
    assert!(owner.render(Shell::Posix).contains("SECRET='hidden-1'"));
    assert!(app_service.render(Shell::Posix).contains("HEADER='hidden-2'"));
}

#[test]
fn exports_are_quoted_for_the_shell() {
    let variables = variables(Identity::AppService, true);

    assert_snapshot!("exports_posix", variables.render(Shell::Posix));
    assert_snapshot!("exports_fish", variables.render(Shell::Fish));
    assert_snapshot!("exports_powershell", variables.render(Shell::Powershell));
}
