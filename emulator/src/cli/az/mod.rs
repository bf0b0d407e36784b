//! `sealyard az -- ARGS`: runs the user's own `az` against the emulator.
//!
//! Its configuration is in a separate folder in the data folder (with `--endpoint`: in the cache folder), so that it neither
//! reads nor changes the user's sign-ins, and `az` without this command does not reach the emulator. At the first use it is
//! signed in as the owner. By default it uses Azure's host names through the emulator's proxy, which forwards to no other
//! host, so a script for Azure runs unchanged. Then `az` replaces this process, or this process waits for it if it has to
//! print something afterwards. The exit code and the output are those of `az`.

mod beforehand;
pub(super) mod docker;
mod watch;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use azure_emulator_core::identity::{OWNER_CLIENT_ID, TENANT, WELL_KNOWN_SECRET};
use clap::Args;
use fs_err as fs;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use self::beforehand::{after_failure, cannot_work};
pub(super) use self::watch::Watch;
use super::Context;
use super::client::Emulator;
use super::env::{Variables, for_one_command};
use super::error::CliError;
use super::run::Replacement;
use super::trust;
use crate::admin::StatusReport;

pub(super) const EXAMPLES: &str = "\
Examples:
  sealyard az -- account show
  sealyard az -- keyvault create -n kv1 -g sealyard
  sealyard az --local-names -- keyvault list
  sealyard az -- acr login -n team1      sign docker in at the registry's port on the loopback

This needs the Azure CLI in PATH, but no account: it is signed in as the owner of the emulated
subscription. It refuses commands that cannot work: a sign-in with a browser, builds and imports,
and commands that need a download.

Exit codes: those of az; otherwise 1 or 2 if the command cannot run against this emulator, 3 if no
emulator runs, and 127 if az is not found.";

/// The cloud of local names, as `az cloud list` shows it.
const LOCAL_CLOUD: &str = "Sealyard";
/// The file with a record of the last sign-in.
const SIGN_IN_FILE: &str = "sealyard-sign-in";

#[derive(Args, Debug)]
pub(super) struct AzArgs {
    /// Use names under `localhost` in a separate cloud of `az`, instead of Azure's host names
    #[arg(long)]
    local_names: bool,
    /// The arguments for `az`
    #[arg(
        value_name = "ARGS",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    args: Vec<OsString>,
}

/// Signs in if needed, and prepares everything for `az`.
pub(super) async fn prepare(
    args: AzArgs,
    emulator: &Emulator,
    context: &Context,
) -> Result<Replacement, CliError> {
    let words: Vec<&str> = args.args.iter().filter_map(|arg| arg.to_str()).collect();
    let bicep = in_path("bicep").is_some();
    let folder = emulator.folder()?;
    if let Some(reason) = cannot_work(&words, bicep || has_bicep(&folder)) {
        return Err(CliError::AzCannot(reason.to_owned()));
    }
    let program = in_path("az").ok_or(CliError::NoAz)?;
    let report = emulator.report_for_this_side().await?;
    let Some(azure) = report.azure.clone() else { return Err(CliError::AzWithoutVault) };
    let port = azure.parse::<url::Url>().ok().and_then(|url| url.port()).unwrap_or(443);
    let cloud = args.local_names.then_some(port);
    let folder = config_dir(&folder, cloud);
    fs::create_dir_all(&folder)?;
    let bundle = trust::write_bundle(emulator, &report)?;
    let mut variables = for_one_command(&report, bundle.as_deref());
    variables.extend(settings(&folder));
    if bicep {
        // Otherwise `az` would look for a newer version on GitHub.
        variables.push(("AZURE_BICEP_USE_BINARY_FROM_PATH", "true".to_owned()));
        variables.push(("AZURE_BICEP_CHECK_VERSION", "false".to_owned()));
    }
    variables.extend(docker::prepare(&words, &folder, &report, emulator, context).await?);
    let hint = after_failure(&words);
    let watch = Watch::of(&words, &report);
    let az = Az { program, variables, folder };
    az.sign_in(emulator, &report, cloud)?;
    let command = std::iter::once(az.program.into_os_string()).chain(args.args).collect();
    Ok(Replacement::new(command, az.variables).with_hint(hint).with_watch(watch))
}

/// The user's `az` with a separate environment.
struct Az {
    program: PathBuf,
    variables: Variables,
    folder: PathBuf,
}

impl Az {
    /// Signs in as the owner, unless `az` is signed in to this emulator already.
    fn sign_in(
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
        let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(CliError::AzSignIn(words))
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

/// The configuration folder of `az`. A folder for local names is for one port, because those names contain the port.
fn config_dir(data_dir: &Path, local: Option<u16>) -> PathBuf {
    let name = local.map_or_else(|| "public".to_owned(), |port| format!("local-{port}"));
    data_dir.join("az").join(name)
}

/// Whether one of the folders of `az` contains a downloaded Bicep compiler.
fn has_bicep(data_dir: &Path) -> bool {
    let Ok(folders) = fs::read_dir(data_dir.join("az")) else { return false };
    folders.filter_map(Result::ok).any(|folder| folder.path().join("bin/bicep").is_file())
}

/// The settings of `az`, as variables of the form `AZURE_SECTION_NAME`.
fn settings(folder: &Path) -> Variables {
    vec![
        ("AZURE_CONFIG_DIR", folder.display().to_string()),
        // Microsoft's list of authorities does not contain local names.
        ("AZURE_CORE_INSTANCE_DISCOVERY", "false".to_owned()),
        ("AZURE_CORE_COLLECT_TELEMETRY", "no".to_owned()),
        ("AZURE_CORE_SURVEY_MESSAGE", "no".to_owned()),
        ("AZURE_CORE_LOGIN_EXPERIENCE_V2", "off".to_owned()),
        // `az` would try to download an extension, and print a refusal that is hard to understand.
        ("AZURE_EXTENSION_USE_DYNAMIC_INSTALL", "no".to_owned()),
    ]
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
    let mut word = OsString::from("@");
    word.push(file);
    Ok(word)
}

/// A program in PATH.
pub(super) fn in_path(name: &str) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    let is_program = |path: &PathBuf| {
        fs::metadata(path)
            .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(is_program)
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
        let here = here.on_this_side(true);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("owner.secret");
        let kept = StatusReport { owner_secret: Some(file.clone()), ..on_loopback.clone() };

        assert_eq!(owner_secret(&here, &on_loopback).unwrap(), WELL_KNOWN_SECRET);
        let words = owner_secret(&here, &kept).unwrap_err().to_string();
        assert!(words.contains(&format!("{}, which this machine", file.display())), "{words}");
        fs::write(&file, "secret").unwrap();
        assert_eq!(
            owner_secret(&here, &kept).unwrap(),
            OsString::from(format!("@{}", file.display()))
        );
        // A server elsewhere could name any file on this machine.
        assert!(owner_secret(&there, &kept).is_err());
    }

    #[test]
    fn each_port_has_its_own_folder_for_local_names() {
        assert_eq!(config_dir(Path::new("/d"), None), Path::new("/d/az/public"));
        assert_eq!(config_dir(Path::new("/d"), Some(8443)), Path::new("/d/az/local-8443"));
    }
}
