//! The program `mock-keyvault` as a person or a script starts it.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use azure_emulator_core::durable::marker::Marker;
use serde_json::Value;

use crate::support::{client, send};

fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mock-keyvault"));
    command.arg("--data-dir").arg(folder).env_remove("MOCK_KEYVAULT_LOG");
    command
}

/// A running program, which the end of the test ends.
pub(crate) struct Running {
    child: Child,
    endpoints: PathBuf,
}

impl Running {
    pub(crate) fn start(folder: &Path, more: &[&str]) -> Self {
        let child = program(folder)
            .args(["--listen", "0"])
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut running = Self { child, endpoints: folder.join("endpoints.json") };
        // The program prints this when it is ready; a program that ends early prints nothing.
        let mut said = String::new();
        let stdout = running.child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut said).unwrap();
        assert_eq!(said, "mock-keyvault is ready.\n");
        running
    }

    pub(crate) fn endpoints(&self) -> Value {
        serde_json::from_slice(&std::fs::read(&self.endpoints).unwrap()).unwrap()
    }

    /// Ends it like a power cut: no code of the program runs after this.
    pub(crate) fn kill(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }

    fn terminate(mut self) -> std::process::ExitStatus {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A program that has already ended cannot be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The exports that `env` prints, as names and values.
fn exports(folder: &Path, more: &[&str]) -> BTreeMap<String, String> {
    let answer = program(folder).arg("env").args(more).output().unwrap();
    assert_eq!(answer.status.code(), Some(0));
    let text = String::from_utf8(answer.stdout).unwrap();
    let read = |line: &str| {
        let (name, value) = line.strip_prefix("export ")?.split_once('=')?;
        Some((name.to_owned(), value.trim_matches('\'').to_owned()))
    };
    text.lines().map(|line| read(line).unwrap()).collect()
}

fn health(folder: &Path) -> Output {
    program(folder).arg("health").args(["--listen", "1"]).output().unwrap()
}

#[test]
fn it_writes_its_addresses_is_healthy_and_removes_its_file_at_a_stop() {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("public.pem");

    let running = Running::start(folder.path(), &["--ca-file", ca.to_str().unwrap()]);

    let endpoints = running.endpoints();
    assert!(endpoints["vault"].as_str().unwrap().starts_with("https://local.vault.localhost:"));
    assert_eq!(endpoints["pid"], running.child.id());
    assert!(std::fs::read_to_string(&ca).unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
    let answer = health(folder.path());
    assert_eq!(String::from_utf8(answer.stdout).unwrap(), "healthy\n");
    assert_eq!(answer.status.code(), Some(0));
    let file = running.endpoints.clone();
    assert_eq!(running.terminate().code(), Some(0));
    assert!(!file.exists());
}

#[test]
fn health_fails_if_no_vault_runs() {
    let folder = tempfile::tempdir().unwrap();

    let answer = health(folder.path());

    assert_eq!(answer.status.code(), Some(1));
    let output = String::from_utf8(answer.stderr).unwrap();
    assert!(output.starts_with("mock-keyvault: not healthy: 127.0.0.1:1"), "{output}");
}

#[test]
fn a_folder_in_use_is_refused_with_a_message() {
    let folder = tempfile::tempdir().unwrap();
    let _running = Running::start(folder.path(), &[]);

    let second = program(folder.path()).args(["--listen", "0"]).output().unwrap();

    assert_eq!(second.status.code(), Some(1));
    let output = String::from_utf8(second.stderr).unwrap();
    assert!(output.contains("is in use by another mock-keyvault"), "{output}");
}

#[test]
fn a_port_in_use_is_refused_with_the_flag_for_another_port() {
    let folder = tempfile::tempdir().unwrap();
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap().to_string();

    let answer = program(folder.path()).args(["--listen", &address]).output().unwrap();

    assert_eq!(answer.status.code(), Some(1));
    let output = String::from_utf8(answer.stderr).unwrap();
    assert!(
        output.contains(&format!("cannot listen on {address}")) && output.contains("--listen"),
        "{output}"
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was made");
}

#[tokio::test]
async fn env_prints_everything_that_a_client_needs() {
    let folder = tempfile::tempdir().unwrap();
    let _running = Running::start(folder.path(), &[]);

    let exports = exports(folder.path(), &[]);
    let bundle = std::fs::read_to_string(&exports["SSL_CERT_FILE"]).unwrap();
    let ca = std::fs::read_to_string(&exports["NODE_EXTRA_CA_CERTS"]).unwrap();
    let http = client(&ca);
    let of_login = |name| {
        send(
            http.post(format!(
                "{}/{}/oauth2/v2.0/token",
                exports["AZURE_AUTHORITY_HOST"], exports["AZURE_TENANT_ID"]
            ))
            .form(&[
                ("grant_type", "client_credentials"),
                ("client_id", exports["AZURE_CLIENT_ID"].as_str()),
                ("client_secret", exports[name].as_str()),
                ("scope", "https://vault.azure.net/.default"),
            ]),
        )
    };
    let token = of_login("AZURE_CLIENT_SECRET").await.field("access_token");
    let keys = format!("{}/keys?api-version=7.4", exports["KEY_VAULT_URL"]);
    let keys = send(http.get(keys).bearer_auth(token)).await;
    let machine = self::exports(folder.path(), &["--identity", "virtual-machine"]);
    let imds = format!(
        "{}/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net",
        machine["AZURE_POD_IDENTITY_AUTHORITY_HOST"]
    );
    let imds = send(http.get(imds).header("Metadata", "true")).await;

    let copied = self::exports(folder.path(), &["--ca", "/elsewhere/ca.pem"]);
    for name in ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"] {
        assert_eq!(copied[name], "/elsewhere/ca.pem");
    }
    assert!(bundle.ends_with(&ca));
    assert_eq!(exports["REQUESTS_CA_BUNDLE"], exports["SSL_CERT_FILE"]);
    assert_eq!(keys.status.as_u16(), 200, "{}", keys.text);
    assert_eq!(imds.status.as_u16(), 200, "{}", imds.text);
    assert!(
        !machine.contains_key("AZURE_CLIENT_SECRET") && !machine.contains_key("AZURE_CLIENT_ID")
    );
    assert!(exports.keys().all(|name| !name.to_ascii_lowercase().contains("proxy")));
}

#[tokio::test]
async fn env_also_prints_the_variables_of_app_service() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), &[]);

    let exports = exports(folder.path(), &["--identity", "app-service"]);
    let ca = std::fs::read_to_string(&exports["NODE_EXTRA_CA_CERTS"]).unwrap();
    let url = format!(
        "{}?api-version=2019-08-01&resource=https://vault.azure.net",
        exports["IDENTITY_ENDPOINT"]
    );
    let header = &exports["IDENTITY_HEADER"];
    let answer = send(client(&ca).get(url).header("X-IDENTITY-HEADER", header)).await;

    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    assert!(!exports.contains_key("AZURE_POD_IDENTITY_AUTHORITY_HOST"));
    assert!(!exports.contains_key("AZURE_CLIENT_SECRET"));
    let endpoints = running.endpoints();
    assert_eq!(
        endpoints["azure"],
        exports["IDENTITY_ENDPOINT"].replace("http://", "https://").replace("/msi/token", "")
    );
    assert_eq!(endpoints["tenant"], exports["AZURE_TENANT_ID"]);
}

