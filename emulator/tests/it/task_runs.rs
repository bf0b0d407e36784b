//! Logs of task runs: they are content like any other and expire after a day.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Answer, Client, content, start, start_with_clock};

const RUNS: &str = "/_sealyard/registries/local/runs";

async fn post(client: &Client, path: &str, log: &[u8]) -> Answer {
    let request = client.request(Method::POST, path);
    let request = request.header("content-type", "application/octet-stream");
    Answer::of(request.body(log.to_vec()).send().await.unwrap()).await
}

async fn add(client: &Client, log: &[u8]) -> Value {
    let answer = post(client, &format!("{RUNS}?name=build"), log).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    answer.json()
}

async fn log_of(client: &Client, run: &Value) -> Answer {
    client.get(&format!("{RUNS}/{}/log", run["runId"].as_str().unwrap())).await
}

async fn ids(client: &Client) -> Vec<String> {
    let runs = client.get(RUNS).await.json();
    let runs = runs["value"].as_array().unwrap().iter();
    runs.map(|run| run["runId"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_log_is_stored_listed_read_to_the_byte_and_deleted() {
    let (_emulator, client) = start().await;
    let (short, long) = (content::bytes(1, 100), content::bytes(2, 700_000));

    let first = add(&client, &short).await;
    let second = add(&client, &long).await;
    let empty = add(&client, b"").await;

    assert_eq!(
        (&first["runId"], &first["status"], &first["task"]),
        (&json!("cb1"), &json!("Succeeded"), &json!("build"))
    );
    assert_eq!(second["logSize"], 700_000);
    assert_eq!(ids(&client).await, ["cb3", "cb2", "cb1"]);
    for (run, bytes) in [(&first, &short), (&second, &long), (&empty, &Vec::new())] {
        let log = log_of(&client, run).await;
        assert_eq!(
            (log.status, log.header("content-type")),
            (StatusCode::OK, "text/plain; charset=utf-8")
        );
        assert!(log.body == *bytes);
    }
    assert_eq!(
        client.send(Method::DELETE, &format!("{RUNS}/cb2"), "").await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        client.send(Method::DELETE, &format!("{RUNS}/cb2"), "").await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(log_of(&client, &second).await.status, StatusCode::NOT_FOUND);
    assert_eq!(add(&client, b"x").await["runId"], "cb4", "a run id is never reused");
    for bad in ["cb", "cb01", "1", "CB1"] {
        assert_eq!(
            client.get(&format!("{RUNS}/{bad}")).await.status,
            StatusCode::BAD_REQUEST,
            "{bad}"
        );
    }
    let unknown = post(&client, &format!("{RUNS}?status=Fine"), b"x").await;
    assert_eq!(unknown.status, StatusCode::BAD_REQUEST, "{unknown:?}");
}

#[tokio::test]
async fn a_log_expires_after_a_day_by_the_clock_and_not_before() {
    let (emulator, client, _clock) = start_with_clock().await;
    let first = add(&client, b"the first log of all").await;
    emulator.advance(Duration::from_hours(1)).await.unwrap();
    let second = add(&client, b"the second log").await;
    let files = |emulator: &sealyard::Sealyard| {
        let folder = emulator.endpoints().data_dir().join("files");
        let shards = std::fs::read_dir(folder).unwrap();
        shards.map(|shard| std::fs::read_dir(shard.unwrap().path()).unwrap().count()).sum::<usize>()
    };
    assert_eq!(files(&emulator), 2);

    emulator
        .advance(Duration::from_hours(23).checked_sub(Duration::from_secs(1)).unwrap())
        .await
        .unwrap();
    assert_eq!(log_of(&client, &first).await.body, b"the first log of all");
    emulator.advance(Duration::from_secs(1)).await.unwrap();

    assert_eq!(log_of(&client, &first).await.status, StatusCode::NOT_FOUND);
    assert_eq!(log_of(&client, &second).await.body, b"the second log");
    assert_eq!(files(&emulator), 1, "the file is deleted as well");
    emulator.advance(Duration::from_hours(24 * 90)).await.unwrap();
    assert!(ids(&client).await.is_empty());
    assert_eq!(files(&emulator), 0);
}

#[tokio::test]
async fn while_the_key_is_disabled_a_log_is_refused_and_its_run_is_still_listed() {
    let (_emulator, client) = start().await;
    let run = add(&client, b"what the build said").await;

    client.key("disable").await;

    let refused = log_of(&client, &run).await;
    assert_eq!(
        (refused.status, &refused.json()["error"]["code"]),
        (StatusCode::FORBIDDEN, &json!("KeyRefused"))
    );
    assert_eq!(post(&client, RUNS, b"more").await.status, StatusCode::FORBIDDEN);
    assert_eq!(ids(&client).await, ["cb1"]);
    client.key("enable").await;
    assert_eq!(log_of(&client, &run).await.body, b"what the build said");
}

#[tokio::test]
async fn the_data_key_of_a_log_is_not_retired() {
    let (emulator, client) = start().await;
    let run = add(&client, b"sealed under the first data key").await;

    client.key("rotate").await;
    client.key("rotate").await;
    let retired = emulator.registry().key_ring().retire_unused().await.unwrap();

    assert_eq!(retired, 1, "only the unused data key is retired");
    assert_eq!(log_of(&client, &run).await.body, b"sealed under the first data key");
}

#[tokio::test]
async fn verification_reads_logs_and_finds_a_damaged_one() {
    let (emulator, client) = start().await;
    add(&client, &content::bytes(1, 1000)).await;
    let verify = async || {
        let content = emulator.registry().content().await.unwrap();
        content.verify(false, |_| ()).await.unwrap()
    };
    let sound = verify().await;
    assert!(sound.worst().is_none() && sound.logs == 1 && sound.bytes == 1000, "{sound:?}");

    let shards = std::fs::read_dir(emulator.endpoints().data_dir().join("files")).unwrap();
    let mut files = shards.flat_map(|shard| std::fs::read_dir(shard.unwrap().path()).unwrap());
    let file = files.next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();

    let damaged = verify().await;
    assert_eq!(damaged.findings.len(), 1, "{damaged:?}");
    assert!(damaged.findings[0].object.contains("cb1"), "{damaged:?}");
}
