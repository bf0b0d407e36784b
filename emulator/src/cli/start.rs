//! `sealyard start`: `serve` in the background. It returns when the emulator is ready.
//!
//! The emulator is a process of its own, in a process group of its own: Ctrl-C in the terminal does not reach it. What it
//! would print goes into its log.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::background::Files;
use super::client::Emulator;
use super::error::{CliError, Exit};
use super::serve::{Ending, banner};
use super::{Context, GlobalArgs, discovery};
use crate::admin::{ENDPOINTS_FILE, StatusReport, read_endpoints};
use crate::config::{Config, ServeArgs};
use crate::holder::Holder;
use crate::running::RuntimeFolder;
use crate::serve::StartError;
use crate::store::{StoreError, refuse_foreign};

pub(super) const HELP: &str = "\
Examples:
  sealyard start                           it returns when the registry is ready
  sealyard start --ephemeral --listen 0    for a test: a free port, and nothing stays
  sealyard stop

The log is `serve.log` in the data folder, and the process id is in `serve.pid` there.
With --ephemeral they are in the folder of running emulators, and go with it.";

/// How often it is looked whether the emulator is ready.
const PAUSE: Duration = Duration::from_millis(20);

/// How long an emulator that is to end is waited for.
const END_LIMIT: Duration = Duration::from_secs(15);

/// Options before a command that have a value.
const WITH_VALUE: [&str; 3] = ["--data-dir", "--endpoint", "--log-format"];

/// Starts an emulator with the options of `serve`. `line` is the command line as it was typed.
pub(super) fn start(
    mut args: ServeArgs,
    line: &[OsString],
    context: &Context,
) -> Result<Exit, CliError> {
    args.data_dir.clone_from(&context.global.data_dir);
    args.password = ServeArgs::password_of_environment();
    // What cannot be gone by is said here, and not in a log.
    let config = Config::try_from(args)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(begin(&config, line, context))
}

async fn begin(config: &Config, line: &[OsString], context: &Context) -> Result<Exit, CliError> {
    if !config.ephemeral
        && let Some(url) = discovery::of_folder(&config.data_dir).await
    {
        return Err(CliError::RunsAlready { folder: config.data_dir.clone(), url });
    }
    if !config.ephemeral {
        let folder = &config.data_dir;
        refuse_foreign(folder).map_err(StartError::from)?;
        // The files are those of the emulator that runs, or begins to.
        if let Some(holder) = Holder::of(folder)? {
            let in_use = StoreError::InUse { path: folder.clone(), pid: Some(holder.pid()) };
            return Err(StartError::from(in_use).into());
        }
    }
    let files = Files::make(config)?;
    let log = files.open_log()?;
    let mut child = Command::new(std::env::current_exe()?)
        .args(as_serve(line))
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0)
        .spawn()?;
    files.note(child.id())?;
    let bar = context.output.progress("starting");
    let ready = tokio::select! {
        ready = ready(&mut child, config, &files) => ready,
        _ = tokio::signal::ctrl_c() => {
            end(&mut child).await?;
            files.give_up(child.id());
            return Ok(Exit::Of(130));
        }
    };
    bar.finish_and_clear();
    let report = match ready {
        Ok(emulator) => emulator.status().await,
        Err(error) => Err(error),
    };
    let report = match report {
        Ok(report) => report,
        // Nobody would know of one that goes on.
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
    Ok(Exit::Fine)
}

/// The emulator, once it answers.
async fn ready(child: &mut Child, config: &Config, files: &Files) -> Result<Emulator, CliError> {
    loop {
        if child.try_wait()?.is_some() {
            let (words, log) = files.give_up(child.id());
            return Err(CliError::NotStarted { words, log });
        }
        if let Some(global) = address_of(child.id(), config) {
            match discovery::find(&global).await {
                Ok(emulator) => return Ok(emulator),
                // It has written where it is, and answers in a moment.
                Err(CliError::NotRunning { .. } | CliError::NoAnswer { .. }) => (),
                Err(error) => return Err(error),
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Ends a process as Ctrl-C does, so that it cleans up. One that does not end soon is killed.
async fn end(child: &mut Child) -> Result<(), CliError> {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // One that has ended is not waited for yet, so that the number is still its own.
        if let Err(error) = kill_process(pid, Signal::TERM) {
            tracing::debug!(%error, "the emulator could not be told to end");
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

/// What leads to the emulator of a process: its data folder, or its URL if it has none that it is found by.
fn address_of(pid: u32, config: &Config) -> Option<GlobalArgs> {
    let report: Option<StatusReport> = read_endpoints(&config.data_dir.join(ENDPOINTS_FILE));
    if report.is_some_and(|report| report.pid == pid) {
        return Some(GlobalArgs::of_folder(config.data_dir.clone()));
    }
    let entries = RuntimeFolder::of_user().and_then(|folder| folder.entries()).unwrap_or_default();
    let entry = entries.into_iter().find(|(_, entry)| entry.pid == pid)?.1;
    Some(GlobalArgs::of_endpoint(entry.registry.parse().ok()?))
}

/// The command line with `serve` in the place of `start`. Its errors are for the log, and so for people.
fn as_serve(line: &[OsString]) -> Vec<OsString> {
    let mut words: Vec<OsString> =
        line.iter().skip(1).filter(|word| *word != "--json").cloned().collect();
    let mut at = 0;
    while let Some(word) = words.get_mut(at) {
        if word == "start" {
            *word = "serve".into();
            break;
        }
        at += if WITH_VALUE.iter().any(|option| *word == **option) { 2 } else { 1 };
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_emulator_gets_the_options_that_were_typed() {
        let of = |line: &str| {
            let line: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            let words = as_serve(&line);
            words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
        };

        assert_eq!(of("sealyard start"), "serve");
        assert_eq!(
            of("sealyard start --listen 0 --key-name start"),
            "serve --listen 0 --key-name start"
        );
        assert_eq!(of("sealyard --data-dir start -v start"), "--data-dir start -v serve");
        assert_eq!(of("sealyard --data-dir=start start --json -q"), "--data-dir=start serve -q");
    }
}
