//! `sealyard stop`: stops the process of an emulator, and returns when its data folder is free.
//!
//! [`Holder`] is the process that has the data folder open, so no other program is ever stopped, whatever its id.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::context::Context;
use super::error::CliError;
use super::exit::Exit;
use super::{background, discovery};
use crate::admin::{ENDPOINTS_FILE, StatusReport, read_endpoints};
use crate::holder::Holder;

pub(super) const HELP: &str = "\
Running requests have at most 10 seconds to end. The data stays in the data folder, unless the
emulator was started with --ephemeral.

Exit codes:
  0  the emulator has ended
  1  the emulator cannot be stopped from here, or still runs
  3  no emulator runs, or several run and the command names none";

/// How long to wait for the end: running requests have 10 seconds, and the disk has the rest.
const LIMIT: Duration = Duration::from_secs(30);
/// The time between two checks.
const PAUSE: Duration = Duration::from_millis(20);
/// How long to wait for the emulator's answer about its folder.
const STATUS: Duration = Duration::from_secs(5);

/// The stopped process.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Stopped {
    stopped: u32,
    data_dir: PathBuf,
}

pub(super) async fn stop(context: &Context) -> Result<Exit, CliError> {
    let (folder, holder) = find(context).await?;
    let pid = holder.pid();
    holder.terminate()?;
    let bar = context.output.progress("stopping");
    let gone = async {
        while holder.holds() {
            tokio::time::sleep(PAUSE).await;
        }
    };
    let ended = tokio::time::timeout(LIMIT, gone).await;
    bar.finish_and_clear();
    if ended.is_err() {
        return Err(CliError::StillRuns(pid));
    }
    background::tidy_up(&folder, pid);
    // An ephemeral emulator has removed its folder.
    let kept = if folder.exists() {
        format!("; its data is in {}", folder.display())
    } else {
        String::new()
    };
    let text = format!("stopped process {pid}{kept}");
    context.output.result(&text, &Stopped { stopped: pid, data_dir: folder });
    Ok(Exit::Success)
}

/// The data folder of the emulator that the command is for, and the process that has it open.
async fn find(context: &Context) -> Result<(PathBuf, Holder), CliError> {
    let emulator = match discovery::find(&context.global).await {
        Ok(emulator) => emulator,
        // The emulator may not answer yet, or no longer.
        Err(CliError::NotRunning { folder, last }) => {
            return match Holder::find(&folder)? {
                Some(holder) => Ok((folder, holder)),
                None => Err(CliError::NotRunning { folder, last }),
            };
        }
        Err(error) => return Err(error),
    };
    if !emulator.is_on_this_machine() {
        return Err(CliError::OnOtherMachine(emulator.url().to_owned()));
    }
    let elsewhere = || CliError::OnOtherMachine(emulator.url().to_owned());
    let answer = tokio::time::timeout(STATUS, emulator.status()).await;
    let (folder, pid) = if let Ok(report) = answer {
        report.map(|report| (report.data_dir, report.pid))?
    } else {
        let folder = emulator.data_dir().ok_or_else(elsewhere)?;
        let report: Option<StatusReport> = read_endpoints(&folder.join(ENDPOINTS_FILE));
        (folder.to_owned(), report.ok_or_else(elsewhere)?.pid)
    };
    match Holder::find(&folder)? {
        // A folder on another machine or in a container can have the same path as a folder here.
        Some(holder) if holder.pid() == pid => Ok((folder, holder)),
        _ => Err(no_visible_process(&folder)),
    }
}

/// The error for an emulator in a container: it answers, but no visible process has its folder open.
fn no_visible_process(folder: &Path) -> CliError {
    CliError::OnOtherMachine(format!("the data folder {}", folder.display()))
}
