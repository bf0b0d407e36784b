//! A command sends the token of the admin API only to the emulator that the token belongs to.

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::program::{Ended, Home, PROGRAM};

/// A server that gives every request the same answer and records the `Authorization` headers.
struct Foreign {
    url: String,
    sent: Arc<Mutex<Vec<Option<String>>>>,
}

impl Foreign {
    async fn answering(status: StatusCode, body: Value) -> Self {
        let sent = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&sent);
        let answer = move |headers: HeaderMap| async move {
            let value = headers.get("authorization");
            kept.lock().unwrap().push(value.map(|value| value.to_str().unwrap().to_owned()));
            (status, axum::Json(body))
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            axum::serve(listener, Router::new().fallback(answer)).await.unwrap();
        });
        Self { url, sent }
    }

    #[track_caller]
    fn assert_was_sent_no_secret(&self) {
        let sent = self.sent.lock().unwrap();
        assert!(!sent.is_empty(), "the server got a request");
        assert!(sent.iter().all(Option::is_none), "{sent:?}");
    }
}

fn health_of(instance: &str) -> Value {
    json!({ "status": "ok", "instance": instance, "registries": [], "damaged": 0 })
}

#[tokio::test]
async fn the_token_of_a_data_folder_is_not_sent_to_another_server() {
    let (home, folder) = (Home::new(), tempfile::tempdir().unwrap());
    let folder = folder.path().to_str().unwrap();
    // A loopback listener needs no token, so the test writes a token as another listener would.
    let live = home.serve(&["--data-dir", folder]).await;
    std::fs::write(format!("{folder}/admin.token"), "secret").unwrap();

    for foreign in [
        Foreign::answering(StatusCode::NOT_FOUND, json!({})).await,
        Foreign::answering(StatusCode::OK, health_of("another")).await,
        Foreign::answering(StatusCode::OK, health_of("")).await,
    ] {
        let of_variable = async |args: &[&str]| {
            let mut command = home.command(PROGRAM);
            Ended::of(command.env("SEALYARD_DATA_DIR", folder).args(args)).await
        };
        for command in [["status"], ["password"], ["env"], ["doctor"]] {
            let mut args = command.to_vec();
            args.extend(["--endpoint", &foreign.url]);
            let ended = of_variable(&args).await;
            assert_ne!(ended.code, Some(0), "{command:?}: {ended:?}");
            args.extend(["--data-dir", folder]);
            home.run(&args).await;
        }
        foreign.assert_was_sent_no_secret();
    }
    live.stop().await;
}

#[tokio::test]
async fn the_token_of_a_data_folder_is_sent_to_its_emulator_under_any_url() {
    let (home, folder) = (Home::new(), tempfile::tempdir().unwrap());
    let folder = folder.path().to_str().unwrap();
    let live = Foreign::answering(StatusCode::OK, health_of("this")).await;
    let named = live.url.replace("127.0.0.1", "localhost");
    // An emulator in a container records another port than the published one.
    let serving = home.serve(&["--data-dir", folder]).await;
    let mut report = serving.report.clone();
    report["instance"] = json!("this");
    serving.stop().await;
    std::fs::write(format!("{folder}/endpoints.json"), report.to_string()).unwrap();
    std::fs::write(format!("{folder}/admin.token"), "secret").unwrap();

    home.run(&["status", "--data-dir", folder, "--endpoint", &named]).await;

    let sent = live.sent.lock().unwrap().clone();
    assert_eq!(sent, [None, Some("Bearer secret".to_owned())]);
}

#[tokio::test]
async fn a_token_in_the_environment_is_sent_only_to_an_emulator() {
    let home = Home::new();
    let run = async |foreign: &Foreign| {
        let mut command = home.command(PROGRAM);
        command.env("SEALYARD_ADMIN_TOKEN", "secret");
        Ended::of(command.args(["status", "--endpoint", &foreign.url])).await
    };
    let foreign = Foreign::answering(StatusCode::NOT_FOUND, json!({})).await;
    let emulator = Foreign::answering(StatusCode::OK, health_of("any")).await;

    let ended = run(&foreign).await;
    run(&emulator).await;

    assert_eq!(ended.code, Some(1), "{ended:?}");
    foreign.assert_was_sent_no_secret();
    let sent = emulator.sent.lock().unwrap().clone();
    assert_eq!(sent.last().unwrap().as_deref(), Some("Bearer secret"));
}
