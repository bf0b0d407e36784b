//! `sealyard start`: `serve` in the background. It returns when the emulator is ready.
//!
//! The emulator is a separate process in its own process group, so Ctrl-C in the terminal does not reach it. Its output
//! goes to its log.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::background::Files;
use super::banner::{Ending, banner};
use super::client::Emulator;
use super::error::CliError;
use super::exit::Exit;

use super::context::Context;
use super::discovery;
use super::global::GlobalArgs;
use super::serve_args::ServeArgs;
use crate::admin::{ENDPOINTS_FILE, StatusReport, read_endpoints};
use crate::config::Config;
use crate::holder::Holder;
use crate::running::RuntimeFolder;
use crate::serve::StartError;
use crate::store::{StoreError, refuse_foreign};

pub(super) const HELP: &str = "\
Examples:
  sealyard start                           returns when the registry is ready
  sealyard start --ephemeral --listen 0    for a test: on a free port, without lasting data
  sealyard stop

The data folder contains the log in `serve.log` and the process id in `serve.pid`.
With --ephemeral these files are in $XDG_RUNTIME_DIR/sealyard (without this variable, in the
system's folder for program state), and are removed at exit.";

/// The time between two checks whether the emulator is ready.
const PAUSE: Duration = Duration::from_millis(20);

/// How long to wait for an emulator to end.
const END_LIMIT: Duration = Duration::from_secs(15);

/// Options with a value that can precede the command.
const WITH_VALUE: [&str; 3] = ["--data-dir", "--endpoint", "--log-format"];

/// Starts an emulator with the options of `serve`. `line` is the command line as it was typed.
pub(super) fn start(
    mut args: ServeArgs,
    line: &[OsString],
    context: &Context,
) -> Result<Exit, CliError> {
    args.data_dir.clone_from(&context.global.data_dir);
    args.password = ServeArgs::password_from_environment();
    // Invalid options are reported here, not in a log.
    let config = Config::try_from(args)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(begin(&config, line, context))
}

async fn begin(config: &Config, line: &[OsString], context: &Context) -> Result<Exit, CliError> {
    if !config.ephemeral
        && let Some(url) = discovery::in_folder(&config.data_dir).await
    {
        return Err(CliError::RunsAlready { folder: config.data_dir.clone(), url });
    }
    if !config.ephemeral {
        let folder = &config.data_dir;
        refuse_foreign(folder).map_err(StartError::from)?;
        // The files belong to the emulator that runs or starts already.
        if let Some(holder) = Holder::find(folder)? {
            let in_use = StoreError::InUse { path: folder.clone(), pid: Some(holder.pid()) };
            return Err(StartError::from(in_use).into());
        }
    }
    let files = Files::make(config)?;
    let log = files.open_log()?;
    let mut child = Command::new(std::env::current_exe()?)
        .args(serve_args(line))
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0)
        .spawn()?;
    files.write_pid(child.id())?;
    let bar = context.output.progress("starting");
    let ready = tokio::select! {
        ready = ready(&mut child, config, &files) => ready,
        _ = tokio::signal::ctrl_c() => {
            end(&mut child).await?;
            files.after_failed_start(child.id());
            return Ok(Exit::Code(130));
        }
    };
    bar.finish_and_clear();
    let report = match ready {
        Ok(emulator) => emulator.status().await,
        Err(error) => Err(error),
    };
    let report = match report {
        Ok(report) => report,
        // Without a result, the user would not know that an emulator runs.
        Err(error) => {
            end(&mut child).await?;
            return Err(error);
        }
    };
    let hints = if config.ephemeral {
        context.hints.only_at(&report.registry)
    } else {
        context.hints.clone()
    };
    let ending = Ending::Background { log: &files.log };
    context.output.result(&banner(&report, &hints, ending), &report);
    Ok(Exit::Success)
}

/// Waits for the emulator until it answers.
async fn ready(child: &mut Child, config: &Config, files: &Files) -> Result<Emulator, CliError> {
    loop {
        if child.try_wait()?.is_some() {
            let (end_of_log, log) = files.after_failed_start(child.id());
            return Err(CliError::NotStarted { end_of_log, log });
        }
        if let Some(global) = address_of(child.id(), config) {
            match discovery::find(&global).await {
                Ok(emulator) => return Ok(emulator),
                // It has written its address, and will answer soon.
                Err(CliError::NotRunning { .. } | CliError::NoAnswer { .. }) => (),
                Err(error) => return Err(error),
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Ends a process as Ctrl-C does, so that it cleans up. Kills it if it does not end soon.
async fn end(child: &mut Child) -> Result<(), CliError> {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // Even if the process has ended, nothing has waited for it yet, so its id is not reused.
        if let Err(error) = kill_process(pid, Signal::TERM) {
            tracing::debug!(%error, "cannot signal the emulator to end");
        }
    }
    let ended = async {
        while child.try_wait()?.is_none() {
            tokio::time::sleep(PAUSE).await;
        }
        Ok::<_, std::io::Error>(())
    };
    let Ok(ended) = tokio::time::timeout(END_LIMIT, ended).await else {
        child.kill()?;
        child.wait()?;
        return Ok(());
    };
    Ok(ended?)
}

/// The options that select the emulator: its data folder, or its URL if the folder does not lead to it.
fn address_of(pid: u32, config: &Config) -> Option<GlobalArgs> {
    let report: Option<StatusReport> = read_endpoints(&config.data_dir.join(ENDPOINTS_FILE));
    if report.is_some_and(|report| report.pid == pid) {
        return Some(GlobalArgs::for_folder(config.data_dir.clone()));
    }
    let entries = RuntimeFolder::for_user().and_then(|folder| folder.entries()).unwrap_or_default();
    let entry = entries.into_iter().find(|(_, entry)| entry.pid == pid)?.1;
    Some(GlobalArgs::for_endpoint(entry.registry.parse().ok()?))
}

/// The command line with `serve` instead of `start`, and without `--json`: its errors go to the log, which people read.
fn serve_args(line: &[OsString]) -> Vec<OsString> {
    let mut args: Vec<OsString> =
        line.iter().skip(1).filter(|arg| *arg != "--json").cloned().collect();
    let mut at = 0;
    while let Some(arg) = args.get_mut(at) {
        if arg == "start" {
            *arg = "serve".into();
            break;
        }
        at += if WITH_VALUE.iter().any(|option| *arg == **option) { 2 } else { 1 };
    }
    args
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_emulator_gets_the_typed_options() {
        let serve = |line: &str| {
            let line: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            let args = serve_args(&line);
            args.iter().map(|arg| arg.to_string_lossy()).collect::<Vec<_>>().join(" ")
        };

        assert_eq!(serve("sealyard start"), "serve");
        assert_eq!(
            serve("sealyard start --listen 0 --key-name start"),
            "serve --listen 0 --key-name start"
        );
        assert_eq!(serve("sealyard --data-dir start -v start"), "--data-dir start -v serve");
        assert_eq!(serve("sealyard --data-dir=start start --json -q"), "--data-dir=start serve -q");
    }
}
