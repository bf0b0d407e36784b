//! Answers before the end of the request body reach the client on every listener, also a client that sends everything first.

use reqwest::StatusCode;
use sealyard::internals::registry::Change;
use serde_json::json;

use crate::support::raw::{LARGE, Raw};
use crate::support::{Client, start};

const UNKNOWN: &str = "/v2/app/blobs/uploads/00000000-0000-4000-8000-000000000000";

/// Checks the status, that the answer closes the connection, and that the body has the code.
#[track_caller]
fn assert_answer(answer: &str, status: u16, code: &str) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    assert!(answer.contains(code), "{code}: {answer}");
}

async fn add_fault(client: &Client, rule: serde_json::Value) {
    let added = client.send_json("/_sealyard/faults", &rule).await;
    assert_eq!(added.status, StatusCode::CREATED, "{added:?}");
}

#[tokio::test]
async fn refusals_of_the_registry_arrive_while_the_body_is_being_sent() {
    let (emulator, client) = start().await;
    client.push_image("app", "v1", &[b"layer"]).await;
    let address = emulator.registry_address();
    let host = address.to_string();
    let digest = format!("sha256:{}", "0".repeat(64));

    for (line, host, status, code) in [
        (format!("PATCH {UNKNOWN}"), host.as_str(), 404, "BLOB_UPLOAD_UNKNOWN"),
        (format!("PUT {UNKNOWN}?digest={digest}"), &host, 404, "BLOB_UPLOAD_UNKNOWN"),
        ("PUT /v2/app/manifests/v2".to_owned(), &host, 413, "MANIFEST_INVALID"),
        ("PUT /v2/app/manifests/no:tag".to_owned(), &host, 400, "errors"),
        ("PUT /v2/app/tags/list".to_owned(), &host, 405, "UNSUPPORTED"),
        ("POST /v2/app/blobs/uploads/?digest=junk".to_owned(), &host, 400, "DIGEST_INVALID"),
        ("POST /nothing".to_owned(), &host, 404, "UNSUPPORTED"),
        ("PATCH /v2/".to_owned(), "rebound.example.com", 403, "DENIED"),
        ("POST /_sealyard/reset".to_owned(), &host, 415, "UnsupportedMediaType"),
    ] {
        let answer = Raw::plain(address).exchange(&line, host, LARGE).await;

        assert_answer(&answer, status, code);
    }
}

#[tokio::test]
async fn a_registry_that_requires_a_login_challenges_on_each_of_its_listeners() {
    let (emulator, _client) = start().await;
    emulator.create_registry("team1").await.unwrap();
    let team = emulator.registry_named("team1").unwrap();
    let change = Change { anonymous: Some(false), ..Change::default() };
    emulator.app().registries.change(team.registry_name(), change).await.unwrap();
    let port = emulator.registry_address_of("team1").await.unwrap();
    let vault = emulator.vault().unwrap();
    let (by_name, by_alias) = ("team1.azurecr.localhost", "team1.azurecr.io");
    let line = "POST /v2/app/blobs/uploads/";

    for (raw, host) in [
        (Raw::plain(emulator.registry_address()), by_name),
        (Raw::plain(port), "localhost"),
        (Raw::tls(port, by_name, vault.ca_pem()), by_name),
        (Raw::tls(vault.address(), by_alias, vault.ca_pem()), by_alias),
    ] {
        let answer = raw.exchange(line, host, LARGE).await;

        assert_answer(&answer, 401, "UNAUTHORIZED");
        assert!(answer.contains("www-authenticate: Bearer"), "{answer}");
    }
}

#[tokio::test]
async fn the_vault_and_the_control_plane_refuse_a_large_body_with_an_error() {
    let (emulator, _client) = start().await;
    let vault = emulator.vault().unwrap();
    let (address, ca) = (vault.address(), vault.ca_pem());
    let group = "PUT /subscriptions/00000000-0000-4000-8000-00000000a002/resourceGroups/g";

    for (line, host, status, code) in [
        ("POST /keys/k/create?api-version=7.4", "local.vault.azure.net", 401, "Unauthorized"),
        (&format!("{group}?api-version=2022-12-01"), "management.azure.com", 401, "error"),
        ("POST /nothing", "login.microsoftonline.com", 404, ""),
        ("POST /_keyvault/reset", "rebound.example.com", 403, ""),
    ] {
        let raw = Raw::tls(address, "local.vault.azure.net", ca);
        let answer = raw.exchange(line, host, LARGE).await;

        assert_answer(&answer, status, code);
    }
    let plain = Raw::plain(address).exchange("POST /keys/k/create", "localhost", LARGE).await;
    assert_answer(&plain, 400, "https://");
}

#[tokio::test]
async fn injected_faults_reach_the_client_of_a_large_upload() {
    let (emulator, client) = start().await;
    let address = emulator.registry_address();
    let host = address.to_string();

    for (status, code) in [(429, "TOOMANYREQUESTS"), (503, "UNAVAILABLE")] {
        let rule = json!({ "on": "uploads", "kind": "status", "status": status, "name": "f" });
        add_fault(&client, rule).await;
        let answer = Raw::plain(address).exchange(&format!("PATCH {UNKNOWN}"), &host, LARGE).await;

        assert_answer(&answer, status, code);
        assert!(answer.contains("x-sealyard-fault: f=status"), "{answer}");
    }
    add_fault(&client, json!({ "on": "uploads", "kind": "cut", "name": "f" })).await;
    let cut = Raw::plain(address).exchange(&format!("PATCH {UNKNOWN}"), &host, LARGE).await;
    assert!(cut.starts_with("HTTP/1.1 404 ") && cut.contains("\r\n\r\n{\"errors\""), "{cut}");
    assert!(!cut.ends_with('}'), "{cut}");
    add_fault(&client, json!({ "on": "uploads", "kind": "reset", "name": "f" })).await;
    let request = client.request(reqwest::Method::PATCH, UNKNOWN).body(vec![0; LARGE]).send();
    assert!(request.await.is_err(), "after a reset the client gets no answer");
}

#[tokio::test]
async fn a_client_whose_key_is_revoked_during_a_push_reads_the_403() {
    let (emulator, client) = start().await;
    let address = emulator.registry_address();
    let location = client.begin("app").await;
    let head = format!(
        "PATCH {location} HTTP/1.1\r\nhost: {address}\r\ncontent-length: {}\r\n\r\n",
        2 * LARGE
    );

    let upload = Raw::plain(address).send(head).await.send(vec![b'a'; LARGE]).await;
    client.key("disable").await;
    let answer = upload.send(vec![b'b'; LARGE]).await.answer().await;

    assert_answer(&answer, 403, "DENIED");
}

#[tokio::test]
async fn a_connect_to_a_registry_is_refused_with_a_sentence_in_the_status_line_that_python_shows() {
    let (emulator, _client) = start().await;
    let proxy = emulator.vault().unwrap().address();
    let request = "CONNECT example.com:443 HTTP/1.1\r\nhost: example.com:443\r\n\r\n";

    let answer = {
        let mut raw = Raw::plain(emulator.registry_address()).send(request).await;
        raw = raw.send("GET /v2/ HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
        raw.answer().await
    };

    let sentence = format!(
        "CONNECT is refused: this port serves a registry and is no proxy. The proxy of this emulator is http://{proxy}."
    );
    assert!(answer.starts_with(&format!("HTTP/1.1 405 {sentence}\r\n")), "{answer}");
    assert!(answer.contains(&format!("\r\n\r\n{sentence}\n")), "{answer}");
}