#[test]
fn env_fails_if_no_vault_runs_or_the_vault_was_killed() {
    let folder = tempfile::tempdir().unwrap();
    let env = || program(folder.path()).arg("env").output().unwrap();

    let never = env();
    let mut running = Running::start(folder.path(), &[]);
    running.child.kill().unwrap();
    running.child.wait().unwrap();
    assert!(running.endpoints.exists());
    let killed = env();

    for answer in [never, killed] {
        assert_eq!(answer.status.code(), Some(1));
        assert!(answer.stdout.is_empty());
        let output = String::from_utf8(answer.stderr).unwrap();
        assert!(
            output.starts_with("mock-keyvault: no vault runs with the data folder"),
            "{output}"
        );
    }
}

#[test]
fn an_invalid_argument_ends_with_exit_code_two() {
    let folder = tempfile::tempdir().unwrap();

    for wrong in
        [&["--liste", "1"][..], &["--listen", "nowhere"], &["serve"], &["env", "--shell", "x"]]
    {
        let answer = program(folder.path()).args(wrong).output().unwrap();
        assert_eq!(answer.status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn any_token_is_refused_outside_the_loopback_with_a_message() {
    let folder = tempfile::tempdir().unwrap();

    let answer = program(folder.path())
        .args(["--listen", "0.0.0.0:0", "--accept-any-token"])
        .output()
        .unwrap();

    assert_eq!(answer.status.code(), Some(1));
    let output = String::from_utf8(answer.stderr).unwrap();
    assert!(output.contains("--trusted-network"), "{output}");
}

#[test]
fn a_start_warns_that_any_token_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = program(folder.path())
        .args(["--listen", "0"])
        .env("MOCK_KEYVAULT_ACCEPT_ANY_TOKEN", "true")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();

    let mut said = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut said).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();

    assert!(said.contains("WARN") && said.contains("any bearer token is accepted"), "{said}");
}

/// Cuts off the end of the journal, so that a start refuses the folder, and damages the index, so that sled logs an error.
fn damage(folder: &Path) {
    Running::start(folder, &[]).terminate();
    let segment = folder.join("journal/0000000000000001.segment");
    let length = std::fs::metadata(&segment).unwrap().len();
    for (path, length) in [(segment, length - 1), (folder.join("index/conf"), 30)] {
        let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
        file.set_len(length).unwrap();
    }
}

#[test]
fn a_refused_start_prints_one_sentence_and_the_log_of_sled_only_on_request() {
    let start = |log: Option<&str>| {
        let folder = tempfile::tempdir().unwrap();
        damage(folder.path());
        let mut program = program(folder.path());
        program.args(["--listen", "0"]).envs(log.map(|log| ("MOCK_KEYVAULT_LOG", log)));
        let ended = program.output().unwrap();
        assert_eq!(ended.status.code(), Some(1));
        String::from_utf8(ended.stderr).unwrap()
    };

    let output = start(None);
    let verbose = start(Some("sled=error"));

    assert!(output.contains("; run `mock-keyvault repair "), "{output}");
    assert_eq!(output.lines().count(), 1, "{output}");
    assert!(verbose.contains("ERROR") && verbose.contains("sled::"), "{verbose}");
}

#[test]
fn a_repair_reports_that_it_changes_the_files_of_the_keys_before_it_changes_anything() {
    let folder = tempfile::tempdir().unwrap();
    damage(folder.path());
    let repair = |more: &[&str]| {
        let ended = program(folder.path()).arg("repair").args(more).output().unwrap();
        (ended.status.code(), String::from_utf8(ended.stdout).unwrap())
    };

    let (dry, planned) = repair(&["--dry-run"]);
    let (done, said) = repair(&["--yes"]);
    let (again, sound) = repair(&["--yes"]);

    let shown =
        |text: &str, expected: &str| assert!(text.contains(expected), "{expected:?} in {text}");
    let plan = said.split(" is repaired").next().unwrap();
    for text in [&planned, plan] {
        shown(text, "0000000000000001.segment is damaged");
        shown(text, "lost changes: none");
        shown(text, "next to the damaged ones and replaces them in one step");
        shown(text, "This changes the files that hold the keys of the vault.");
    }
    shown(&sound, "no repair is necessary");
    assert_eq!((dry, done, again), (Some(0), Some(0), Some(0)));
    Running::start(folder.path(), &[]);
}

#[test]
fn a_repair_rewrites_a_damaged_marker_and_does_not_change_a_newer_format() {
    let folder = tempfile::tempdir().unwrap();
    Running::start(folder.path(), &[]).terminate();
    let marker = folder.path().join("mock-keyvault.json");
    let whole = std::fs::read(&marker).unwrap();
    let repair = || {
        let ended = program(folder.path()).args(["repair", "--yes"]).output().unwrap();
        let output = [ended.stdout, ended.stderr].map(|output| String::from_utf8(output).unwrap());
        (ended.status.code(), output.concat())
    };
    let newer = Marker { format_version: 3, unfinished: false }.encode().unwrap();
    std::fs::write(&marker, &newer).unwrap();
    let (refused, said) = repair();
    assert_eq!(refused, Some(1), "{said}");
    assert!(said.contains("has format 3"), "{said}");
    assert_eq!(std::fs::read(&marker).unwrap(), newer);

    std::fs::write(&marker, r#"{"formatVersion":3}"#).unwrap();
    let (repaired, said) = repair();

    assert_eq!(repaired, Some(0), "{said}");
    assert!(said.contains("mock-keyvault.json, which is written again"), "{said}");
    assert_eq!(std::fs::read(&marker).unwrap(), whole);
    assert!(repair().1.contains("no repair is necessary"));
    Running::start(folder.path(), &[]);
}
