//! The command line: what a person types, and what comes back.
//!
//! `main.rs` calls [`main`]. A command is parsed here, does its work in a module of its own, and hands a value to
//! [`output`], the only module that writes to the terminal: for people, or with `--json` as one document. All commands
//! but `serve` are clients of a running emulator and reach it over its admin API alone.

mod az;
mod background;
mod client;
mod clock;
mod container;
mod content;
mod demo;
mod discovery;
mod doctor;
mod env;
mod error;
mod faults;
mod health;
pub mod hints;
mod identity;
mod image;
mod key;
mod last_run;
mod output;
mod paint;
mod password;
mod port_owner;
mod registry;
mod repair;
mod reset;
mod revoke;
mod run;
mod serve;
mod start;
mod status;
mod stop;
mod trust;
mod verify;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use clap_complete::Shell;
use url::Url;

use self::container::Container;
use self::error::{CliError, Exit};
use self::hints::Hints;
use self::output::Output;
use crate::config::ServeArgs;
use crate::telemetry::{self, Level, LogFormat};

const EXAMPLES: &str = "\
Examples:
  sealyard                              start the registry on localhost:5000
  sealyard start                        the same in the background, until `stop`
  docker push localhost:5000/app:1      push to it, with no login
  sealyard demo                         the whole story, on an emulator of its own
  sealyard status                       what runs where, and in which state
  sealyard revoke --by policy           take the key away: the registry goes dark
  sealyard restore                      and everything is back
  sealyard doctor                       what is wrong, and the command that repairs it
  sealyard az -- keyvault list          the Azure CLI, against the emulator

Exit codes:
  0  fine
  1  it failed, or is not healthy
  2  the command line is wrong
  3  no emulator is running, or several are and none is named
  4  refused: the key of the registry cannot be used
  5 to 9  verify found a fault, and its help says which";

const COMPLETIONS: &str = "\
Examples:
  sealyard completions bash > ~/.local/share/bash-completion/completions/sealyard
  sealyard completions zsh > ~/.zfunc/_sealyard      with fpath+=~/.zfunc before compinit in ~/.zshrc
  sealyard completions fish > ~/.config/fish/completions/sealyard.fish";

/// Azure Container Registry with customer-managed keys, on this machine
///
/// Without a command it is `sealyard serve`: a registry whose every stored byte is sealed under a key in a mock Azure
/// Key Vault. Every option of `serve` has an environment variable too.
#[derive(Debug, Parser)]
#[command(name = "sealyard", bin_name = "sealyard", version, after_help = EXAMPLES, max_term_width = 110)]
#[command(disable_help_subcommand = true, disable_help_flag = true, disable_version_flag = true)]
pub struct Cli {
    #[command(flatten)]
    serve: ServeArgs,
    // Last, as in the help texts.
    #[command(flatten)]
    global: GlobalArgs,
    /// Print the version
    #[arg(short = 'V', long, action = clap::ArgAction::Version, help_heading = COMMON_OPTIONS)]
    version: Option<bool>,
    #[command(subcommand)]
    command: Option<Command>,
}

/// The heading of the options of all commands.
const COMMON_OPTIONS: &str = "Options of all commands";
/// Where they stand among the options: behind all others.
const LAST: usize = 1000;

/// The options of all commands.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = COMMON_OPTIONS, next_display_order = LAST)]
struct GlobalArgs {
    /// The data folder; it also finds the running emulator [default: the platform's data folder]
    #[arg(long, global = true, value_name = "FOLDER", env = "SEALYARD_DATA_DIR")]
    data_dir: Option<PathBuf>,
    #[arg(
        long,
        global = true,
        value_name = "URL",
        value_parser = endpoint,
        help = "The running emulator, by the URL of its registry [env: SEALYARD_ENDPOINT, otherwise SEALYARD_URL]"
    )]
    endpoint: Option<Url>,
    /// Print one JSON document, for programs
    #[arg(long, global = true)]
    json: bool,
    /// Print more about what this program does; twice for each step
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    verbose: u8,
    /// Only print errors
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
    /// Print help
    #[arg(short, long, global = true, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the registry and its vault; this is what happens without a command too
    Serve(Box<ServeArgs>),
    /// Start it in the background; returns when it is ready
    #[command(after_help = start::HELP)]
    Start(Box<ServeArgs>),
    /// Stop it, whether it runs in the background or in a terminal; returns when it has ended
    #[command(after_help = stop::HELP)]
    Stop,
    /// Tell what a customer-managed key means, on an emulator of its own
    #[command(after_help = demo::HELP)]
    Demo(demo::DemoArgs),
    /// Show what runs where, and in which state
    Status,
    /// Say whether the emulator is up, for health checks
    #[command(after_help = health::EXIT_CODES)]
    Health(health::HealthArgs),
    /// Print the password that clients log in with
    #[command(after_help = password::EXAMPLES)]
    Password(password::PasswordArgs),
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
    /// Show and delete the images of a registry
    #[command(subcommand, after_help = image::EXAMPLES)]
    Image(image::ImageCommand),
    /// Make and delete the managed identities that registries use their keys with
    #[command(subcommand, after_help = identity::EXAMPLES)]
    Identity(identity::IdentityCommand),
    /// Read and authenticate every stored byte
    #[command(after_help = verify::VERIFY_HELP)]
    Verify(verify::VerifyArgs),
    /// Take away what pushes left behind
    #[command(after_help = content::GC_HELP)]
    Gc(content::GcArgs),
    /// Make a damaged data folder start again, and say what is lost
    #[command(after_help = repair::HELP)]
    Repair(Box<repair::RepairArgs>),
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
    #[command(after_help = COMPLETIONS)]
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// The variables that name the running emulator, in the order in which they count.
const ENDPOINT_VARIABLES: [&str; 2] = ["SEALYARD_ENDPOINT", "SEALYARD_URL"];

