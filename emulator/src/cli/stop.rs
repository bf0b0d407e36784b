//! `sealyard stop`: ends the process of an emulator, and returns when its data folder is free.
//!
//! [`Holder`] is the process that has the data folder open, so no other program is ever ended, whatever number it has.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::error::{CliError, Exit};
use super::{Context, background, discovery};
use crate::admin::{ENDPOINTS_FILE, StatusReport, read_endpoints};
use crate::holder::Holder;

pub(super) const HELP: &str = "\
Requests that are under way get at most 10 seconds to end. The data stays in the data folder.

Exit codes:
  0  it has ended
  1  it cannot be stopped from here, or still runs
  3  no emulator is running, or several are and none is named";

/// How long it is waited for the end: requests under way have 10 seconds, the rest is for the disk.
const LIMIT: Duration = Duration::from_secs(30);
/// How often it is looked.
const PAUSE: Duration = Duration::from_millis(20);
/// How long an emulator may take to say who it is.
const STATUS: Duration = Duration::from_secs(5);

/// What was ended.
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
    // The folder of an emulator that is gone at exit is gone.
    let kept = if folder.exists() {
        format!("; its data is in {}", folder.display())
    } else {
        String::new()
    };
    let text = format!("stopped process {pid}{kept}");
    context.output.result(&text, &Stopped { stopped: pid, data_dir: folder });
    Ok(Exit::Fine)
}

/// The data folder of the emulator that the command is for, and the process that has it open.
async fn find(context: &Context) -> Result<(PathBuf, Holder), CliError> {
    let emulator = match discovery::find(&context.global).await {
        Ok(emulator) => emulator,
        // It may not answer yet, or no longer.
        Err(CliError::NotRunning { folder, last }) => {
            return match Holder::of(&folder)? {
                Some(holder) => Ok((folder, holder)),
                None => Err(CliError::NotRunning { folder, last }),
            };
        }
        Err(error) => return Err(error),
    };
    if !emulator.is_here() {
        return Err(CliError::NotHere(emulator.url().to_owned()));
    }
    let not_here = || CliError::NotHere(emulator.url().to_owned());
    let asked = tokio::time::timeout(STATUS, emulator.status()).await;
    let (folder, pid) = if let Ok(report) = asked {
        report.map(|report| (report.data_dir, report.pid))?
    } else {
        let folder = emulator.data_dir().ok_or_else(not_here)?;
        let report: Option<StatusReport> = read_endpoints(&folder.join(ENDPOINTS_FILE));
        (folder.to_owned(), report.ok_or_else(not_here)?.pid)
    };
    match Holder::of(&folder)? {
        // The folder of another machine, or of a container, can have the name of one that is here.
        Some(holder) if holder.pid() == pid => Ok((folder, holder)),
        _ => Err(not_seen(&folder)),
    }
}

/// The emulator answers, and no process that this one sees has its folder open: it runs in a container.
fn not_seen(folder: &Path) -> CliError {
    CliError::NotHere(format!("the data folder {}", folder.display()))
}
