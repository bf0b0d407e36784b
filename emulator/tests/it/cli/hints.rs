//! Every command that a message prints works as printed: it acts on the emulator that the message is about, and changes
//! no other emulator.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use sealyard::Sealyard;
use sealyard::internals::cli::{FREE_PORT, Hint, Hints};
use serde_json::Value;

use crate::support::Client;
use crate::support::program::{Ended, Home, PROGRAM, Serving};
use crate::support::start;

/// The status, key and faults that an emulator reports.
async fn state_of(url: &str) -> [Value; 3] {
    let client = Client::at(url);
    let get = async |path: &str| client.get(&format!("/_sealyard{path}")).await.json();
    let mut status = get("/status").await;
    status["clock"]["now"] = Value::Null;
    [status, get("/registries/local/key").await, get("/faults").await]
}

/// Writes stand-ins for the programs that hints run, and returns a PATH that finds them first.
fn tools(home: &Home) -> OsString {
    let folder = home.path().join("bin");
    std::fs::create_dir_all(&folder).unwrap();
    let put = |name: &str, script: &str| {
        let path = folder.join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    };
    put("sudo", "cat");
    put("az", "echo \"az $*\"");
    let path = std::env::var_os("PATH").unwrap();
    let folders = std::iter::once(folder).chain(std::env::split_paths(&path));
    std::env::join_paths(folders).unwrap()
}

async fn typed(line: &str, home: &Home) -> Ended {
    let path = tools(home);
    Ended::of(home.command("sh").env("PATH", path).arg("-c").arg(line)).await
}

/// Creates the state in which the command has something to do.
async fn prepare(hint: &Hint<'_>, emulator: &Sealyard, home: &Home) {
    let url = emulator.registry_url();
    emulator.create_identity("puller").await.unwrap();
    if let Hint::KeyRecover { .. } = hint {
        assert_eq!(home.run(&["key", "delete", "--endpoint", &url]).await.code, Some(0));
    }
}

#[tokio::test]
async fn every_printed_command_works_as_printed_and_does_not_change_the_default_emulator() {
    let home = Home::new();
    // A command without options would find this emulator.
    let default = home.serve(&[]).await;
    let before = state_of(default.url()).await;

    for hint in Hint::samples("local", "puller") {
        // These two start and stop processes; `background.rs` tests them.
        if matches!(hint, Hint::Serve { .. } | Hint::Stop) {
            continue;
        }
        let (emulator, _client) = start().await;
        let url = emulator.registry_url();
        prepare(&hint, &emulator, &home).await;
        let line = Hints::new(Some(&PROGRAM.into()), None).at(&url).line(&hint);

        let ended = typed(&line, &home).await;
        emulator.shutdown().await;
        let without = typed(&line, &home).await;

        // `CMD` is a placeholder, so the shell does not find it.
        let expected = if hint == Hint::RunCommand { Some(127) } else { Some(0) };
        assert_eq!(ended.code, expected, "{line}: {ended:?}");
        let message = format!("no emulator answers at {url}");
        let said = format!("{}{}", without.out, without.err);
        assert!(
            said.contains(&message),
            "the command asks this emulator only: {line}: {without:?}"
        );
    }

    assert_eq!(state_of(default.url()).await, before);
}

#[tokio::test]
async fn the_printed_serve_command_starts_an_emulator_in_the_named_folder() {
    let home = Home::new();
    let folder = home.path().join("a folder");
    let hint = Hint::Serve { listen: Some(FREE_PORT), azure_listen: Some(FREE_PORT) };
    let line = Hints::new(Some(&PROGRAM.into()), Some(folder.clone().into())).line(&hint);

    let mut command = home.command("sh");
    command.arg("-c").arg(format!("exec {line}")).stdout(std::process::Stdio::null());
    let started = command.spawn().unwrap();
    let serving = Serving::found(started, &folder.join("endpoints.json")).await;

    assert_eq!(serving.report["dataDir"], folder.to_str().unwrap());
    serving.stop().await;
}

