//! The warning about a vault without purge protection: `az` hides it, so `sealyard az`, `status` and `doctor` print it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Output, Stdio};

use reqwest::StatusCode;
use serde_json::json;
use tokio::process::Command;

use crate::support::process::{Process, spawn};
use crate::support::start;

const WARNING: &str = "the vault local has no purge protection: if the key is purged, everything that it encrypts is lost";

/// Creates a registry with a key in the vault `local`, which has no purge protection.
async fn make(client: &crate::support::Client, name: &str) {
    let made = client.send_json("/_sealyard/registries", &json!({ "name": name })).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
}

/// Runs a command of the program for the emulator in a folder. Its `bin` is first in PATH.
async fn run(folder: &Path, args: &[&str]) -> Output {
    let path = format!("{}:/usr/bin:/bin", folder.join("bin").display());
    Command::new(env!("CARGO_BIN_EXE_sealyard"))
        .args(args)
        .env("PATH", path)
        .env("SEALYARD_DATA_DIR", folder.join("data"))
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap()
}

/// Writes an `az` that prints its arguments and exits with 7 if they ask for that.
fn fake_az(folder: &Path) {
    let bin = folder.join("bin");
    std::fs::create_dir(&bin).unwrap();
    let script = "#!/bin/sh\necho \"did $*\"\ncase \"$*\" in *fails*) exit 7;; esac\n";
    std::fs::write(bin.join("az"), script).unwrap();
    std::fs::set_permissions(bin.join("az"), std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn status_and_doctor_warn_of_a_vault_without_purge_protection_until_it_has_it() {
    let (emulator, client) = start().await;
    make(&client, "team1").await;
    let warned = async || {
        let status = client.get("/_sealyard/status").await.json();
        let diagnosis = client.get("/_sealyard/diagnosis").await.json();
        (status["registries"].clone(), diagnosis["registries"].clone())
    };

    let (before, diagnosed) = warned().await;
    let vault = emulator.vault().unwrap();
    let manager_path = format!("{}?api-version=2023-07-01", vault.vault_id("local").unwrap());
    let body = json!({ "properties": { "enablePurgeProtection": true } });
    let url = format!("https://management.azure.com{manager_path}");
    let request = crate::support::arm::through_proxy(&emulator).patch(url);
    let changed = request.bearer_auth(crate::support::arm::owner_token(&emulator)).json(&body);
    assert!(changed.send().await.unwrap().status().is_success());
    let (after, _) = warned().await;

    assert_eq!(before[1]["warnings"], json!([WARNING]));
    assert_eq!(diagnosed[1]["warnings"], json!([WARNING]));
    assert!(
        before[0].get("warnings").is_none(),
        "the emulator created this vault itself: {before}"
    );
    assert!(after[1].get("warnings").is_none(), "{after}");
}

#[tokio::test]
async fn sealyard_az_prints_the_warning_after_az_and_keeps_its_output_and_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    fake_az(folder.path());
    let Process { child: _child, client, .. } = spawn(folder.path(), &[]).await;
    make(&client, "team1").await;

    let made = run(folder.path(), &["az", "--", "acr", "create", "-n", "team1"]).await;
    let rotate = ["az", "--", "acr", "encryption", "rotate-key", "--name", "team1"];
    let rotated = run(folder.path(), &rotate).await;
    let failed = run(folder.path(), &["az", "--", "acr", "create", "-n", "team1", "fails"]).await;
    let listed = run(folder.path(), &["az", "--", "acr", "list"]).await;
    let status = run(folder.path(), &["status"]).await;
    let doctor = run(folder.path(), &["doctor"]).await;

    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let warning = format!("warning: team1: {WARNING}\n");
    for (output, code, warns) in
        [(&made, 0, true), (&rotated, 0, true), (&failed, 7, false), (&listed, 0, false)]
    {
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert!(
            text(&output.stdout).ends_with('\n') && text(&output.stdout).starts_with("did acr ")
        );
        assert_eq!(text(&output.stderr), if warns { warning.as_str() } else { "" });
    }
    assert!(text(&status.stdout).contains(WARNING), "{status:?}");
    let doctor = text(&doctor.stdout);
    assert!(doctor.contains(WARNING), "{doctor}");
    assert!(
        doctor.contains("keyvault update --name local --enable-purge-protection true"),
        "{doctor}"
    );
}
