//! The program as a process of its own, which can be killed and whose memory can be read.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};

use super::Client;

/// A running program, which is killed with this, and a client of it.
pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) client: Client,
}

/// Starts the program on free ports, with its data in a folder, and waits until it says where it listens.
pub(crate) async fn spawn(folder: &Path, more: &[&str]) -> Process {
    let endpoints = folder.join("endpoints.json");
    let _ = std::fs::remove_file(&endpoints);
    let child = Command::new(env!("CARGO_BIN_EXE_sealyard"))
        .args(["serve", "--listen", "127.0.0.1:0", "--azure-listen", "127.0.0.1:0"])
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
    .expect("the program says where it listens");
    let client = Client::at(document["registry"].as_str().unwrap());
    Process { child, client }
}
