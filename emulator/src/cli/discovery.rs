//! Finds the emulator that a command is for.
//!
//! `--endpoint` and `--data-dir` name it. Without them it is the emulator of the default folder, otherwise the only
//! registered emulator that runs. If several run, a command changes nothing and lists them. The file with the address of
//! an emulator can outlive it, and its process id can be reused, so an emulator counts as running when its address answers
//! with the id of that run.

use std::path::{Path, PathBuf};

use futures::future::join_all;
use url::Url;

use super::client::{Emulator, Found};
use super::error::CliError;
use super::global::GlobalArgs;
use super::last_run::LastRun;
use super::serve_args::ConfigError;
use super::token::Token;
use crate::admin::{ENDPOINTS_FILE, HealthReport, StatusReport, read_endpoints};
use crate::config::Config;
use crate::running::{Entry, RuntimeFolder, is_alive};

/// The emulator that a command is for.
pub(super) async fn find(global: &GlobalArgs) -> Result<Emulator, CliError> {
    if let Some(endpoint) = &global.endpoint {
        return at_endpoint(endpoint, global.data_dir.as_deref()).await;
    }
    if let Some(folder) = &global.data_dir {
        let found = in_folder(folder).await.ok_or_else(|| not_running(folder))?;
        return local(&found, folder, Found::ByFolder);
    }
    let default = Config::default_data_dir();
    if let Some(folder) = &default
        && let Some(found) = in_folder(folder).await
    {
        return local(&found, folder, Found::Default);
    }
    let mut registered = registered().await?;
    match (registered.pop(), registered.is_empty()) {
        (None, _) => Err(match default {
            Some(folder) => not_running(&folder),
            None => ConfigError::NoDataDir.into(),
        }),
        (Some(only), true) => local(&only.registry, &only.data_dir, Found::OnlyRunning),
        (Some(last), false) => {
            registered.push(last);
            Err(CliError::SeveralRunning(registered))
        }
    }
}

/// The registered emulators that run. Removes the entries of those that do not.
pub(super) async fn registered() -> Result<Vec<Entry>, CliError> {
    // Without a home folder no emulator can register.
    let Ok(folder) = RuntimeFolder::for_user() else { return Ok(Vec::new()) };
    let entries = folder.entries()?;
    let checks = entries.iter().map(|(_, entry)| runs(entry.pid, &entry.registry, &entry.instance));
    let running = join_all(checks).await;
    let mut found = Vec::new();
    for ((path, entry), runs) in entries.into_iter().zip(running) {
        if runs {
            found.push(entry);
        } else if let Err(error) = fs_err::remove_file(&path) {
            // Another command may have removed it.
            tracing::debug!(%error, "cannot remove the entry of a dead emulator");
        }
    }
    Ok(found)
}

/// The address of the emulator of a data folder, if it runs.
pub(super) async fn in_folder(folder: &Path) -> Option<String> {
    let report: StatusReport = read_endpoints(&folder.join(ENDPOINTS_FILE))?;
    // The next start replaces the file of a dead emulator.
    runs(report.pid, &report.registry, &report.instance).await.then_some(report.registry)
}

/// Whether this emulator answers there. An emulator that is too busy to answer counts as running too.
async fn runs(pid: u32, registry: &str, instance: &str) -> bool {
    if !is_alive(pid) {
        return false;
    }
    let Ok(emulator) =
        registry.parse().map_err(drop).and_then(|url| Emulator::at(url, None).map_err(drop))
    else {
        return false;
    };
    match emulator.health::<HealthReport>().await {
        Ok(report) => report.instance == instance,
        Err(CliError::NoAnswer { failure: Some(failure), .. }) => failure.is_timeout(),
        Err(_) => false,
    }
}

/// The emulator at a URL. A token is sent there only if an emulator answers, and the token of a data folder only if that
/// emulator uses the folder: its health, which needs no token, contains the id of the run that the folder names.
async fn at_endpoint(endpoint: &Url, folder: Option<&Path>) -> Result<Emulator, CliError> {
    let without_token = Emulator::at(endpoint.clone(), None)?;
    let given = Token::from_environment();
    let folders = folders_by_instance(folder);
    if given.is_none() && folders.is_empty() {
        return Ok(without_token);
    }
    let report = match without_token.health::<HealthReport>().await {
        Ok(report) => report,
        Err(CliError::NoAnswer { url, failure, .. }) => {
            let last = LastRun::at(endpoint, folder);
            return Err(CliError::NoAnswer { url, failure, last });
        }
        // No emulator answers there; the command's own request will report that.
        Err(_) => return Ok(without_token),
    };
    let mut of_run = folders.iter().filter(|(instance, _)| *instance == report.instance).peekable();
    let is_on_this_machine = of_run.peek().is_some();
    let token = of_run.find_map(|(_, folder)| Token::from_folder(folder)).or(given);
    Ok(Emulator::at(endpoint.clone(), token)?.on_this_machine(is_on_this_machine))
}

/// The data folders that are known on this machine, each with the id of the run that uses it.
fn folders_by_instance(named: Option<&Path>) -> Vec<(String, PathBuf)> {
    let report = |folder: &Path| read_endpoints(&folder.join(ENDPOINTS_FILE));
    let named = named.and_then(|folder| Some((report(folder)?.instance, folder.to_owned())));
    // The command can go on without entries that cannot be read.
    let entries = RuntimeFolder::for_user().and_then(|folder| folder.entries()).unwrap_or_default();
    let registered = entries.into_iter().map(|(_, entry)| (entry.instance, entry.data_dir));
    named.into_iter().chain(registered).filter(|(instance, _)| !instance.is_empty()).collect()
}

fn not_running(folder: &Path) -> CliError {
    CliError::NotRunning { folder: folder.to_owned(), last: LastRun::in_folder(folder) }
}

fn local(registry: &str, folder: &Path, found: Found) -> Result<Emulator, CliError> {
    let base = registry.parse().map_err(|_| not_running(folder))?;
    // A token in the environment can be that of another emulator.
    let token = Token::from_folder(folder).or_else(Token::from_environment);
    Ok(Emulator::at(base, token)?.with_data_dir(folder.to_owned(), found))
}
