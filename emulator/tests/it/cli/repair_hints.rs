//! An error message names the command that repairs the problem, and that command works.

use crate::support::program::{Ended, Home, PROGRAM};

/// The first command of this program in the output.
#[track_caller]
fn command(ended: &Ended) -> Vec<String> {
    let said = format!("{}\n{}", ended.out, ended.err);
    let start = said.find(PROGRAM).unwrap_or_else(|| panic!("no command: {said}"));
    let line = said[start..].split(['`', '\n']).next().unwrap_or_default();
    line.split(' ').skip(1).map(str::to_owned).collect()
}

/// The first command in the output after this text.
#[track_caller]
fn command_on(ended: &Ended, text: &str) -> Vec<String> {
    let (_, rest) = ended.out.split_once(text).unwrap_or_else(|| panic!("{ended:?}"));
    command(&Ended { out: rest.to_owned(), err: String::new(), code: ended.code })
}

async fn typed(home: &Home, command: &[String]) -> Ended {
    home.run(&command.iter().map(String::as_str).collect::<Vec<_>>()).await
}

async fn is_served(home: &Home) -> bool {
    home.run(&["health", "--registry", "local"]).await.code == Some(0)
}

#[tokio::test]
async fn after_a_kill_status_and_doctor_name_the_command_that_starts_the_emulator_again() {
    let home = Home::new();
    let serving = home.serve(&[]).await;
    let (url, port) =
        (serving.url().to_owned(), serving.url().rsplit(':').next().unwrap().to_owned());
    serving.kill().await;

    for args in [
        &["status"][..],
        &["status", "--endpoint", &url],
        &["doctor"],
        &["doctor", "--endpoint", &url],
    ] {
        let ended = home.run(args).await;

        assert_eq!(ended.code, Some(3), "{args:?}: {ended:?}");
        let said = format!("{}{}", ended.out, ended.err);
        assert!(said.contains("was killed or crashed"), "{args:?}: {said}");
        assert!(!said.contains("Caused by"), "{args:?}: {said}");
        let command = command(&ended);
        let listen = format!("serve --listen 127.0.0.1:{port} --azure-listen 127.0.0.1:");
        assert!(command.join(" ").starts_with(&listen), "{args:?}: {command:?}");
    }
}

#[tokio::test]
async fn without_a_listener_the_message_names_the_reason_and_the_command_that_starts_an_emulator_there()
 {
    let home = Home::new();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{closed}");

    let ended = home.run(&["status", "--endpoint", &url]).await;

    let message = format!("error: no emulator answers at {url}: no program listens there\nhint: ");
    assert!(ended.err.starts_with(&message), "{ended:?}");
    assert!(command(&ended).join(" ").ends_with(&format!("serve --listen {closed}")), "{ended:?}");
}

#[tokio::test]
async fn commands_that_fail_because_of_a_deleted_key_name_the_command_that_recovers_it() {
    let home = Home::new();
    let serving = home.serve(&["--ephemeral"]).await;
    let deleted = home.run(&["key", "delete"]).await;

    for args in [&["key", "list"][..], &["key", "rotate"], &["key", "disable"], &["restore"]] {
        let ended = home.run(args).await;

        let command = command(&ended).join(" ");
        assert!(command.ends_with("key recover"), "{args:?}: {ended:?}");
    }
    let other = home.run(&["key", "list", "--key", "none"]).await;
    assert!(!other.err.contains("key recover"), "another key is missing: {other:?}");
    assert_eq!(typed(&home, &command(&deleted)).await.code, Some(0), "{deleted:?}");
    assert!(is_served(&home).await);
    serving.stop().await;
}

#[tokio::test]
async fn commands_that_make_a_registry_unavailable_name_the_command_that_undoes_it() {
    let home = Home::new();
    let serving = home.serve(&["--ephemeral"]).await;

    for args in [
        &["key", "disable"][..],
        &["key", "delete"],
        &["registry", "remove-identity", "local", "sealyard"],
    ] {
        let done = home.run(args).await;
        assert_eq!(done.code, Some(0), "{done:?}");
        assert!(!is_served(&home).await, "{args:?}");

        let undone = typed(&home, &command(&done)).await;

        assert_eq!(undone.code, Some(0), "{args:?}: {undone:?}");
        assert!(is_served(&home).await, "{args:?}: {undone:?}");
    }
    serving.stop().await;
}

#[tokio::test]
async fn status_names_restore_after_a_revoke_and_doctor_after_any_other_change() {
    let home = Home::new();
    let serving = home.serve(&["--ephemeral"]).await;

    home.run(&["revoke", "--by", "policy"]).await;
    let revoked = home.run(&["status"]).await;
    let restored = typed(&home, &command_on(&revoked, "local at ")).await;
    let is_back = is_served(&home).await;
    home.run(&["registry", "remove-identity", "local", "sealyard"]).await;
    let removed = home.run(&["status"]).await;
    let doctor = typed(&home, &command_on(&removed, "local at ")).await;

    assert_eq!(restored.code, Some(0), "{revoked:?}: {restored:?}");
    assert!(is_back, "{restored:?}");
    assert!(doctor.out.contains("registry assign-identity local"), "{removed:?}: {doctor:?}");
    serving.stop().await;
}

#[tokio::test]
async fn a_restore_without_success_names_the_command_that_finds_the_repair() {
    let home = Home::new();
    let serving = home.serve(&["--ephemeral"]).await;
    home.run(&["registry", "remove-identity", "local", "sealyard"]).await;

    let restored = home.run(&["restore"]).await;

    let doctor = typed(&home, &command(&restored)).await;
    assert!(doctor.out.contains("registry assign-identity local"), "{restored:?}: {doctor:?}");
    serving.stop().await;
}
