//! Paths that try to reach an object whose access was not checked, or a file.

use reqwest::Method;

use super::doors::{Door, open, statuses};
use crate::acr_login::{close, scoped};
use crate::support::raw::Raw;
use crate::support::start;

/// The answer to a path as it is: an HTTP library would normalise it.
async fn ask(door: &Door, method: &str, path: &str) -> String {
    let host = &door.host;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    );
    door.exchange(head).await
}

/// Paths that climb, have an empty or a dotted segment, or are encoded more than once.
const TRICKS: [&str; 22] = [
    "/../../../etc/passwd",
    "/..%2f..%2f..%2fetc%2fpasswd",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/%252e%252e%252fetc%252fpasswd",
    "/..;/etc/passwd",
    "/..\\..\\etc\\passwd",
    "/..%5c..%5cetc%5cpasswd",
    "/%c0%ae%c0%ae/%c0%ae%c0%ae/etc/passwd",
    "/v2/app/../other/manifests/v1",
    "/v2/app/..%2fother/manifests/v1",
    "/v2/app/%2e%2e/other/manifests/v1",
    "/v2/app%252f..%252fother/manifests/v1",
    "/v2//other/manifests/v1",
    "/v2/./other/manifests/v1",
    "/v2/other%00/manifests/v1",
    "/v2/other/manifests/v1%00",
    "/v2/other%0d%0ax/manifests/v1",
    "/v2/other/manifests/..%2fv1",
    "/v2/other/manifests/%76%31%2f",
    "/v2/other/blobs/sha256:..%2f..%2f..%2f..%2fetc%2fpasswd",
    "/v2/other/blobs/uploads/..%2f..%2fservice.key",
    "//localhost/v2/other/manifests/v1",
];

#[tokio::test]
async fn no_trick_in_a_path_reaches_content_or_a_file_on_any_listener() {
    let (emulator, doors) = open().await;
    let local = crate::support::Client::of(&emulator);
    local.push_image("other", "v1", &[b"layer of the other"]).await;

    for door in &doors {
        for trick in TRICKS {
            for method in ["GET", "PUT", "DELETE"] {
                let answer = ask(door, method, trick).await;

                let status: Vec<_> = statuses(&answer);
                assert!(
                    status.len() == 1 && status[0].starts_with('4'),
                    "{}: {method} {trick}: {answer}",
                    door.service
                );
                assert!(!answer.contains("root:"), "{trick}: {answer}");
            }
        }
    }
    assert_eq!(local.get("/v2/other/manifests/v1").await.status, 200);
}

#[tokio::test]
async fn tricks_in_the_names_of_the_admin_api_are_refused() {
    let (emulator, doors) = open().await;
    let admin = doors.iter().find(|door| door.service == "the admin API").unwrap();

    for path in [
        "/_sealyard/registries/..%2f..%2fetc",
        "/_sealyard/registries/%2e%2e/key",
        "/_sealyard/registries/local%00/key",
        "/_sealyard/registries/local%2fkey",
        "/_sealyard/registries/local/runs/..%2f..%2fservice.key/log",
        "/_sealyard/registries/local/runs/%252e%252e/log",
        "/_sealyard/../_sealyard/status",
        "/_sealyard//status",
        "/v2/../_sealyard/status",
        "/%5fsealyard/status",
    ] {
        let answer = ask(admin, "GET", path).await;

        assert_eq!(&statuses(&answer)[0][..1], "4", "{path}: {answer}");
    }
    let long = format!("/_sealyard/registries/{}", "a".repeat(20_000));
    let answer = ask(admin, "GET", &long).await;
    assert_eq!(&statuses(&answer)[0][..1], "4", "{answer}");
    drop(emulator);
}

#[tokio::test]
async fn names_up_to_the_limit_are_accepted_and_longer_ones_refused_with_the_code_of_the_specification()
 {
    let (_emulator, client) = start().await;
    client.push_image(&"a".repeat(255), &"t".repeat(128), &[b"layer"]).await;
    let put = async |repository: &str, tag: &str| {
        let path = format!("/v2/{repository}/manifests/{tag}");
        let answer = client.send(Method::PUT, &path, "{}").await;
        (answer.status.as_u16(), answer.code())
    };

    assert_eq!(put(&"a".repeat(256), "v1").await, (400, "NAME_INVALID".to_owned()));
    assert_eq!(put(&"a/".repeat(10_000), "v1").await, (400, "NAME_INVALID".to_owned()));
    assert_eq!(put("app", &"t".repeat(129)).await, (400, "MANIFEST_INVALID".to_owned()));
    assert_eq!(put("app", &"t".repeat(20_000)).await, (400, "MANIFEST_INVALID".to_owned()));
}

#[tokio::test]
async fn a_login_for_one_repository_reaches_no_other_by_a_trick_in_the_path() {
    let (emulator, client) = start().await;
    close(&emulator, &client).await;
    let password = scoped(&emulator, "reader", &["repositories/app/content/read"]).await;
    let login = base64::Engine::encode(
        &base64::engine::general_purpose::STANDARD,
        format!("reader:{password}"),
    );
    let get = async |path: &str| {
        let head = format!(
            "GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Basic {login}\r\nconnection: close\r\n\r\n"
        );
        Raw::plain(emulator.registry_address()).send(head).await.answer().await
    };

    let own = get("/v2/app/manifests/v1").await;
    let encoded = get("/v2/%61pp/manifests/v1").await;
    assert_eq!((statuses(&own), statuses(&encoded)), (vec!["200"], vec!["200"]));
    for path in TRICKS.iter().filter(|path| path.contains("other")) {
        let answer = get(path).await;
        assert_eq!(&statuses(&answer)[0][..1], "4", "{path}: {answer}");
    }
    for path in ["/v2/other/manifests/v1", "/v2/%6fther/manifests/v1", "/v2/%6Fther/manifests/v1"] {
        assert_eq!(statuses(&get(path).await), ["401"], "{path}");
    }
}
