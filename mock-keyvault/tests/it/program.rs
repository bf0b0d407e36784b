//! The program `mock-keyvault`, as somebody starts it.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mock-keyvault"));
    command.arg("--data-dir").arg(folder).env_remove("MOCK_KEYVAULT_LOG");
    command
}

/// A running program, ended with the test.
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
        // It says that it is ready when it is; a program that ends says nothing.
        let mut said = String::new();
        let stdout = running.child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut said).unwrap();
        assert_eq!(said, "mock-keyvault is ready.\n");
        running
    }

    pub(crate) fn endpoints(&self) -> Value {
        serde_json::from_slice(&std::fs::read(&self.endpoints).unwrap()).unwrap()
    }

    /// Ends it as a power cut would: nothing of it runs after this.
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
        // One that ended already cannot be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn health(folder: &Path) -> Output {
    program(folder).arg("health").args(["--listen", "1"]).output().unwrap()
}

#[test]
fn it_says_where_it_is_is_healthy_and_takes_its_file_away_when_it_is_asked_to_stop() {
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
fn health_fails_where_no_vault_runs() {
    let folder = tempfile::tempdir().unwrap();

    let answer = health(folder.path());

    assert_eq!(answer.status.code(), Some(1));
    let words = String::from_utf8(answer.stderr).unwrap();
    assert!(words.starts_with("mock-keyvault: not healthy: 127.0.0.1:1"), "{words}");
}

#[test]
fn a_folder_in_use_is_refused_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let _running = Running::start(folder.path(), &[]);

    let second = program(folder.path()).args(["--listen", "0"]).output().unwrap();

    assert_eq!(second.status.code(), Some(1));
    let words = String::from_utf8(second.stderr).unwrap();
    assert!(words.contains("is in use by another mock-keyvault"), "{words}");
}

#[test]
fn a_taken_port_is_refused_with_the_flag_that_chooses_another() {
    let folder = tempfile::tempdir().unwrap();
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap().to_string();

    let answer = program(folder.path()).args(["--listen", &address]).output().unwrap();

    assert_eq!(answer.status.code(), Some(1));
    let words = String::from_utf8(answer.stderr).unwrap();
    assert!(
        words.contains(&format!("{address} is taken")) && words.contains("--listen"),
        "{words}"
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was made");
}
