//! Events of a key are reported as a list, as a stream and in metrics.

use futures::StreamExt as _;
use reqwest::{Method, StatusCode};

use crate::support::{Client, start_with_clock};

async fn list(client: &Client) -> Vec<serde_json::Value> {
    let request = client.request(Method::GET, "/_sealyard/events");
    let answer = request.header("accept", "application/json").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let mut list: serde_json::Value = answer.json().await.unwrap();
    list["events"].take().as_array().unwrap().clone()
}

#[tokio::test]
async fn a_revocation_its_end_and_a_rotation_are_reported_in_order_with_their_registry() {
    let (_emulator, client, _clock) = start_with_clock().await;

    client.key("disable").await;
    client.key("enable").await;
    client.key("rotate").await;

    let sent = list(&client).await;
    let sent: Vec<_> = sent.iter().filter(|event| event["from"] != "checking").collect();
    let events: Vec<_> = sent.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["stateChanged", "stateChanged", "rotated"], "{sent:?}");
    assert_eq!((&sent[0]["from"], &sent[0]["to"]), (&"active".into(), &"unavailable".into()));
    assert_eq!(sent[0]["cause"], "keyDisabled");
    assert_eq!((&sent[1]["to"], sent[1].get("cause")), (&"active".into(), None));
    assert_eq!(sent[2]["keyIdentifier"], sent[2]["to"]);
    assert!(sent[2]["to"].as_str().unwrap().starts_with("https://"), "{}", sent[2]);
    assert!(sent.iter().all(|event| event["registry"] == "local"));
}

#[tokio::test]
async fn a_stream_continues_after_the_last_event_id_of_the_client() {
    let (_emulator, client, _clock) = start_with_clock().await;
    client.key("disable").await;
    let first = list(&client).await[0]["number"].as_u64().unwrap();

    let request = client.request(Method::GET, "/_sealyard/events");
    let before = (first - 1).to_string();
    let answer = request.header("last-event-id", before).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let mut stream = answer.bytes_stream();
    client.key("enable").await;
    let mut text = String::new();
    while !text.contains(r#""to":"active""#) {
        text.push_str(std::str::from_utf8(&stream.next().await.unwrap().unwrap()).unwrap());
    }

    let at = |needle: &str| text.find(needle).unwrap_or_else(|| panic!("{needle} in {text}"));
    assert!(at(r#""to":"unavailable""#) < at(r#""to":"active""#));
    assert!(text.contains("event: stateChanged") && text.contains(&format!("id: {first}")));
}

#[tokio::test]
async fn calls_transitions_rotations_and_states_are_counted() {
    let (_emulator, client, _clock) = start_with_clock().await;
    client.push_blob("app", b"layer").await;
    client.key("rotate").await;

    client.key("disable").await;
    let metrics = client.get("/_sealyard/metrics").await;

    let text = String::from_utf8(metrics.body).unwrap();
    for line in [
        r#"sealyard_registry_state{registry="local",state="unavailable"} 1"#,
        r#"sealyard_registry_state{registry="local",state="active"} 0"#,
        r#"sealyard_state_transitions_total{registry="local",to="unavailable",cause="keyDisabled"} 1"#,
        r#"sealyard_rotations_total{registry="local",result="rotated"} 1"#,
        r#"sealyard_vault_calls_total{registry="local",operation="wrapKey",result="ok"}"#,
        r#"sealyard_vault_calls_total{registry="local",operation="unwrapKey",result="KeyDisabled"}"#,
        r#"sealyard_lease_renewals_total{registry="local",result="ok"}"#,
        "# EOF",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
}
