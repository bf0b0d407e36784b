//! The certificates of an emulator on another machine: `GET /_sealyard/ca.pem`, and the files that `env` and `run` write.

use std::os::unix::fs::PermissionsExt as _;

use crate::support::program::{Ended, Home, PROGRAM};
use crate::support::start;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";

#[tokio::test]
async fn the_certificate_authority_is_served_as_pem_without_its_key() {
    let (emulator, client) = start().await;

    let answer = client.get("/_sealyard/ca.pem").await;

    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/x-pem-file");
    let text = String::from_utf8(answer.body).unwrap();
    assert_eq!(text.trim(), emulator.vault().unwrap().ca_pem().trim());
    assert!(!text.contains("PRIVATE"), "{text}");
    assert_eq!(client.send(reqwest::Method::POST, "/_sealyard/ca.pem", "").await.status, 405);
}

#[tokio::test]
async fn env_with_an_endpoint_stores_the_certificates_in_private_local_files() {
    let (emulator, client) = start().await;
    let served = client.get("/_sealyard/ca.pem").await.body;
    let served = String::from_utf8(served).unwrap();
    let (home, url) = (Home::new(), emulator.registry_url());

    let env = home.run(&["env", "--json", "--endpoint", &url]).await;

    assert_eq!(env.code, Some(0), "{env:?}");
    assert_eq!(
        (env.variable("SEALYARD_ENDPOINT"), env.variable("SEALYARD_URL")),
        (url.clone(), url)
    );
    let (ca, bundle) = (env.path("NODE_EXTRA_CA_CERTS"), env.path("SSL_CERT_FILE"));
    assert_eq!(std::fs::read_to_string(&ca).unwrap(), served);
    assert!(std::fs::read_to_string(&bundle).unwrap().ends_with(&served));
    assert_eq!(env.path("REQUESTS_CA_BUNDLE"), bundle);
    for file in [&ca, &bundle] {
        assert!(file.starts_with(home.path().join("cache")), "{}", file.display());
        let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(file) & 0o777, 0o600);
        assert_eq!(mode(file.parent().unwrap()) & 0o777, 0o700);
    }
}

#[tokio::test]
async fn the_certificates_of_two_endpoints_are_in_separate_folders() {
    let ((one, _), (two, _)) = (start().await, start().await);
    let home = Home::new();
    let ca_of = async |url: String| {
        let env = home.run(&["env", "--json", "--endpoint", &url]).await;
        std::fs::read_to_string(env.path("NODE_EXTRA_CA_CERTS")).unwrap()
    };

    let (first, second) = (ca_of(one.registry_url()).await, ca_of(two.registry_url()).await);

    assert_ne!(first, second);
    assert_eq!(ca_of(one.registry_url()).await, first);
}

#[tokio::test]
async fn run_with_an_endpoint_gives_the_command_the_fetched_certificates() {
    let (emulator, client) = start().await;
    let served = client.get("/_sealyard/ca.pem").await.body;
    let (home, url) = (Home::new(), emulator.registry_url());

    let run =
        home.run(&["--endpoint", &url, "run", "--", "sh", "-c", "cat $NODE_EXTRA_CA_CERTS"]).await;

    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(run.out.as_bytes(), &served[..]);
    assert!(run.out.starts_with(BEGIN));
}

#[tokio::test]
async fn later_commands_use_the_emulator_that_the_exported_variables_name() {
    let ((one, _), (two, _)) = (start().await, start().await);
    let home = Home::new();
    let requested_url = async |variables: &[(&str, &str)], args: &[&str]| {
        let mut command = home.command(PROGRAM);
        let status = Ended::of(command.envs(variables.iter().copied()).args(args)).await;
        assert_eq!(status.code, Some(0), "{status:?}");
        status.json()["registry"].as_str().unwrap().to_owned()
    };
    let (first, second) = (one.registry_url(), two.registry_url());
    let status = ["status", "--json"];

    let both = [("SEALYARD_ENDPOINT", first.as_str()), ("SEALYARD_URL", second.as_str())];
    assert_eq!(requested_url(&both, &status).await, first);
    assert_eq!(requested_url(&[("SEALYARD_URL", &second)], &status).await, second);
    let typed = ["status", "--json", "--endpoint", &second];
    assert_eq!(requested_url(&[("SEALYARD_ENDPOINT", &first)], &typed).await, second);
}