/// What every command is handed.
#[derive(Clone, Debug)]
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
    let mut global = cli.global.clone();
    let read = global.read_environment(&args);
    let hints = global.hints(&args).outside(Container::around_this_process());
    let mut context = Context { global, output, hints };
    // What starts an emulator asks none.
    let read = if cli.is_client() { read } else { Ok(()) };
    match read.and_then(|()| dispatch(cli, &args, &mut context)) {
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

fn dispatch(cli: Cli, args: &[OsString], context: &mut Context) -> Result<Exit, CliError> {
    let serve = cli.serve;
    match cli.command {
        None => serve::serve(serve, context),
        Some(Command::Serve(serve)) => serve::serve(*serve, context),
        Some(Command::Start(serve)) => start::start(*serve, args, context),
        Some(Command::Demo(args)) => demo::demo(&args, context),
        Some(Command::Repair(args)) => repair::repair(*args, context),
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
                Some(replacement) => replacement.exec(context),
                None => Ok(exit),
            }
        }
    }
}

/// The commands that talk to a running emulator.
async fn ask(
    command: Command,
    context: &mut Context,
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
    if let Command::Stop = command {
        return Ok((stop::stop(context).await?, None));
    }
    let emulator = discovery::find(&context.global).await?;
    context.hints = emulator.addressed_by(&context.hints);
    let context = &*context;
    let exit = match command {
        Command::Status => status::status(&emulator, context).await?,
        Command::Password(args) => password::password(&args, &emulator, context).await?,
        Command::Env(args) => env::env(&args, &emulator, context).await?,
        Command::Run(args) => {
            return Ok((Exit::Fine, Some(run::prepare(args, &emulator).await?)));
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
        Command::Image(command) => image::image(command, &emulator, context).await?,
        Command::Reset(args) => reset::reset(&args, &emulator, context).await?,
        Command::Verify(args) => verify::verify(&args, &emulator, context).await?,
        Command::Gc(args) => content::collect(&args, &emulator, context).await?,
        Command::Clock(command) => clock::clock(command, &emulator, context).await?,
        Command::Serve(_)
        | Command::Start(_)
        | Command::Stop
        | Command::Demo(_)
        | Command::DockerForAz(_)
        | Command::Doctor(_)
        | Command::Health(_)
        | Command::Repair(_)
        | Command::Completions { .. } => Exit::Fine,
    };
    Ok((exit, None))
}

impl Cli {
    /// Whether the command talks to a running emulator.
    fn is_client(&self) -> bool {
        let starts = |command: &Command| {
            matches!(
                command,
                Command::Serve(_)
                    | Command::Start(_)
                    | Command::Demo(_)
                    | Command::Repair(_)
                    | Command::Completions { .. }
            )
        };
        self.command.as_ref().is_some_and(|command| !starts(command))
    }

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
    /// Those that lead to the emulator of a data folder.
    fn of_folder(folder: PathBuf) -> Self {
        Self { data_dir: Some(folder), ..Self::none() }
    }

    /// Those that lead to the emulator at a URL.
    fn of_endpoint(endpoint: Url) -> Self {
        Self { endpoint: Some(endpoint), ..Self::none() }
    }

    fn none() -> Self {
        Self {
            data_dir: None,
            endpoint: None,
            json: false,
            verbose: 0,
            quiet: false,
            log_format: LogFormat::default(),
            help: None,
        }
    }

    /// Takes the endpoint from the environment, unless the command line names an emulator. A typed option counts more than
    /// a variable: otherwise a variable of one emulator would lead a command for another one astray.
    fn read_environment(&mut self, args: &[OsString]) -> Result<(), CliError> {
        if self.endpoint.is_none() && data_dir_as_typed(args).is_none() {
            self.endpoint = endpoint_of(|name| std::env::var(name).ok())?;
        }
        Ok(())
    }

    /// Hints with the options that lead to the emulator that was named.
    fn hints(&self, args: &[OsString]) -> Hints {
        let typed = data_dir_as_typed(args);
        if let Some(endpoint) = &self.endpoint {
            return Hints::new(args.first(), typed).at(endpoint.as_str());
        }
        // A variable holds only in this shell, and the command may be typed in another one.
        let named = self.data_dir.as_ref().map(|folder| folder.clone().into_os_string());
        Hints::new(args.first(), typed.or(named))
    }
}

/// The endpoint that a variable names. An empty variable names none.
fn endpoint_of(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Url>, CliError> {
    let named = ENDPOINT_VARIABLES
        .into_iter()
        .filter_map(|name| Some((name, variable(name)?)))
        .find(|(_, value)| !value.trim().is_empty());
    let Some((name, value)) = named else { return Ok(None) };
    let url = endpoint(value.trim());
    url.map(Some).map_err(|words| CliError::Variable { name, words })
}

fn endpoint(text: &str) -> Result<Url, String> {
    let words = "expected a URL, such as http://127.0.0.1:5000";
    let mut url: Url = text.parse().map_err(|_| words.to_owned())?;
    if !url.username().is_empty() || url.password().is_some() {
        // It would be printed in messages, and sent in the place of the token.
        return Err(format!("{words}, without a user name: the admin API takes a token"));
    }
    if matches!(url.scheme(), "http" | "https") && url.has_host() {
        // What follows the port names no other emulator, and would stand in hints and exports.
        url.set_path("");
        url.set_query(None);
        url.set_fragment(None);
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
