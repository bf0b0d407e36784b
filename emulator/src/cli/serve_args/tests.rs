//! Which flags are accepted, and the configuration that they make.

use std::path::PathBuf;

use clap::Parser;

use super::*;
use crate::config::{Config, VaultChoice};
use crate::password::{Password, PasswordSource};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    serve: ServeArgs,
}

fn config(args: &[&str]) -> Result<Config, ConfigError> {
    let args = ["sealyard", "--key-lease", "5s"].iter().chain(args);
    Config::try_from(Line::try_parse_from(args).unwrap().serve)
}

#[test]
fn with_no_flags_the_configuration_is_the_default() {
    assert_eq!(config(&[]).unwrap(), Config::default());
}

#[test]
fn options_of_another_vault_need_its_url() {
    for flag in ["--authority", "--tenant", "--client-id", "--client-secret-file", "--azure-ca"] {
        assert_eq!(config(&[flag, "https://x"]).unwrap_err(), ConfigError::WithoutVaultUrl(flag));
    }
}

#[test]
fn another_vault_is_reached_only_over_https() {
    for url in
        ["http://vault.test", "https://vault.test/keys", "https://u@vault.test", "ftp://vault.test"]
    {
        let error = config(&["--vault-url", url]).unwrap_err();
        assert!(matches!(error, ConfigError::BaseUrl { flag: "--vault-url", .. }), "{url}");
    }

    let config = config(&["--vault-url", "https://vault:8443", "--client-id", "abc"]).unwrap();

    let VaultChoice::External(vault) = config.vault else { panic!("the vault is external") };
    assert_eq!(
        (vault.url.as_str(), vault.client_id.as_deref()),
        ("https://vault:8443/", Some("abc"))
    );
}

#[test]
fn durations_have_bounds() {
    let message = config(&["--rotation-check", "2h"]).unwrap_err().to_string();

    assert_eq!(message, "--rotation-check must be between 1s and 1h");
}

#[test]
fn invalid_names_are_refused() {
    assert_eq!(config(&["--key-name", "a/b"]).unwrap_err(), ConfigError::KeyName("a/b".to_owned()));
    let error = config(&["--hostname-alias", "registry,bad:5000"]).unwrap_err();
    assert_eq!(error, ConfigError::HostName("bad:5000".to_owned()));
}

#[test]
fn any_listener_but_the_loopback_is_closed_unless_the_network_is_trusted() {
    assert!(config(&[]).unwrap().is_open());
    assert!(!config(&["--listen", "0.0.0.0:5000"]).unwrap().is_open());
    assert!(config(&["--listen", "0.0.0.0:5000", "--trusted-network"]).unwrap().is_open());
}

#[test]
fn clients_need_the_password_if_one_of_the_listeners_is_not_on_the_loopback() {
    let asks = |args: &[&str]| config(args).unwrap().asks_for_password();

    assert!(!asks(&[]));
    assert!(asks(&["--listen", "0.0.0.0:5000"]));
    assert!(asks(&["--azure-listen", "0.0.0.0:8443"]));
    let elsewhere = ["--azure-listen", "0.0.0.0:8443", "--vault-url", "https://vault:8443"];
    assert!(!asks(&elsewhere), "the vault has no listener here");
}

#[test]
fn two_passwords_or_a_password_for_a_trusted_network_are_refused() {
    let password = || Password::new("given");
    let with = |args: &[&str], password| {
        let args = ["sealyard"].iter().chain(args);
        let mut serve = Line::try_parse_from(args).unwrap().serve;
        serve.password = password;
        Config::try_from(serve)
    };
    let file = ["--password-file", "/run/secrets/p"];

    assert_eq!(with(&[], None).unwrap().password, PasswordSource::Generated);
    let given = PasswordSource::Given(password().unwrap());
    assert_eq!(with(&[], password()).unwrap().password, given);
    let from_file = PasswordSource::File(PathBuf::from("/run/secrets/p"));
    assert_eq!(with(&file, None).unwrap().password, from_file);
    assert_eq!(with(&file, password()).unwrap_err(), ConfigError::TwoPasswords);
    let trusted = with(&["--trusted-network"], password()).unwrap_err();
    assert_eq!(trusted, ConfigError::PasswordOfTrusted);
}
