//! Starts the emulator of the demo, and runs the steps.

use std::io::{self, BufRead as _, IsTerminal as _};
use std::time::Duration;

use azure_emulator_core::durable::Durability;
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::narration::Narration;
use super::step::Step;
use super::story::Story;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::serve::set_limits;
use crate::config::Config;
use crate::serve::Sealyard;

pub(in crate::cli) const HELP: &str = "\
Examples:
  sealyard demo                wait for Enter before each step
  sealyard demo --auto         go on without Enter, for a recording
  sealyard demo --json         print a line of JSON for each step

Exit codes:
  0  every check of the demo succeeded
  1  a check failed";

#[derive(Args, Debug)]
pub(in crate::cli) struct DemoArgs {
    /// Do not wait for Enter
    #[arg(long)]
    auto: bool,
    /// The time between two steps, with --auto
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = humantime::parse_duration)]
    pace: Duration,
}

/// How the demo waits before the next step.
enum Pace {
    Enter(mpsc::Receiver<()>),
    Wait(Duration),
    Nothing,
}

/// Runs the demo until its end, a false claim, or a signal.
pub(in crate::cli) fn demo(args: &DemoArgs, context: &Context) -> Result<Exit, CliError> {
    set_limits();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(run(args, context));
    // Do not wait: started tasks have ended, or end with the process.
    runtime.shutdown_timeout(Duration::from_secs(1));
    ended
}

async fn run(args: &DemoArgs, context: &Context) -> Result<Exit, CliError> {
    // Before the demo creates anything that it would have to clean up.
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    // If no temporary folder is writable, the data folder is used.
    let data_dir = context.global.data_dir.clone().unwrap_or_else(|| Config::default().data_dir);
    let builder = Sealyard::builder().data_dir(data_dir).ephemeral().durability(Durability::Full);
    let emulator = tokio::select! {
        started = builder.start() => started?,
        _ = interrupt.recv() => return Ok(Exit::Code(130)),
        _ = terminate.recv() => return Ok(Exit::Code(143)),
    };
    let ended = tokio::select! {
        ended = run_steps(&emulator, args, context) => ended.map(|succeeded| if succeeded { Exit::Success } else { Exit::Failed }),
        _ = interrupt.recv() => Ok(Exit::Code(130)),
        _ = terminate.recv() => Ok(Exit::Code(143)),
    };
    emulator.shutdown().await;
    if !context.global.json
        && let Ok(exit @ (Exit::Success | Exit::Failed)) = &ended
    {
        let end = Narration::for_terminal().end(*exit == Exit::Success);
        context.output.raw(end.as_bytes());
    }
    ended
}

