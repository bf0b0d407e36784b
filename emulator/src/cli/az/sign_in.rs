//! Signs `az` in as the owner, in its separate configuration folder.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use azure_emulator_core::identity::{OWNER_CLIENT_ID, TENANT, WELL_KNOWN_SECRET};
use fs_err as fs;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::admin::StatusReport;
use crate::cli::client::Emulator;
use crate::cli::env::Variables;
use crate::cli::error::CliError;

/// The cloud of local names, as `az cloud list` shows it.
const LOCAL_CLOUD: &str = "Sealyard";
/// The file with a record of the last sign-in.
const SIGN_IN_FILE: &str = "sealyard-sign-in";

/// The user's `az` with a separate environment.
pub(super) struct Az {
    pub(super) program: PathBuf,
    pub(super) variables: Variables,
    pub(super) folder: PathBuf,
}

impl Az {
    /// Signs in as the owner, unless `az` is signed in to this emulator already.
    pub(super) fn sign_in(
        &self,
        emulator: &Emulator,
        report: &StatusReport,
        local: Option<u16>,
    ) -> Result<(), CliError> {
        let ca = report.ca.as_ref().map(fs::read).transpose()?.unwrap_or_default();
        let now = SignIn {
            emulator: hex::encode(Sha256::digest(&ca)),
            offset: report.clock.offset.seconds(),
        };
        // The user may have signed out since.
        let before = SignIn::read(&self.folder).filter(|_| has_account(&self.folder));
        if before.as_ref() == Some(&now) {
            return Ok(());
        }
        // Tokens follow the emulator's clock, but `az` uses the real time: it would send a token that has ended.
        self.forget("msal_token_cache.")?;
        self.forget("msal_http_cache.")?;
        if before.is_none_or(|before| before.emulator != now.emulator) {
            self.forget("service_principal_entries.")?;
            self.forget("azureProfile.")?;
            if let Some(port) = local {
                self.choose_cloud(port)?;
            }
            let secret = owner_secret(emulator, report)?;
            let login: [&OsStr; 9] = [
                "login".as_ref(),
                "--service-principal".as_ref(),
                "--username".as_ref(),
                OWNER_CLIENT_ID.as_ref(),
                "--password".as_ref(),
                &secret,
                "--tenant".as_ref(),
                TENANT.as_ref(),
                "--output=none".as_ref(),
            ];
            self.run(&login)?;
        }
        now.write(&self.folder)?;
        Ok(())
    }

    /// Registers the cloud of local names. A folder is for one port, so this happens once.
    fn choose_cloud(&self, port: u16) -> Result<(), CliError> {
        let endpoint = format!("https://management.localhost:{port}");
        let is_there = self.run(&["cloud", "show", "--name", LOCAL_CLOUD, "--output=none"]).is_ok();
        let change = if is_there { "update" } else { "register" };
        let flag = "--endpoint-resource-manager";
        self.run(&["cloud", change, "--name", LOCAL_CLOUD, flag, &endpoint, "--output=none"])?;
        self.run(&["cloud", "set", "--name", LOCAL_CLOUD, "--output=none"])
    }

    /// Runs `az` and waits for it. Its output is shown only if it fails.
    fn run(&self, args: &[impl AsRef<OsStr>]) -> Result<(), CliError> {
        let mut command = Command::new(&self.program);
        command.args(args).envs(self.variables.clone()).stdin(Stdio::null());
        let output = command.output().map_err(|source| CliError::Command {
            command: self.program.display().to_string(),
            source,
        })?;
        if output.status.success() {
            return Ok(());
        }
        let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(CliError::AzSignIn(message))
    }

    /// Removes the files whose names have this prefix.
    fn forget(&self, start: &str) -> Result<(), CliError> {
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(start) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

/// The emulator that `az` is signed in to, and the offset of its clock at that time.
#[derive(Debug, PartialEq, Eq)]
struct SignIn {
    /// A hash of its authority: each emulator has its own, and another key signs its tokens.
    emulator: String,
    offset: i64,
}

impl SignIn {
    fn read(folder: &Path) -> Option<Self> {
        let text = fs::read_to_string(folder.join(SIGN_IN_FILE)).ok()?;
        let (emulator, offset) = text.trim().split_once(' ')?;
        Some(Self { emulator: emulator.to_owned(), offset: offset.parse().ok()? })
    }

    fn write(&self, folder: &Path) -> std::io::Result<()> {
        fs::write(folder.join(SIGN_IN_FILE), format!("{} {}\n", self.emulator, self.offset))
    }
}

/// Whether `az` has an account in this folder.
fn has_account(folder: &Path) -> bool {
    let text = fs::read_to_string(folder.join("azureProfile.json")).unwrap_or_default();
    // `az` writes a byte order mark first.
    let profile: Result<Value, _> = serde_json::from_str(text.trim_start_matches('\u{feff}'));
    profile.is_ok_and(|profile| {
        profile["subscriptions"].as_array().is_some_and(|accounts| !accounts.is_empty())
    })
}

/// The owner's secret, or its file in the notation of `az`.
fn owner_secret(emulator: &Emulator, report: &StatusReport) -> Result<OsString, CliError> {
    let Some(file) = &report.owner_secret else { return Ok(WELL_KNOWN_SECRET.into()) };
    if emulator.secret_file(file).is_none_or(|file| !file.is_file()) {
        return Err(CliError::AzCannot(format!(
            "cannot sign in: the owner's secret is in {}, which this machine cannot read; run the command where the \
             emulator runs, or start the emulator with --trusted-network if you trust its network",
            file.display()
        )));
    }
    let mut argument = OsString::from("@");
    argument.push(file);
    Ok(argument)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_in_is_for_one_emulator_and_one_offset_of_its_clock() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(SignIn::read(folder.path()), None);

        let sign_in = SignIn { emulator: "abc".to_owned(), offset: -3600 };
        sign_in.write(folder.path()).unwrap();

        assert_eq!(SignIn::read(folder.path()), Some(sign_in));
        std::fs::write(folder.path().join(SIGN_IN_FILE), "junk").unwrap();
        assert_eq!(SignIn::read(folder.path()), None);
    }

    #[test]
    fn the_owners_secret_is_read_from_the_emulators_file() {
        let on_loopback = crate::cli::tests::report();
        let there = Emulator::at("http://127.0.0.1:1".parse().unwrap(), None).unwrap();
        let here = Emulator::at("http://127.0.0.1:1".parse().unwrap(), None).unwrap();
        let here = here.on_this_machine(true);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("owner.secret");
        let kept = StatusReport { owner_secret: Some(file.clone()), ..on_loopback.clone() };

        assert_eq!(owner_secret(&here, &on_loopback).unwrap(), WELL_KNOWN_SECRET);
        let message = owner_secret(&here, &kept).unwrap_err().to_string();
        assert!(message.contains(&format!("{}, which this machine", file.display())), "{message}");
        fs::write(&file, "secret").unwrap();
        assert_eq!(
            owner_secret(&here, &kept).unwrap(),
            OsString::from(format!("@{}", file.display()))
        );
        // A server elsewhere could name any file on this machine.
        assert!(owner_secret(&there, &kept).is_err());
    }
}
