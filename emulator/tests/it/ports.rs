//! A port for each registry: the emulator opens it at creation, reuses it after a restart and closes it at deletion.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use sealyard::Config;
use sealyard::{Sealyard, StartError};

use crate::support::{Answer, Client, start};

/// A free port. The ports after it are probably free too.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// An emulator with fixed ports and its data in this folder.
async fn start_at(folder: &Path, port: u16) -> Sealyard {
    let builder = Sealyard::builder().ephemeral().data_dir(folder.join("d"));
    builder.listen(SocketAddr::from(([127, 0, 0, 1], port))).start().await.unwrap()
}

async fn report_of(client: &Client, name: &str) -> serde_json::Value {
    let status = client.get("/_sealyard/status").await.json();
    let registries = status["registries"].as_array().unwrap().clone();
    registries.into_iter().find(|registry| registry["name"] == name).unwrap()
}

fn port_of(report: &serde_json::Value) -> u16 {
    report["url"].as_str().unwrap().rsplit(':').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_registry_has_a_port_and_names_of_its_own_and_shares_no_content() {
    let (emulator, local) = start().await;
    emulator.create_registry("team1").await.unwrap();
    let report = report_of(&local, "team1").await;
    let team = Client::at(report["url"].as_str().unwrap());
    let manifest = team.push_image("app", "v1", &[b"of the team"]).await;
    let path = "/v2/app/manifests/v1";
    let named =
        |client: &Client, host: &str| client.request(Method::GET, path).header("host", host).send();

    assert_eq!(report["loginServer"], format!("localhost:{}", port_of(&report)));
    assert_ne!(port_of(&report), emulator.registry_address().port());
    assert_eq!(team.get(path).await.body, manifest);
    assert_eq!(local.get(path).await.status, StatusCode::NOT_FOUND);
    // The name takes precedence over the port, on both ports.
    let by_name = Answer::of(named(&local, "team1.azurecr.localhost:5000").await.unwrap()).await;
    assert_eq!(by_name.body, manifest);
    let by_name = Answer::of(named(&team, "local.azurecr.localhost").await.unwrap()).await;
    assert_eq!(by_name.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_registrys_port_accepts_tls_too_and_refuses_foreign_names() {
    let (emulator, local) = start().await;
    emulator.create_registry("team1").await.unwrap();
    let port = port_of(&report_of(&local, "team1").await);
    let http = Client::trusting(emulator.vault().unwrap());

    let secure = http.get(format!("https://localhost:{port}/v2/")).send().await.unwrap();
    let team = Client::at(&format!("http://127.0.0.1:{port}"));
    let rebound = team.request(Method::GET, "/v2/").header("host", "evil.test");
    let rebound = rebound.send().await.unwrap();
    let admin = team.get("/_sealyard/status").await;

    assert_eq!(secure.status(), StatusCode::OK);
    assert_eq!(rebound.status(), StatusCode::FORBIDDEN);
    assert_eq!(admin.status, StatusCode::NOT_FOUND, "the admin API is only at the port of `local`");
}

#[tokio::test]
async fn a_deleted_registry_has_neither_port_nor_name() {
    let (emulator, local) = start().await;
    emulator.create_registry("team1").await.unwrap();
    let port = port_of(&report_of(&local, "team1").await);

    emulator.delete_registry("team1").await.unwrap();
    let status = local.get("/_sealyard/status").await.json();
    let by_name = local.request(Method::GET, "/v2/").header("host", "team1.azurecr.localhost");
    let by_name = Answer::of(by_name.send().await.unwrap()).await;

    assert_eq!(status["registries"].as_array().unwrap().len(), 1);
    assert_eq!((by_name.status, by_name.code().as_str()), (StatusCode::NOT_FOUND, "NAME_UNKNOWN"));
    assert!(TcpListener::bind(("127.0.0.1", port)).is_ok(), "the port is free again");
}

#[tokio::test]
async fn a_port_is_the_same_after_a_restart_and_is_replaced_only_while_another_program_uses_it() {
    let folder = tempfile::tempdir().unwrap();
    let base = free_port();
    let emulator = start_at(folder.path(), base).await;
    let client = Client::of(&emulator);
    emulator.create_registry("team1").await.unwrap();
    emulator.create_registry("team2").await.unwrap();
    let first = port_of(&report_of(&client, "team1").await);
    let second = port_of(&report_of(&client, "team2").await);
    emulator.shutdown().await;

    let other_program = TcpListener::bind(("127.0.0.1", second)).unwrap();
    let emulator = start_at(folder.path(), base).await;
    let meanwhile = report_of(&Client::of(&emulator), "team2").await;
    assert_eq!(port_of(&report_of(&Client::of(&emulator), "team1").await), first);
    emulator.shutdown().await;
    drop(other_program);
    let emulator = start_at(folder.path(), base).await;
    let again = report_of(&Client::of(&emulator), "team2").await;

    assert!(
        first > base && second > first,
        "the ports follow the port of `local`: {base} {first} {second}"
    );
    assert_ne!(port_of(&meanwhile), second);
    assert_ne!(port_of(&meanwhile), first);
    assert_eq!(meanwhile["takenPort"], second);
    assert_eq!(port_of(&again), second);
    assert!(again.get("takenPort").is_none());
}

#[tokio::test]
async fn with_port_0_every_registry_has_a_free_port_that_is_not_stored() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = start_at(folder.path(), 0).await;
    emulator.create_registry("team1").await.unwrap();
    let team = emulator.registry_named("team1").unwrap();
    let port = port_of(&report_of(&Client::of(&emulator), "team1").await);

    assert_ne!(port, 0);
    assert_eq!(team.profile().port, None);
}

#[tokio::test]
async fn the_endpoints_file_is_updated_when_a_registry_is_created_or_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = start_at(folder.path(), 0).await;
    let file = folder.path().join("d").join("endpoints.json");
    let names = || {
        let document: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let registries = document["registries"].as_array().unwrap();
        let names = registries.iter().map(|registry| registry["name"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    // The emulator updates the file later, so this waits for the update.
    let becomes = async |expected: &[&str]| {
        for _ in 0..500 {
            if names() == expected {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        false
    };

    emulator.create_registry("team1").await.unwrap();
    let came = becomes(&["local", "team1"]).await;
    emulator.delete_registry("team1").await.unwrap();
    let went = becomes(&["local"]).await;

    assert!(came && went, "{:?}", names());
}

#[tokio::test]
async fn a_start_that_fails_late_releases_its_port_and_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let file = folder.path().join("no-folder");
    std::fs::write(&file, "").unwrap();
    let config = Config { endpoints_file: Some(file.join("endpoints.json")), ..Config::default() };
    let builder = Sealyard::builder().config(config).ephemeral().data_dir(folder.path().join("d"));

    let failed = builder.listen(SocketAddr::from(([127, 0, 0, 1], port))).start().await;

    assert!(matches!(failed, Err(StartError::Io(_))), "{failed:?}");
    // The tasks of the failed start end later, so this waits until the port and the folder are free.
    let mut again = None;
    for _ in 0..500 {
        let builder = Sealyard::builder().ephemeral().data_dir(folder.path().join("d"));
        match builder.listen(SocketAddr::from(([127, 0, 0, 1], port))).start().await {
            Ok(started) => {
                again = Some(started);
                break;
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    again.expect("the port and the folder are free").shutdown().await;
}
