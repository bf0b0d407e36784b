//! Tests of the admin API, as its clients use it.

use axum::body::Body;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::router;
use crate::app::App;
use crate::config::Config;
use crate::serve::Sealyard;

/// An emulator that lives as long as the test.
async fn emulator() -> (Sealyard, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        azure_listen: "127.0.0.1:0".parse().unwrap(),
        data_dir: folder.path().join("data"),
        ..Config::default()
    };
    (Sealyard::builder().config(config).start().await.unwrap(), folder)
}

async fn send(app: &App, method: &str, path: &str, body: Option<Value>) -> (StatusCode, String) {
    let mut request = Request::builder().method(method).uri(format!("/_sealyard{path}"));
    request = request.header(header::HOST, "localhost:5000");
    if body.is_some() {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    let response = router(app.clone()).oneshot(request.body(body).unwrap()).await.unwrap();
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

async fn json_of(app: &App, method: &str, path: &str, body: Option<Value>) -> (StatusCode, Value) {
    let (status, text) = send(app, method, path, body).await;
    (status, serde_json::from_str(&text).unwrap())
}

#[tokio::test]
async fn health_reports_the_state_of_each_registry() {
    let (emulator, _folder) = emulator().await;

    let (status, mut body) = json_of(emulator.app(), "GET", "/health", None).await;

    assert_eq!(status, StatusCode::OK);
    let since = body["registries"][0]["since"].take();
    assert!(since.is_string(), "{since}");
    let local = json!({ "name": "local", "state": "active", "cause": null, "since": null });
    let instance = emulator.endpoints().instance();
    let expected =
        json!({ "status": "ok", "instance": instance, "registries": [local], "damaged": 0 });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn a_disabled_key_makes_the_registry_unavailable_until_it_is_enabled() {
    let (emulator, _folder) = emulator().await;
    let app = emulator.app();

    let (status, disabled) =
        json_of(app, "POST", "/registries/local/key", Some(json!({ "operation": "disable" })))
            .await;
    let (refused, verify) = json_of(app, "POST", "/registries/local/verify", Some(json!({}))).await;
    let (_, enabled) =
        json_of(app, "POST", "/registries/local/key", Some(json!({ "operation": "enable" }))).await;

    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        (&disabled["state"], &disabled["cause"]),
        (&json!("unavailable"), &json!("keyDisabled"))
    );
    assert_eq!(refused, StatusCode::FORBIDDEN);
    assert_eq!(
        (&verify["error"]["code"], &verify["error"]["cause"]),
        (&json!("KeyRefused"), &json!("keyDisabled"))
    );
    assert_eq!((&enabled["state"], &enabled["cause"]), (&json!("active"), &Value::Null));
    assert_eq!(enabled["keyIdentifier"], disabled["keyIdentifier"]);
}

#[tokio::test]
async fn a_rotation_uses_the_new_version_at_once() {
    let (emulator, _folder) = emulator().await;
    let app = emulator.app();

    let (_, reply) =
        json_of(app, "POST", "/registries/local/key", Some(json!({ "operation": "rotate" }))).await;
    let (_, list) = json_of(app, "GET", "/registries/local/key", None).await;

    assert_eq!(reply["rotation"]["to"], reply["keyIdentifier"]);
    let current: Vec<bool> = list["versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|version| version["current"] == true)
        .collect();
    assert_eq!(current, [false, true]);
}

#[tokio::test]
async fn a_version_is_refused_for_operations_on_the_whole_key() {
    let (emulator, _folder) = emulator().await;
    let body = json!({ "operation": "rotate", "version": "0".repeat(32) });

    let (status, body) = json_of(emulator.app(), "POST", "/registries/local/key", Some(body)).await;

    assert_eq!((status, &body["error"]["code"]), (StatusCode::BAD_REQUEST, &json!("BadRequest")));
}

#[tokio::test]
async fn errors_are_json() {
    let (emulator, _folder) = emulator().await;
    let app = emulator.app();

    for (method, path, status, code) in [
        ("GET", "/nothing", 404, "NotFound"),
        ("DELETE", "/clock", 405, "MethodNotAllowed"),
        ("GET", "/registries/other/key", 404, "RegistryNotFound"),
        ("GET", "/audit?last=x", 400, "BadRequest"),
    ] {
        let (answered, body) = json_of(app, method, path, None).await;
        assert_eq!((answered.as_u16(), &body["error"]["code"]), (status, &json!(code)), "{path}");
    }
    for body in
        [json!({}), json!({ "operation": "explode" }), json!({ "operation": "disable", "more": 1 })]
    {
        let (answered, body) = json_of(app, "POST", "/registries/local/key", Some(body)).await;
        assert_eq!((answered.as_u16(), &body["error"]["code"]), (422, &json!("BadRequest")));
    }
}

#[tokio::test]
async fn verification_ends_with_its_result() {
    let (emulator, _folder) = emulator().await;

    let (status, text) =
        send(emulator.app(), "POST", "/registries/local/verify", Some(json!({}))).await;

    assert_eq!(status, StatusCode::OK);
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(last["verified"]["findings"], json!([]));
}

#[tokio::test]
async fn the_clock_moves_only_forward() {
    let (emulator, _folder) = emulator().await;
    let app = emulator.app();

    let (status, moved) = json_of(app, "POST", "/clock", Some(json!({ "advance": "PT1H" }))).await;
    let (back, refused) =
        json_of(app, "POST", "/clock", Some(json!({ "set": "2000-01-01T00:00:00Z" }))).await;

    assert_eq!((status, &moved["offset"]), (StatusCode::OK, &json!("PT1H")));
    let message = refused["error"]["message"].as_str().unwrap();
    assert_eq!(back, StatusCode::BAD_REQUEST);
    assert!(message.starts_with("the clock only moves forward, and it is 20"), "{message}");
}

#[tokio::test]
async fn the_endpoints_file_has_the_fields_of_status() {
    let (emulator, folder) = emulator().await;
    let path = folder.path().join("data/endpoints.json");

    let (_, status) = json_of(emulator.app(), "GET", "/status", None).await;

    let file: Value = serde_json::from_slice(&fs_err::read(&path).unwrap()).unwrap();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&file), keys(&status));
    assert_eq!(keys(&file["registries"][0]), keys(&status["registries"][0]));
    assert_eq!(file["pid"], std::process::id());
    emulator.shutdown().await;
    assert!(!path.exists(), "the file is gone with the process");
}

#[tokio::test]
async fn an_invalid_body_is_refused_with_the_fields_to_send() {
    let (emulator, _folder) = emulator().await;
    let key = "/registries/local/key";

    for (path, body, reason) in [
        (
            key,
            json!({}),
            r#"missing field `operation` at line 1 column 2; send {"operation": "newVersion""#,
        ),
        (key, json!({ "operation": "turn" }), "unknown variant `turn`"),
        (key, json!({ "operation": "rotate", "force": true }), r#""version"?: VERSION"#),
        ("/registries/local/revoke", json!({}), r#"send {"by": "policy""#),
        ("/registries", json!({ "name": 1 }), r#"send {"name": NAME, "sku"?"#),
        ("/identities", json!({ "nome": "x" }), r#"send {"name": NAME"#),
        ("/clock", json!({ "operation": "forward" }), r#"send one of {"advance": "PT1H"}"#),
        ("/faults", json!({}), "a rule needs on, the class of requests, and kind: latency"),
    ] {
        let (status, answer) = json_of(emulator.app(), "POST", path, Some(body.clone())).await;

        let expected = if path == "/faults" { 400 } else { 422 };
        assert_eq!(status.as_u16(), expected, "{path} {body}: {answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains(reason), "{path} {body}: {message}");
        assert!(!message.contains("deserialize"), "{path} {body}: {message}");
    }
}