/// The commands of this program in a text: each ends at the end of its line or at a backtick.
fn commands(text: &str) -> Vec<String> {
    let of_line = |line: &str| {
        let start = line.find(PROGRAM)?;
        line[start..].split('`').next().map(str::to_owned)
    };
    text.lines().filter_map(of_line).collect()
}

#[tokio::test]
async fn a_restore_that_leaves_the_registry_unavailable_prints_the_command_that_repairs_the_rest() {
    let home = Home::new();
    let serving = home.serve(&["--ephemeral"]).await;
    home.run(&["key", "disable"]).await;
    home.run(&["revoke", "--by", "policy"]).await;

    let restored = home.run(&["restore"]).await;

    assert_eq!(restored.code, Some(4), "{restored:?}");
    let [command] = &commands(&restored.err)[..] else { panic!("{restored:?}") };
    assert!(command.ends_with("key enable"), "{command}");
    assert_eq!(typed(command, &home).await.code, Some(0));
    let health = home.run(&["health", "--registry", "local"]).await;
    assert_eq!(health.code, Some(0), "{health:?}");
    serving.stop().await;
}

#[tokio::test]
async fn the_hints_of_a_command_repeat_the_option_that_selects_its_emulator() {
    let home = Home::new();
    let (one, two) = tokio::join!(home.serve(&["--ephemeral"]), home.serve(&["--ephemeral"]));
    let (url, folder) = (one.url(), one.report["dataDir"].as_str().unwrap());
    home.run(&["revoke", "--by", "policy", "--endpoint", url]).await;

    for (args, option) in [
        (&["status", "--endpoint", url][..], format!("--endpoint {url}")),
        (&["--endpoint", url, "verify"], format!("--endpoint {url}")),
        (&["revoke", "--by", "disable", "--endpoint", url], format!("--endpoint {url}")),
        (&["doctor", "--endpoint", url], format!("--endpoint {url}")),
        (&["doctor", "--data-dir", "/no/such/folder"], "--data-dir /no/such/folder".to_owned()),
        (&["status", "--data-dir", "/no/such/folder"], "--data-dir /no/such/folder".to_owned()),
    ] {
        let ended = home.run(args).await;

        let said = format!("{}\n{}", ended.out, ended.err);
        let commands = commands(&said);
        assert!(!commands.is_empty(), "{args:?}: {said}");
        for command in commands {
            assert!(command.contains(&option), "{args:?}: {command}");
        }
    }
    assert!(Path::new(folder).exists());
    // A hint also names an address that came from a variable: the user may run the command in another shell.
    let mut command = home.command(PROGRAM);
    let ended = Ended::of(command.env("SEALYARD_URL", url).arg("status")).await;
    let hints = commands(&ended.out);
    assert!(!hints.is_empty() && hints.iter().all(|line| line.contains(url)), "{ended:?}");
    // A hint names the address of the only emulator too, because another emulator may start before the user runs it.
    two.stop().await;
    let only = home.run(&["status"]).await;
    let hints = commands(&only.out);
    assert!(!hints.is_empty() && hints.iter().all(|line| line.contains(url)), "{only:?}");
}

#[tokio::test]
async fn the_commands_that_a_start_prints_act_on_the_started_emulator() {
    let (home, folder) = (Home::new(), tempfile::tempdir().unwrap());
    let default = home.serve(&[]).await;
    let before = state_of(default.url()).await;
    let folder = folder.path().to_str().unwrap();

    for args in [&["--ephemeral"][..], &["--data-dir", folder]] {
        let (serving, said) = home.serve_and_read(args).await;
        let lines = commands(&said);
        let lines: Vec<String> =
            lines.into_iter().filter(|line| !line.ends_with(" reset")).collect();
        assert_eq!(lines.len(), 3, "{said}");

        for line in &lines {
            let ended = typed(line, &home).await;
            assert_eq!(ended.code, Some(0), "{line}: {ended:?}");
        }

        assert!(lines[0].ends_with("revoke --by policy"), "{lines:?}");
        serving.stop().await;
        assert_eq!(typed(&lines[1], &home).await.code, Some(3), "{lines:?}");
    }

    assert_eq!(state_of(default.url()).await, before);
}
