//! The command line: what a person types, and what comes back.
//!
//! `main.rs` calls [`main`]. A command is parsed here, does its work in a module of its own, and hands a value to
//! [`output`], the only module that writes to the terminal: for people, or with `--json` as one document. All commands
//! but `serve` are clients of a running emulator and reach it over its admin API alone.

mod az;
mod client;
mod clock;
mod content;
mod demo;
mod doctor;
mod env;
mod error;
mod faults;
mod health;
mod hints;
mod identity;
mod key;
mod output;
mod port_owner;
mod registry;
mod reset;
mod revoke;
mod run;
mod serve;
mod status;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use clap_complete::Shell;
use url::Url;

use self::client::Emulator;
use self::error::{CliError, Exit};
use self::hints::Hints;
use self::output::Output;
use crate::config::{Config, ServeArgs};
use crate::telemetry::{self, Level, LogFormat};

const EXAMPLES: &str = "\
Examples:
  sealyard                              start the registry on localhost:5000
  docker push localhost:5000/app:1      push to it, with no login
  sealyard demo                         the whole story, on an emulator of its own
  sealyard status                       what runs where, and in which state
  sealyard revoke --by policy           take the key away: the registry goes dark
  sealyard restore                      and everything is back
  sealyard doctor                       what is wrong, and the command that repairs it
  sealyard az -- keyvault list          the Azure CLI, against the emulator

Exit codes:
  0  fine
  1  it failed, or is not healthy, or something is damaged
  2  the command line is wrong
  3  no emulator is running
  4  refused: the key of the registry cannot be used";

/// Azure Container Registry with customer-managed keys, on this machine
///
/// Without a command it is `sealyard serve`: a registry whose every stored byte is sealed under a key in a mock Azure
/// Key Vault. Every option of `serve` has an environment variable too.
#[derive(Debug, Parser)]
#[command(name = "sealyard", bin_name = "sealyard", version, after_help = EXAMPLES, max_term_width = 110)]
#[command(disable_help_subcommand = true)]
pub struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(flatten)]
    serve: ServeArgs,
    #[command(subcommand)]
    command: Option<Command>,
}

/// The options of all commands.
#[derive(Args, Clone, Debug)]
struct GlobalArgs {
    /// The data folder; it also finds the running emulator [default: the platform's data folder]
    #[arg(long, global = true, value_name = "FOLDER", env = "SEALYARD_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// The running emulator, by the URL of its registry
    #[arg(long, global = true, value_name = "URL", env = "SEALYARD_ENDPOINT", value_parser = endpoint)]
    endpoint: Option<Url>,
    /// Print one JSON document, for programs
    #[arg(long, global = true)]
    json: bool,
    /// Say more; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    verbose: u8,
    /// Say errors alone
    #[arg(short, long, global = true)]
    quiet: bool,
    /// How lines of the log look
    #[arg(
        long,
        global = true,
        value_name = "FORMAT",
        env = "SEALYARD_LOG_FORMAT",
        default_value = "text"
    )]
    log_format: LogFormat,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the registry and its vault; this is what happens without a command too
    Serve(Box<ServeArgs>),
    /// Tell what a customer-managed key means, on an emulator of its own
    #[command(after_help = demo::HELP)]
    Demo(demo::DemoArgs),
    /// Show what runs where, and in which state
    Status,
    /// Say whether the emulator is up, for health checks
    #[command(after_help = health::EXIT_CODES)]
    Health(health::HealthArgs),
    /// Say what is wrong, why, and the command that repairs it
    #[command(after_help = doctor::HELP)]
    Doctor(doctor::DoctorArgs),
    /// Print what a shell has to export to reach the emulator
    #[command(after_help = env::EXAMPLES)]
    Env(env::EnvArgs),
    /// Run a command with that environment; its exit code is passed on
    #[command(after_help = run::EXAMPLES)]
    Run(run::RunArgs),
    /// Run the Azure CLI against the emulator, signed in as the owner
    #[command(after_help = az::EXAMPLES)]
    Az(az::AzArgs),
    /// Docker, as `az` runs it for `acr login`
    #[command(name = az::docker::COMMAND, hide = true)]
    DockerForAz(az::docker::DockerArgs),
    /// Look after the key of a registry, as its owner
    #[command(subcommand, after_help = key::EXAMPLES)]
    Key(key::KeyCommand),
    /// Take the key from a registry, in one of the ways there are
    #[command(after_help = revoke::REVOKE_HELP)]
    Revoke(revoke::RevokeArgs),
    /// Undo what `revoke` did
    #[command(after_help = revoke::RESTORE_HELP)]
    Restore(revoke::RestoreArgs),
    /// Make, show, change and delete registries, and rotate their keys by hand
    #[command(subcommand, after_help = registry::EXAMPLES)]
    Registry(registry::RegistryCommand),
    /// Make and delete the managed identities that registries use their keys with
    #[command(subcommand, after_help = identity::EXAMPLES)]
    Identity(identity::IdentityCommand),
    /// Read and authenticate every stored byte
    #[command(after_help = content::VERIFY_HELP)]
    Verify(content::VerifyArgs),
    /// Take away what pushes left behind
    #[command(after_help = content::GC_HELP)]
    Gc(content::GcArgs),
    /// Show or move the clock of the emulator
    #[command(subcommand, after_help = clock::EXAMPLES)]
    Clock(clock::ClockCommand),
    /// Make the registry or its vault fail on demand
    #[command(subcommand, after_help = faults::EXAMPLES)]
    Faults(faults::FaultsCommand),
    /// Have everything be as at a fresh start
    #[command(after_help = reset::HELP)]
    Reset(reset::ResetArgs),
    /// Print a script that completes commands in a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// What every command is handed.
