//! Web pages in the user's browser, which can reach the loopback: by another origin, without one, or with a rebound name.

use reqwest::{Method, StatusCode};
use serde_json::json;

use super::doors::{Door, open, statuses};
use crate::support::{Answer, Client, start};

/// Names that the owner of a web page can make resolve to this machine.
const REBOUND: [&str; 9] = [
    "evil.test",
    "evil.test:5000",
    "localhost.evil.test",
    "127.0.0.1.evil.test",
    "local.azurecr.localhost.evil.test",
    "localhost:5000.evil.test",
    "evil.test.",
    "EVIL.TEST",
    "user@localhost",
];

/// Headers with which a browser marks a request of a page of another site.
const FOREIGN: [&[(&str, &str)]; 8] = [
    &[("origin", "https://evil.test")],
    &[("origin", "null")],
    &[("origin", "http://localhost:1")],
    &[("sec-fetch-site", "cross-site")],
    &[("sec-fetch-site", "same-site")],
    &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")],
    &[("sec-fetch-site", "cross-site"), ("origin", "http://localhost")],
    // A frame in another page.
    &[
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "iframe"),
    ],
];

/// The services that answer without a token, and so trust the machine.
fn open_doors(doors: &[Door]) -> impl Iterator<Item = &Door> {
    let trusting = ["the registry", "the port of another registry", "the admin API"];
    doors.iter().filter(move |door| trusting.contains(&door.service))
}

#[tokio::test]
async fn a_rebound_name_is_refused_by_the_registry_its_ports_and_the_admin_api_and_told_the_option()
{
    let (_emulator, doors) = open().await;

    for door in open_doors(&doors) {
        for host in REBOUND {
            let head =
                format!("GET {} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n", door.path);
            let answer = door.exchange(head).await;

            assert_eq!(statuses(&answer), ["403"], "{}: {host}: {answer}", door.service);
            assert!(answer.contains("--hostname-alias"), "{}: {host}: {answer}", door.service);
        }
        // The name of the request line counts, and not the header (RFC 9112, section 3.2.2).
        let path = door.path;
        let head = format!(
            "GET http://evil.test{path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
        );
        let answer = door.exchange(head).await;
        assert_eq!(statuses(&answer), ["403"], "{}: {answer}", door.service);
    }
}

#[tokio::test]
async fn a_rebound_name_gets_no_token_of_a_managed_identity_and_no_admin_api_of_the_vault() {
    let (emulator, _client) = start().await;
    let address = emulator.vault().unwrap().address();
    let identity =
        "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net";

    for host in REBOUND {
        for path in [identity, "/_keyvault/principals", "/_keyvault/audit"] {
            let head = format!(
                "GET {path} HTTP/1.1\r\nhost: {host}\r\nmetadata: true\r\nconnection: close\r\n\r\n"
            );
            let answer = crate::support::raw::Raw::plain(address).send(head).await.answer().await;

            assert_eq!(statuses(&answer), ["403"], "{host}: {path}: {answer}");
            assert!(!answer.contains("access_token"), "{answer}");
        }
    }
}

/// Sends a request with these headers.
async fn from_page(
    client: &Client,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    kind: &str,
) -> Answer {
    let mut request = client.request(method, path).header("content-type", kind);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Answer::of(request.body("{}").send().await.unwrap()).await
}

#[tokio::test]
async fn a_page_of_another_site_reads_and_changes_nothing_with_or_without_an_origin() {
    let (_emulator, client) = start().await;
    client.push_image("app", "v1", &[b"layer"]).await;
    let before = client.get("/_sealyard/status").await;
    assert_eq!(before.status, StatusCode::OK);

    for headers in FOREIGN {
        for (method, path) in [
            (Method::GET, "/_sealyard/status"),
            (Method::GET, "/_sealyard/health"),
            (Method::GET, "/_sealyard/audit"),
            (Method::GET, "/_sealyard/events"),
            (Method::POST, "/_sealyard/reset"),
            (Method::POST, "/_sealyard/registries/local/key"),
            (Method::DELETE, "/_sealyard/registries/local"),
            (Method::DELETE, "/_sealyard/faults"),
            (Method::GET, "/v2/"),
            (Method::GET, "/v2/_catalog"),
            (Method::GET, "/v2/app/manifests/v1"),
            (Method::POST, "/v2/app/blobs/uploads/"),
            (Method::PUT, "/v2/app/manifests/v2"),
            (Method::DELETE, "/v2/app/manifests/v1"),
            (Method::GET, "/oauth2/token?scope=repository:app:pull"),
            (Method::POST, "/oauth2/token"),
        ] {
            for kind in [
                "application/json",
                "text/plain",
                "application/x-www-form-urlencoded",
                "multipart/form-data; boundary=x",
            ] {
                let answer = from_page(&client, method.clone(), path, headers, kind).await;

                assert_eq!(
                    answer.status,
                    StatusCode::FORBIDDEN,
                    "{method} {path} {headers:?} {kind}"
                );
                let allowed = answer.headers.get("access-control-allow-origin");
                assert_eq!(allowed, None, "{method} {path} {headers:?}");
            }
        }
    }
    // A form without the headers of a newer browser.
    for kind in
        ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
    {
        let answer = from_page(&client, Method::POST, "/_sealyard/reset", &[], kind).await;
        assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{kind}");
    }
    assert_eq!(client.get("/v2/app/manifests/v1").await.status, StatusCode::OK);
    assert_eq!(client.get("/v2/app/tags/list").await.json()["tags"], json!(["v1"]));
}

#[tokio::test]
async fn a_page_of_this_emulator_and_a_person_at_the_address_bar_are_served() {
    let (emulator, client) = start().await;
    let own = format!("http://{}", emulator.registry_address());
    let own = own.replace("0.0.0.0", "127.0.0.1");

    for headers in [
        vec![("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate")],
        // A link of another page.
        vec![
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
        ],
        vec![("sec-fetch-site", "same-origin")],
        vec![("origin", own.as_str()), ("sec-fetch-site", "same-origin")],
        vec![],
    ] {
        for path in ["/_sealyard/status", "/_sealyard/health", "/v2/_catalog"] {
            let answer = from_page(&client, Method::GET, path, &headers, "application/json").await;
            assert_eq!(answer.status, StatusCode::OK, "{path} {headers:?}: {answer:?}");
        }
    }
}
