//! The program as users run it, with its own home folder, so that it sees no other emulator.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};

/// A home folder and the folders of a desktop session for one test.
pub(crate) struct Home(tempfile::TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        for name in ["run", "cache", "data", "state"] {
            std::fs::create_dir(home.path().join(name)).unwrap();
        }
        std::fs::set_permissions(home.path().join("run"), PermissionsExt::from_mode(0o700))
            .unwrap();
        home
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// A command that sees only this home and no emulator from its environment.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        isolate(&mut command, self.path());
        command.stdin(Stdio::null()).current_dir(self.path()).kill_on_drop(true);
        command
    }

    /// Runs the program to its end.
    pub(crate) async fn run(&self, args: &[&str]) -> Ended {
        Ended::of(self.command(PROGRAM).args(args)).await
    }
}

/// The path of the program.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_sealyard");

/// Gives a command its own home.
pub(crate) fn isolate(command: &mut Command, home: &Path) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SEALYARD_") {
            command.env_remove(name);
        }
    }
    command.env_remove("SSL_CERT_FILE").env("HOME", home);
    for (name, folder) in [
        ("XDG_RUNTIME_DIR", "run"),
        ("XDG_CACHE_HOME", "cache"),
        ("XDG_DATA_HOME", "data"),
        ("XDG_STATE_HOME", "state"),
    ] {
        command.env(name, home.join(folder));
    }
}

/// The output and the exit code of a program.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    pub(crate) async fn of(command: &mut Command) -> Self {
        let Output { status, stdout, stderr } = command.output().await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: status.code(), out: text(stdout), err: text(stderr) }
    }

    /// The JSON document on standard output.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The value of a variable in the output of `sealyard env --json`.
    #[track_caller]
    pub(crate) fn variable(&self, name: &str) -> String {
        self.json()[name].as_str().unwrap_or_else(|| panic!("{name}: {self:?}")).to_owned()
    }

    #[track_caller]
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.variable(name).into()
    }
}

/// A running emulator, which is killed when this is dropped.
pub(crate) struct Serving {
    child: Child,
    /// The content of its endpoints file.
    pub(crate) report: serde_json::Value,
}

impl Home {
    /// Starts the program on free ports and waits until it answers.
    pub(crate) async fn serve(&self, args: &[&str]) -> Serving {
        self.serve_into(args, Stdio::null()).await
    }

    /// The same, with the text that the program prints.
    pub(crate) async fn serve_and_read(&self, args: &[&str]) -> (Serving, String) {
        let mut serving = self.serve_into(args, Stdio::piped()).await;
        let (mut said, mut out) = (String::new(), serving.child.stdout.take().unwrap());
        let mut bytes = [0; 4096];
        // This is in the last line of the start message.
        while !said.contains("Ctrl-C") {
            let read = out.read(&mut bytes).await.unwrap();
            assert_ne!(read, 0, "{said}");
            said.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
        }
        (serving, said)
    }

    async fn serve_into(&self, args: &[&str], out: Stdio) -> Serving {
        let folder = tempfile::tempdir().unwrap();
        let endpoints = folder.path().join("endpoints.json");
        let mut command = self.command(PROGRAM);
        command.args(["serve", "--listen", "127.0.0.1:0", "--azure-listen", "127.0.0.1:0"]);
        command.args(args).arg("--endpoints-file").arg(&endpoints).stdout(out);
        Serving::found(command.spawn().unwrap(), &endpoints).await
    }

    /// The entries of running emulators.
    pub(crate) fn entries(&self) -> Vec<PathBuf> {
        let Ok(files) = std::fs::read_dir(self.runtime_folder()) else { return Vec::new() };
        files.map(|file| file.unwrap().path()).collect()
    }

    pub(crate) fn runtime_folder(&self) -> PathBuf {
        self.path().join("run/sealyard")
    }
}

impl Serving {
    /// Waits until a started program has written its endpoints file.
    pub(crate) async fn found(child: Child, endpoints: &Path) -> Self {
        let started = async {
            loop {
                if let Ok(text) = std::fs::read(endpoints) {
                    return serde_json::from_slice(&text).unwrap();
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let report = tokio::time::timeout(Duration::from_mins(1), started).await;
        Self { child, report: report.expect("the program writes its endpoints") }
    }

    pub(crate) fn url(&self) -> &str {
        self.report["registry"].as_str().unwrap()
    }

    /// Sends SIGTERM and waits for the end of the program.
    pub(crate) async fn stop(self) {
        self.end(rustix::process::Signal::TERM).await;
    }

    /// Sends SIGKILL and waits for the end of the program.
    pub(crate) async fn kill(self) {
        self.end(rustix::process::Signal::KILL).await;
    }

    async fn end(mut self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.child.id().unwrap()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
        self.child.wait().await.unwrap();
    }
}