#[derive(Debug)]
struct Context {
    global: GlobalArgs,
    output: Output,
    hints: Hints,
}

/// Does what the arguments say. The first of them is the program.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let cli = match parse(&args) {
        Ok(cli) => cli,
        Err(error) => {
            // The parser knows whether this is an error or a help text, and where each belongs.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let output = Output::new(cli.global.json, cli.global.quiet);
    if let Some(complaint) = telemetry::init(cli.level(), cli.global.log_format) {
        tracing::warn!("{complaint}");
    }
    let hints = Hints::new(args.first(), data_dir_as_typed(&args));
    let context = Context { global: cli.global.clone(), output, hints };
    match dispatch(cli, &context) {
        Ok(exit) => exit.into(),
        Err(error) => {
            context.output.error(&error, &context.hints);
            error.exit().into()
        }
    }
}

fn parse(args: &[OsString]) -> Result<Cli, clap::Error> {
    let mut command = Cli::command();
    let matches = command.try_get_matches_from_mut(args)?;
    refuse_misplaced(&mut command, &matches)?;
    Cli::from_arg_matches(&matches)
}

/// An option of `serve` before another command would be taken and forgotten.
fn refuse_misplaced(command: &mut clap::Command, matches: &ArgMatches) -> Result<(), clap::Error> {
    let Some(subcommand) = matches.subcommand_name() else { return Ok(()) };
    let serve = ServeArgs::augment_args(clap::Command::new("serve"));
    let misplaced = serve.get_arguments().find(|arg| {
        matches.try_contains_id(arg.get_id().as_str()).is_ok()
            && matches.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine)
    });
    match misplaced.and_then(clap::Arg::get_long) {
        None => Ok(()),
        Some(flag) if subcommand == "serve" => {
            Err(command.error(ErrorKind::ArgumentConflict, format!("put --{flag} after `serve`")))
        }
        Some(flag) => Err(command.error(
            ErrorKind::ArgumentConflict,
            format!("--{flag} is an option of `serve`, not of `{subcommand}`"),
        )),
    }
}

fn dispatch(cli: Cli, context: &Context) -> Result<Exit, CliError> {
    let serve = cli.serve;
    match cli.command {
        None => serve::serve(serve, context),
        Some(Command::Serve(serve)) => serve::serve(*serve, context),
        Some(Command::Demo(args)) => demo::demo(&args, context),
        Some(Command::Completions { shell }) => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "sealyard", &mut script);
            context.output.raw(&script);
            Ok(Exit::Fine)
        }
        Some(command) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let (exit, replacement) = runtime.block_on(ask(command, context))?;
            drop(runtime);
            match replacement {
                Some(replacement) => replacement.exec(context.output),
                None => Ok(exit),
            }
        }
    }
}

