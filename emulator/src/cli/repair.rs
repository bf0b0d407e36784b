//! `sealyard repair`: makes a damaged data folder usable again, and lists exactly what is lost.

use std::io::{self, BufRead as _, IsTerminal as _};
use std::path::PathBuf;

use azure_emulator_core::clock::Clock;
use clap::{Args, Parser};
use serde::Serialize;
use url::Url;

use super::context::Context;
use super::error::CliError;
use super::exit::Exit;
use super::output::bytes;
use super::serve_args::ServeArgs;
use crate::config::Config;
use crate::repair::{Plan, Repair, Report};

pub(super) const HELP: &str = "\
The folder must not be in use by an emulator. The repair also works if `serve` refuses the folder.
It first recovers the database of names, tags and settings (the rows): from a saved state whose
checksum is right, and from the later changes in the journal, as far as they can be verified.
Then it recovers files that no row names. To open them, it needs the vault, the service-managed key,
and the copies of the wrapped data keys in rings/. Content that is recovered only from sealed files
has no name: it is in the repository recovered/files of its registry, without a tag.
The journal also contains copies of small files, because a power cut can damage a small file after
its push. If the journal is damaged, such a copy can be lost. So the repair then reads every small
file that a row names, and lists the damaged ones.
It writes new rows next to the damaged ones and replaces them in one step. If there is too little
space for them, it changes nothing.
The damaged files stay in the data folder, in damaged-TIME/. The list of losses is in
damaged-TIME/lost.txt.
If the repair is stopped, the folder is either unchanged or repaired, and the next repair or start
lists the losses.
Without these options, repair uses the environment variables of `serve`, such as SEALYARD_VAULT_URL.

Examples:
  sealyard repair --dry-run       only show the plan
  sealyard repair                 show the plan, ask, and repair
  sealyard repair --yes --json    for scripts

Exit codes:
  0  nothing is lost: everything was intact, or was recovered
  1  the repair failed
  2  the command line is wrong
  5  not confirmed; nothing was changed
  6  repaired, with the printed losses
  7  an emulator has the folder open";

/// The exit code if the repair was not confirmed and changed nothing.
const NOT_CONFIRMED: u8 = 5;
/// The exit code after a repair with losses.
const LOST: u8 = 6;
/// The exit code if a process has the folder open.
const IN_USE: u8 = 7;

#[derive(Args, Debug)]
pub(super) struct RepairArgs {
    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
    /// Only show the plan
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
    /// A PEM file with a CA to trust for that vault and its authority
    #[arg(long, value_name = "FILE")]
    azure_ca: Option<PathBuf>,
    /// Open sealed files as `serve --strict-parity` does: also with an identity that was removed from a registry less than 90 days ago
    #[arg(long)]
    strict_parity: bool,
}

/// The options of `serve` from its environment variables.
#[derive(Parser)]
struct ServeEnvironment {
    #[command(flatten)]
    serve: ServeArgs,
}

/// The document that `--json` prints.
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
            return Ok(Exit::Code(IN_USE));
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
        return Ok(if plan.lost_before { Exit::Code(LOST) } else { Exit::Success });
    }
    if !yes && !is_confirmed(&plan, context)? {
        if context.global.json || !io::stdin().is_terminal() {
            show(false, &untouched, &plan.to_string());
        }
        context.output.hint("nothing was changed; confirm with `--yes`");
        return Ok(Exit::Code(NOT_CONFIRMED));
    }
    // Before anything is changed, so that a user who stops the repair has seen the losses.
    if yes && !context.global.json {
        context.output.raw(plan.to_string().as_bytes());
    }
    if yes && !plan.fits() {
        context.output.hint(&format!(
            "the disk may have too little space for the new rows: {} are needed, and {} are free; if it is too little, nothing is changed",
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
    Ok(if report.lost_something() { Exit::Code(LOST) } else { Exit::Success })
}

impl RepairArgs {
    fn config(self, context: &Context) -> Result<Config, CliError> {
        // The settings that a start of this folder would use. Arguments take precedence over variables.
        let ServeEnvironment { mut serve } = ServeEnvironment::try_parse_from(["serve"])
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

/// Shows the plan and asks the user. Without a terminal the answer is no.
fn is_confirmed(plan: &Plan, context: &Context) -> Result<bool, CliError> {
    if context.global.json || !io::stdin().is_terminal() {
        return Ok(false);
    }
    context.output.raw(plan.to_string().as_bytes());
    if !plan.fits() {
        let question = format!(
            "The disk may have too little space: {} are needed for the new rows, and {} are free. If it is too little, nothing is changed. Type yes to try: ",
            bytes(plan.bytes_needed),
            bytes(plan.bytes_free)
        );
        if !says_yes(&question, context)? {
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
