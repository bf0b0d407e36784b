//! The program as its own process, which a test can kill and whose memory it can read.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};

use super::Client;
use super::program::{PROGRAM, isolate};

/// A running program, which is killed when this is dropped, a client of it, and its endpoints.
pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) client: Client,
    pub(crate) endpoints: serde_json::Value,
}

/// Starts the program on free ports with its data in a folder, and waits until it has written its endpoints.
pub(crate) async fn spawn(folder: &Path, more: &[&str]) -> Process {
    spawn_beside(folder, "127.0.0.1:0", more).await
}

/// The same, with the Azure side at this address.
pub(crate) async fn spawn_beside(folder: &Path, azure: &str, more: &[&str]) -> Process {
    let endpoints = folder.join("endpoints.json");
    let _ = std::fs::remove_file(&endpoints);
    let mut command = Command::new(PROGRAM);
    isolate(&mut command, folder);
    let child = command
        .args(["serve", "--listen", "127.0.0.1:0", "--azure-listen", azure])
        .args(more)
        .arg("--data-dir")
        .arg(folder.join("data"))
        .arg("--endpoints-file")
        .arg(&endpoints)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let document = tokio::time::timeout(Duration::from_mins(1), async {
        loop {
            if let Ok(text) = std::fs::read_to_string(&endpoints)
                && let Ok(document) = serde_json::from_str::<serde_json::Value>(&text)
            {
                return document;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("the program writes its endpoints");
    let client = Client::at(document["registry"].as_str().unwrap());
    Process { child, client, endpoints: document }
}