/// The commands that talk to a running emulator.
async fn ask(
    command: Command,
    context: &Context,
) -> Result<(Exit, Option<run::Replacement>), CliError> {
    if let Command::Health(args) = command {
        return Ok((health::health(&args, context).await, None));
    }
    if let Command::Doctor(args) = command {
        return Ok((doctor::doctor(&args, context).await, None));
    }
    if let Command::DockerForAz(args) = command {
        return Ok((az::docker::run(args, context).await?, None));
    }
    let emulator = Emulator::find(&context.global)?;
    let exit = match command {
        Command::Status => status::status(&emulator, context).await?,
        Command::Env(args) => env::env(&args, &emulator, context).await?,
        Command::Run(args) => {
            return Ok((Exit::Fine, Some(run::prepare(args, &emulator, context).await?)));
        }
        Command::Az(args) => {
            return Ok((Exit::Fine, Some(az::prepare(args, &emulator, context).await?)));
        }
        Command::Key(command) => key::key(command, &emulator, context).await?,
        Command::Revoke(args) => revoke::revoke(&args, &emulator, context).await?,
        Command::Restore(args) => revoke::restore(&args, &emulator, context).await?,
        Command::Faults(command) => faults::faults(command, &emulator, context).await?,
        Command::Registry(command) => registry::registry(command, &emulator, context).await?,
        Command::Identity(command) => identity::identity(command, &emulator, context).await?,
        Command::Reset(args) => reset::reset(&args, &emulator, context).await?,
        Command::Verify(args) => content::verify(&args, &emulator, context).await?,
        Command::Gc(args) => content::collect(&args, &emulator, context).await?,
        Command::Clock(command) => clock::clock(command, &emulator, context).await?,
        Command::Serve(_)
        | Command::Demo(_)
        | Command::DockerForAz(_)
        | Command::Doctor(_)
        | Command::Health(_)
        | Command::Completions { .. } => Exit::Fine,
    };
    Ok((exit, None))
}

impl Cli {
    fn level(&self) -> Level {
        let serves = matches!(self.command, None | Some(Command::Serve(_)));
        match (self.global.quiet, self.global.verbose) {
            (true, _) => Level::Quiet,
            // Nothing comes between the lines of the story.
            (false, 0) if matches!(self.command, Some(Command::Demo(_))) => Level::Quiet,
            (false, 0) if serves => Level::Normal,
            (false, 0) => Level::Client,
            (false, 1) => Level::Verbose,
            (false, _) => Level::Everything,
        }
    }
}

impl GlobalArgs {
    /// The data folder that was chosen, or the platform's.
    fn data_dir(&self) -> Result<PathBuf, CliError> {
        let chosen = self.data_dir.clone().or_else(Config::default_data_dir);
        Ok(chosen.ok_or(crate::config::ConfigError::NoDataDir)?)
    }
}

fn endpoint(text: &str) -> Result<Url, String> {
    let words = "expected a URL, such as http://127.0.0.1:5000";
    let url: Url = text.parse().map_err(|_| words.to_owned())?;
    if matches!(url.scheme(), "http" | "https") && url.has_host() {
        Ok(url)
    } else {
        Err(words.to_owned())
    }
}

/// `--data-dir` as it was typed, so that hints repeat it. From the environment it holds for the next command as well.
fn data_dir_as_typed(args: &[OsString]) -> Option<OsString> {
    let args = args.iter().take_while(|arg| *arg != "--");
    let mut typed = None;
    let mut args = args.peekable();
    while let Some(arg) = args.next() {
        if arg == "--data-dir" {
            typed = args.peek().map(|value| (*value).clone());
        } else if let Some(value) = arg.to_str().and_then(|arg| arg.strip_prefix("--data-dir=")) {
            typed = Some(value.into());
        }
    }
    typed
}

#[cfg(test)]
mod tests;
