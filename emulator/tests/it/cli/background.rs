//! The commands `start` and `stop`.

use std::process::Stdio;

use serde_json::json;

use crate::support::Client;
use crate::support::program::{Home, PROGRAM};

const FREE: [&str; 4] = ["--listen", "0", "--azure-listen", "0"];

#[tokio::test]
async fn start_returns_when_the_registry_answers_and_stop_ends_it_and_keeps_the_data() {
    let home = Home::new();
    let folder = home.path().join("data/sealyard");

    let started = home.run(&[&["start", "--json"][..], &FREE].concat()).await;
    let report = started.json();
    let url = report["registry"].as_str().unwrap();
    Client::at(url).push_image("app", "v1", &[b"layer"]).await;
    let pid = std::fs::read_to_string(folder.join("serve.pid")).unwrap();
    let again = home.run(&["start"]).await;
    // Without this file another start does not see the emulator, as during its start.
    std::fs::rename(folder.join("endpoints.json"), home.path().join("away")).unwrap();
    let too_early = home.run(&["start"]).await;
    std::fs::rename(home.path().join("away"), folder.join("endpoints.json")).unwrap();
    let kept = std::fs::read_to_string(folder.join("serve.pid")).unwrap();
    let stopped = home.run(&["stop"]).await;
    let after = home.run(&["status"]).await;
    let gone = home.run(&["stop"]).await;

    assert_eq!(started.code, Some(0), "{started:?}");
    assert_eq!(too_early.code, Some(1), "{too_early:?}");
    assert_eq!(json!(pid.trim().parse::<u64>().unwrap()), report["pid"]);
    assert!(again.err.contains("already runs for") && again.code == Some(1), "{again:?}");
    assert!(kept == pid, "{kept}");
    assert_eq!((stopped.code, after.code, gone.code), (Some(0), Some(3), Some(3)), "{stopped:?}");
    assert!(!folder.join("serve.pid").exists() && folder.join("serve.log").exists());
    let second = home.run(&[&["start", "--json"][..], &FREE].concat()).await;
    let client = Client::at(second.json()["registry"].as_str().unwrap());
    assert_eq!(client.pull_blob("app", b"layer").await.body, b"layer");
    assert_eq!(home.run(&["stop"]).await.code, Some(0));
}

#[tokio::test]
async fn an_ephemeral_emulator_in_the_background_leaves_nothing() {
    let home = Home::new();

    let started = home.run(&[&["start", "--ephemeral"][..], &FREE].concat()).await;
    let running = home.entries().len();
    let stopped = home.run(&["stop"]).await;

    assert_eq!((started.code, stopped.code), (Some(0), Some(0)), "{started:?} {stopped:?}");
    assert!(started.out.contains("which is removed at exit"), "{started:?}");
    assert!(started.out.trim_end().ends_with("stop` stops the emulator."), "{started:?}");
    assert_eq!(running, 3, "the entry, the log and the process id");
    assert!(home.entries().is_empty(), "{:?}", home.entries());
    assert!(!home.path().join("data/sealyard").exists());
}

#[tokio::test]
async fn a_start_that_fails_gives_the_reason_and_does_not_change_a_foreign_folder() {
    let home = Home::new();
    let foreign = home.path().join("foreign");
    std::fs::create_dir(&foreign).unwrap();
    std::fs::write(foreign.join("serve.log"), "dear").unwrap();
    let folder = foreign.to_str().unwrap();

    let refused = home.run(&[&["start", "--data-dir", folder][..], &FREE].concat()).await;
    let wrong = home.run(&["start", "--key-lease", "9d"]).await;

    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.err.contains("is not a data folder of Sealyard"), "{refused:?}");
    assert_eq!(std::fs::read_dir(&foreign).unwrap().count(), 1);
    assert_eq!(std::fs::read_to_string(foreign.join("serve.log")).unwrap(), "dear");
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
}

#[tokio::test]
async fn stop_does_not_end_another_program_that_reused_the_process_id() {
    let home = Home::new();
    let serving = home.serve(&[]).await;
    let folder = std::path::PathBuf::from(serving.report["dataDir"].as_str().unwrap());
    let mut report = serving.report.clone();
    serving.kill().await;
    let mut other = home.command("sleep").arg("60").stdout(Stdio::null()).spawn().unwrap();
    let pid = other.id().unwrap();
    report["pid"] = json!(pid);
    std::fs::write(folder.join("endpoints.json"), report.to_string()).unwrap();
    std::fs::write(folder.join("serve.pid"), format!("{pid}\n")).unwrap();
    std::fs::write(folder.join("lock"), format!("{pid:<10}\n")).unwrap();

    let stopped = home.run(&["stop"]).await;

    assert_eq!(stopped.code, Some(3), "{stopped:?}");
    assert_eq!(other.try_wait().unwrap(), None, "the other program still runs");
    other.kill().await.unwrap();
}

#[tokio::test]
async fn stop_ends_only_the_named_emulator() {
    let home = Home::new();
    let (one, two) = tokio::join!(home.serve(&["--ephemeral"]), home.serve(&["--ephemeral"]));

    let several = home.run(&["stop"]).await;
    let stopped = home.run(&["stop", "--endpoint", one.url()]).await;
    let left = home.run(&["status", "--json"]).await;

    assert_eq!(several.code, Some(3), "{several:?}");
    assert_eq!(stopped.code, Some(0), "{stopped:?}");
    assert_eq!(left.json()["registry"], two.url());
    two.stop().await;
}

#[tokio::test]
async fn stop_ends_the_named_emulator_when_two_folders_have_the_same_relative_path() {
    let home = Home::new();
    let mut started = Vec::new();
    for folder in ["a", "b"] {
        let at = home.path().join(folder);
        std::fs::create_dir(&at).unwrap();
        let mut command = home.command(PROGRAM);
        command.current_dir(&at).args(["start", "--json", "--data-dir", "data"]).args(FREE);
        let output = command.output().await.unwrap();
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        started.push((at, report["registry"].as_str().unwrap().to_owned()));
    }
    let [(_, one), (at, two)] = &started[..] else { unreachable!() };

    let mut command = home.command(PROGRAM);
    let stopped = command.current_dir(at).args(["stop", "--endpoint", one]).output().await.unwrap();
    let left = home.run(&["status", "--json"]).await;
    let last = home.run(&["stop"]).await;

    assert!(stopped.status.success(), "{stopped:?}");
    assert_eq!(left.json()["registry"], two.as_str());
    assert_eq!(last.code, Some(0), "{last:?}");
}
