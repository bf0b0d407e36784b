//! `sealyard repair`: makes a damaged data folder start again, and says exactly what is lost.

use std::io::{self, BufRead as _, IsTerminal as _};
use std::path::PathBuf;

use clap::{Args, Parser};
use mock_keyvault::clock::Clock;
use serde::Serialize;
use url::Url;

use super::Context;
use super::error::{CliError, Exit};
use super::output::bytes;
use crate::config::{Config, ServeArgs};
use crate::repair::{Plan, Repair, Report};

pub(super) const HELP: &str = "\
It works on a folder that no emulator has open, also when `serve` refuses the folder.
It brings back, in this order: the journal as far as it can be verified, from the last checkpoints
or from an index that adds up; then sealed files that nothing names any more, with the mirrored
rings, the service-managed key and the vault. What comes back from sealed files alone has no name:
it is in the repository recovered/files of its registry, without a tag.
If the journal is damaged, small files that are named are read as well: it may have held the only
copy of one that a power cut has damaged.
The new rows are made beside the damaged ones and take their place in one step. If there is too
little room for them, nothing is changed.
What was damaged is kept in the data folder, in damaged-TIME/. The list of what is lost is in
damaged-TIME/lost.txt.
Stopped at any moment, the folder is as before or repaired, and the next repair or start says what
is lost.

Examples:
  sealyard repair --dry-run       show what would be done
  sealyard repair                 show it, ask, and do it
  sealyard repair --yes --json    for scripts

Exit codes:
  0  nothing is lost: all was sound, or all came back
  1  it failed
  2  the command line is wrong
  5  nothing was changed: nobody said yes
  6  repaired, and what is printed as lost is lost
  7  an emulator has the folder open";

/// Nothing was changed: nobody said yes.
const NOT_CONFIRMED: u8 = 5;
/// It was repaired, and something is lost.
const LOST: u8 = 6;
/// A process has the folder open.
const IN_USE: u8 = 7;

#[derive(Args, Debug)]
pub(super) struct RepairArgs {
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Show what would be done, and change nothing
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// The data folder of the embedded vault [default: `vault` in the data folder]
    #[arg(long, value_name = "FOLDER")]
    vault_data_dir: Option<PathBuf>,
    /// Open sealed files with this vault instead of the embedded one
    #[arg(long, value_name = "URL")]
    vault_url: Option<Url>,
    /// The authority that issues tokens for that vault
    #[arg(long, value_name = "URL")]
    authority: Option<Url>,
    /// The tenant of the registry's identity
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
    /// The client id of the registry's identity
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// The file with the secret of the registry's identity
    #[arg(long, value_name = "FILE")]
    client_secret_file: Option<PathBuf>,
    /// A CA to trust for that vault and its authority, in PEM
    #[arg(long, value_name = "FILE")]
    azure_ca: Option<PathBuf>,
    /// Open sealed files as `serve --strict-parity` does: also with an identity that was removed from a registry less than 90 days ago
    #[arg(long)]
    strict_parity: bool,
}

/// The options of `serve` as its environment variables set them.
#[derive(Parser)]
struct OfEnvironment {
    #[command(flatten)]
    serve: ServeArgs,
}

/// What `--json` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    /// Whether anything was changed.
    repaired: bool,
    #[serde(flatten)]
    report: &'a Report,
}

pub(super) fn repair(args: RepairArgs, context: &Context) -> Result<Exit, CliError> {
    let (yes, dry_run) = (args.yes, args.dry_run);
    let config = args.config(context)?;
    let repair = match Repair::examine(config, Clock::system()) {
        Ok(repair) => repair,
        Err(failure) if failure.is_in_use() => {
            context.output.error(&failure.into(), &context.hints);
            return Ok(Exit::Of(IN_USE));
        }
        Err(failure) => return Err(failure.into()),
    };
    let plan = repair.plan().clone();
    let show = |repaired, report: &Report, text: &str| {
        context.output.result(text, &Document { repaired, report });
    };
    let untouched = Report { plan: plan.clone(), recovered: None };
    if plan.is_empty() || dry_run {
        show(false, &untouched, &plan.to_string());
        return Ok(if plan.lost_before { Exit::Of(LOST) } else { Exit::Fine });
    }
    if !yes && !is_confirmed(&plan, context)? {
        if context.global.json || !io::stdin().is_terminal() {
            show(false, &untouched, &plan.to_string());
        }
        context.output.hint("nothing was changed; `--yes` does not ask");
        return Ok(Exit::Of(NOT_CONFIRMED));
    }
    // Before anything is changed: whoever stops the repair has seen what is lost.
    if yes && !context.global.json {
        context.output.raw(plan.to_string().as_bytes());
    }
    if yes && !plan.fits() {
        context.output.hint(&format!(
            "there may be too little room for the new rows beside the damaged ones: {} are needed, and {} are free; if it is too little, nothing is changed",
            bytes(plan.bytes_needed),
            bytes(plan.bytes_free)
        ));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let bar = context.output.progress("reading sealed files");
    let report = runtime.block_on(repair.run(|progress| {
        bar.set_message(format!("{} of {}", progress.done, progress.files));
    }));
    bar.finish_and_clear();
    let report = report?;
    show(true, &report, &report.to_string());
    Ok(if report.lost_something() { Exit::Of(LOST) } else { Exit::Fine })
}

impl RepairArgs {
    fn config(self, context: &Context) -> Result<Config, CliError> {
        // What a start of this folder would go by. Arguments count more than variables.
        let OfEnvironment { mut serve } = OfEnvironment::try_parse_from(["serve"])
            .map_err(|error| CliError::Io(io::Error::other(error.to_string())))?;
        serve.data_dir.clone_from(&context.global.data_dir);
        serve.vault_data_dir = self.vault_data_dir.or(serve.vault_data_dir);
        serve.vault_url = self.vault_url.or(serve.vault_url);
        serve.authority = self.authority.or(serve.authority);
        serve.tenant = self.tenant.or(serve.tenant);
        serve.client_id = self.client_id.or(serve.client_id);
        serve.client_secret_file = self.client_secret_file.or(serve.client_secret_file);
        serve.strict_parity |= self.strict_parity;
        serve.azure_ca = self.azure_ca.or(serve.azure_ca);
        Ok(Config { ephemeral: false, ..Config::try_from(serve)? })
    }
}

/// Shows the plan and asks whoever is there. Nobody is a no.
fn is_confirmed(plan: &Plan, context: &Context) -> Result<bool, CliError> {
    if context.global.json || !io::stdin().is_terminal() {
        return Ok(false);
    }
    context.output.raw(plan.to_string().as_bytes());
    if !plan.fits() {
        let words = format!(
            "There may be too little room: {} are needed beside the damaged rows, and {} are free. If it is too little, nothing is changed. Try all the same? Type yes: ",
            bytes(plan.bytes_needed),
            bytes(plan.bytes_free)
        );
        if !says_yes(&words, context)? {
            return Ok(false);
        }
    }
    says_yes("Type yes to repair the folder: ", context)
}

fn says_yes(question: &str, context: &Context) -> Result<bool, CliError> {
    context.output.raw(question.as_bytes());
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim().eq_ignore_ascii_case("yes"))
}