/// Runs all steps. Returns false if a claim was false.
async fn run_steps(
    emulator: &Sealyard,
    args: &DemoArgs,
    context: &Context,
) -> Result<bool, CliError> {
    let narration = Narration::for_terminal();
    let mut story =
        Story::new(&emulator.registry_url(), emulator.endpoints().data_dir(), &context.hints)?;
    let mut pace = Pace::new(args, context.global.json);
    for (number, step) in Step::ALL.into_iter().enumerate() {
        if number > 0 {
            pace.wait(narration, context).await;
        }
        if !context.global.json {
            let heading = narration.heading(number + 1, Step::ALL.len(), &step.heading());
            context.output.raw(heading.as_bytes());
        }
        let report = story.perform(step).await?;
        if context.global.json {
            let mut line = serde_json::to_vec(&report).map_err(io::Error::from)?;
            line.push(b'\n');
            context.output.raw(&line);
        } else {
            context.output.raw(narration.report(&report).as_bytes());
        }
        if !report.ok {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Pace {
    /// Wait for Enter on a terminal.
    fn new(args: &DemoArgs, json: bool) -> Self {
        if json {
            Self::Nothing
        } else if args.auto {
            Self::Wait(args.pace)
        } else if io::stdin().is_terminal() {
            Self::Enter(lines())
        } else {
            Self::Nothing
        }
    }

    async fn wait(&mut self, narration: Narration, context: &Context) {
        match self {
            Self::Nothing => (),
            Self::Wait(time) => tokio::time::sleep(*time).await,
            Self::Enter(lines) => {
                context.output.raw(narration.prompt().as_bytes());
                // The end of the input counts as Enter: the user is gone.
                lines.recv().await;
            }
        }
    }
}

/// The lines of standard input, read by a separate thread that ends with the process.
fn lines() -> mpsc::Receiver<()> {
    let (sender, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            if line.is_err() || sender.blocking_send(()).is_err() {
                return;
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::report::StepReport;
    use super::super::{image, story};
    use super::*;
    use crate::cli::hints::Hints;

    /// Runs the demo, with an action before a step.
    async fn run_with(
        before: Option<Step>,
        action: impl AsyncFnOnce(&Sealyard),
    ) -> Vec<StepReport> {
        let emulator = Sealyard::builder().ephemeral().start().await.unwrap();
        let data_dir = emulator.endpoints().data_dir().to_owned();
        let mut story = {
            let hints = Hints::new(Some(&"sealyard".into()), None);
            Story::new(&emulator.registry_url(), &data_dir, &hints).unwrap()
        };
        let mut action = Some(action);
        let mut steps: Vec<StepReport> = Vec::new();
        for step in Step::ALL {
            if before == Some(step)
                && let Some(action) = action.take()
            {
                action(&emulator).await;
            }
            steps.push(story.perform(step).await.unwrap());
            if !steps.last().unwrap().ok {
                break;
            }
        }
        steps
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_claim_is_true() {
        let steps = run_with(None, async |_| ()).await;

        let failed: Vec<&StepReport> = steps.iter().filter(|step| !step.ok).collect();
        assert!(failed.is_empty(), "{failed:?}");
        assert_eq!(steps.len(), Step::ALL.len());
        let refused = serde_json::to_value(&steps[5]).unwrap();
        assert_eq!(refused["step"], "refused");
        assert_eq!(refused["status"], 403);
        assert!(refused["asked"].as_array().unwrap().len() >= 5);
        for step in &steps {
            assert!(!step.to_try.is_empty(), "{step:?}");
        }
        assert!(refused["try"][0].as_str().unwrap().starts_with("docker pull localhost:"));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_fault_in_a_step_is_noticed_in_that_step() {
        let fault = async |emulator: &Sealyard, on: &str| {
            let rule = json!({ "on": on, "kind": "status", "status": 500 });
            emulator.app().faults.add(rule, emulator.app().owner()).await.unwrap();
        };
        for broken in Step::ALL {
            let steps = run_with(Some(broken), async |emulator| {
                let vault = emulator.vault().unwrap();
                match broken {
                    Step::Registry | Step::Rotate => fault(emulator, "keys/wrapKey").await,
                    Step::Push => fault(emulator, "uploads/PUT").await,
                    Step::Search => {
                        let image = image::Image::make().unwrap();
                        let path = emulator.endpoints().data_dir().join("left-behind");
                        fs_err::write(path, &image.blobs[2].bytes[40..140]).unwrap();
                    }
                    Step::Revoke => {
                        let rbac = mock_keyvault::VaultChanges {
                            rbac: Some(true),
                            ..mock_keyvault::VaultChanges::default()
                        };
                        vault.change_vault("local", rbac).await.unwrap();
                    }
                    Step::Refused => {
                        let registry = emulator.registry_named(story::REGISTRY).unwrap();
                        let identity = registry.profile().identities[0].principal.clone();
                        let all = mock_keyvault::KeyPermission::FOR_ENCRYPTION;
                        vault
                            .set_access_policy("local", &identity.principal_id, all)
                            .await
                            .unwrap();
                        registry.key_ring().check().await;
                    }
                    Step::Restore => fault(emulator, "arm").await,
                    Step::Pull => fault(emulator, "blobs/GET").await,
                }
            })
            .await;

            let last = steps.last().unwrap();
            assert!(!last.ok, "{broken:?}: {steps:?}");
            assert_eq!(last.step, broken.heading().step, "{last:?}");
        }
    }
}
