//! Several emulators of one user: which of them a command uses.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::support::Client;
use crate::support::program::{Ended, Home, PROGRAM};

async fn state_of(url: &str) -> Value {
    Client::at(url).get("/_sealyard/health").await.json()["registries"][0]["state"].clone()
}

fn others(status: &Value) -> Vec<&str> {
    let others = status["others"].as_array().unwrap();
    others.iter().map(|entry| entry["registry"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn commands_use_the_emulator_in_the_default_folder_while_an_ephemeral_one_runs() {
    let home = Home::new();
    let default = home.serve(&[]).await;
    let ephemeral = home.serve(&["--ephemeral"]).await;
    let status = async || home.run(&["status", "--json"]).await.json();

    let both = status().await;
    let revoked = home.run(&["revoke", "--by", "policy"]).await;
    let states = [state_of(default.url()).await, state_of(ephemeral.url()).await];
    let gone = ephemeral.url().to_owned();
    ephemeral.stop().await;
    let left = status().await;

    assert_eq!(both["registry"], default.url());
    assert_eq!(others(&both), [gone]);
    assert_eq!(revoked.code, Some(0), "{revoked:?}");
    assert_eq!(states, [json!("unavailable"), json!("active")]);
    assert_eq!((&left["registry"], others(&left).len()), (&json!(default.url()), 0));
    default.stop().await;
    assert_eq!(home.run(&["status"]).await.code, Some(3));
    assert!(home.entries().is_empty(), "{:?}", home.entries());
}

#[tokio::test]
async fn without_a_default_a_command_uses_the_only_running_emulator() {
    let home = Home::new();
    let only = home.serve(&["--ephemeral"]).await;

    let status = home.run(&["status", "--json"]).await;
    let human = home.run(&["status"]).await;

    assert_eq!(status.json()["registry"], only.url(), "{status:?}");
    assert!(!human.out.contains("other running emulators"), "{human:?}");
    let [entry] = &home.entries()[..] else { panic!("{:?}", home.entries()) };
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode();
    assert_eq!((mode(entry) & 0o777, mode(&home.runtime_folder()) & 0o777), (0o600, 0o700));
}

#[tokio::test]
async fn with_several_emulators_and_no_default_a_command_lists_them_and_changes_nothing() {
    let home = Home::new();
    let (one, two) = tokio::join!(home.serve(&["--ephemeral"]), home.serve(&["--ephemeral"]));
    let commands: [&[&str]; 7] = [
        &["status"],
        &["revoke", "--by", "policy"],
        &["reset", "--yes"],
        &["key", "disable"],
        &["env"],
        &["health"],
        &["doctor"],
    ];

    for command in commands {
        let ended = home.run(command).await;

        assert_eq!(ended.code, Some(3), "{command:?}: {ended:?}");
        for url in [one.url(), two.url()] {
            let said = format!("{}{}", ended.out, ended.err);
            assert!(said.contains(&format!("--endpoint {url}")), "{command:?}: {ended:?}");
        }
    }
    let json = home.run(&["status", "--json"]).await;
    let error: Value = serde_json::from_str(&json.err).unwrap();
    assert_eq!(error["error"]["code"], "SeveralRunning");
    assert_eq!(error["error"]["emulators"].as_array().unwrap().len(), 2);
    for emulator in [&one, &two] {
        assert_eq!(state_of(emulator.url()).await, "active");
        let status = home.run(&["status", "--json", "--endpoint", emulator.url()]).await;
        assert_eq!(status.json()["registry"], emulator.url());
        assert_eq!(status.json().get("others"), None, "the command named its emulator");
    }
}

#[tokio::test]
async fn the_entry_of_an_emulator_that_was_killed_is_removed_by_the_next_command() {
    let home = Home::new();
    let (killed, other) = tokio::join!(home.serve(&["--ephemeral"]), home.serve(&["--ephemeral"]));
    killed.kill().await;
    assert_eq!(home.entries().len(), 2);

    let status = home.run(&["status", "--json"]).await;

    assert_eq!(status.json()["registry"], other.url(), "{status:?}");
    assert_eq!(home.entries().len(), 1);
}

#[tokio::test]
async fn an_entry_with_a_reused_process_id_or_port_is_removed() {
    let home = Home::new();
    let live = home.serve(&["--ephemeral"]).await;
    let put = |name: &str, registry: &str, instance: &str| {
        let entry = json!({
            "registry": registry, "pid": std::process::id(), "instance": instance, "dataDir": "/d",
        });
        let path = home.runtime_folder().join(name);
        std::fs::write(&path, entry.to_string()).unwrap();
        path
    };
    // Both process ids belong to another program. At the first address no program listens, at the second another emulator.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let dead = put("1-a.json", &format!("http://{closed}"), "a");
    let reused = put("1-b.json", live.url(), "b");

    let status = home.run(&["status", "--json"]).await;

    assert_eq!(status.json()["registry"], live.url(), "{status:?}");
    assert_eq!(others(&status.json()).len(), 0);
    assert!(!dead.exists() && !reused.exists());
    assert_eq!(home.entries().len(), 1);
}

#[tokio::test]
async fn a_stale_endpoints_file_does_not_lead_to_another_emulator() {
    let (home, folder) = (Home::new(), tempfile::tempdir().unwrap());
    let live = home.serve(&["--ephemeral"]).await;
    let mut stale = live.report.clone();
    stale["instance"] = json!("another");
    stale["pid"] = json!(std::process::id());
    std::fs::write(folder.path().join("endpoints.json"), stale.to_string()).unwrap();

    let status = home.run(&["status", "--data-dir", folder.path().to_str().unwrap()]).await;

    assert_eq!(status.code, Some(3), "{status:?}");
}

#[tokio::test]
async fn emulators_that_start_and_stop_simultaneously_keep_their_own_entries() {
    let home = Home::new();
    let serve = || home.serve(&["--ephemeral"]);
    let (one, two, three) = tokio::join!(serve(), serve(), serve());
    assert_eq!(home.entries().len(), 3);

    let ((), (), four) = tokio::join!(one.stop(), two.stop(), serve());

    let entries = home.entries();
    assert_eq!(entries.len(), 2, "{entries:?}");
    let pids: Vec<String> =
        [&three, &four].iter().map(|serving| format!("{}-", serving.report["pid"])).collect();
    for entry in &entries {
        let name = entry.file_name().unwrap().to_str().unwrap();
        assert!(pids.iter().any(|pid| name.starts_with(pid)), "{name}");
    }
}

#[tokio::test]
async fn a_named_folder_leads_to_its_emulator_and_not_to_an_ephemeral_one() {
    let (home, folder) = (Home::new(), tempfile::tempdir().unwrap());
    let folder = folder.path().to_str().unwrap();
    let of_folder = async || {
        home.run(&["status", "--json", "--data-dir", folder]).await.json()["registry"].clone()
    };
    let ephemeral = home.serve(&["--ephemeral", "--data-dir", folder]).await;
    assert_eq!(of_folder().await, ephemeral.url());
    ephemeral.stop().await;

    let owner = home.serve(&["--data-dir", folder]).await;
    let guest = home.serve(&["--ephemeral", "--data-dir", folder]).await;
    assert_eq!(of_folder().await, owner.url());
    guest.stop().await;

    assert_eq!(of_folder().await, owner.url());
    // The option takes precedence over a variable that names another emulator.
    let mut command = home.command(PROGRAM);
    command.env("SEALYARD_ENDPOINT", "http://127.0.0.1:1");
    let status = Ended::of(command.args(["status", "--json", "--data-dir", folder])).await;
    assert_eq!(status.json()["registry"], owner.url(), "{status:?}");
}

#[tokio::test]
async fn a_runtime_folder_of_another_user_is_refused() {
    let home = Home::new();
    if !rustix::process::geteuid().is_root() {
        // Only root can change the owner of a folder. A unit test covers the refusal for other users.
        return;
    }
    std::os::unix::fs::chown(home.path().join("run"), Some(12_345), None).unwrap();

    let serving = home.serve(&["--ephemeral"]).await;
    let status = home.run(&["status"]).await;
    let named = home.run(&["status", "--json", "--endpoint", serving.url()]).await;

    assert_eq!(status.code, Some(1), "{status:?}");
    assert!(status.err.contains("belongs to user 12345"), "{status:?}");
    assert_eq!(named.json()["registry"], serving.url());
    assert!(home.entries().is_empty());
}
