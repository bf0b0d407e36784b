//! The command line: parses the arguments, runs the command and prints its result.
//!
//! `main.rs` calls [`main`]. This module parses the command; the command's own module does the work and passes a value to
//! [`output`], the only module that writes to the terminal: as text, or with `--json` as one document. All commands
//! except `serve` are clients of a running emulator and reach it only over its admin API.

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
mod log;
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
mod serve_args;
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
use self::log::{Level, LogFormat};
use self::output::Output;
use self::serve_args::ServeArgs;

const EXAMPLES: &str = "\
Examples:
  sealyard                              start the registry on localhost:5000
  sealyard start                        start it in the background; `stop` stops it
  docker push localhost:5000/app:1      push an image, without a login
  sealyard demo                         show how it works, on a separate emulator
  sealyard status                       show addresses and states
  sealyard revoke --by policy           revoke the access to the key: pushes and pulls are refused
  sealyard restore                      restore the access: pushes and pulls work again
  sealyard doctor                       find problems, and the commands that repair them
  sealyard az -- keyvault list          run the Azure CLI against the emulator

Exit codes:
  0  success
  1  the command failed, or the emulator is not healthy
  2  the command line is wrong, or `reset` was not confirmed
  3  no emulator runs, or several run and the command names none
  4  refused, because the registry's key cannot be used
  5 to 9  depends on the command: see the help of `verify` and `repair`";

const COMPLETIONS: &str = "\
Examples:
  sealyard completions bash > ~/.local/share/bash-completion/completions/sealyard
  sealyard completions zsh > ~/.zfunc/_sealyard      with fpath+=~/.zfunc before compinit in ~/.zshrc
  sealyard completions fish > ~/.config/fish/completions/sealyard.fish";

/// Azure Container Registry with customer-managed keys, on this machine
///
/// Without a command, it runs `sealyard serve`: a registry that encrypts all content with a key in a mock of Azure
/// Key Vault. Every option of `serve` has an environment variable.
#[derive(Debug, Parser)]
#[command(name = "sealyard", bin_name = "sealyard", version, after_help = EXAMPLES, max_term_width = 110)]
#[command(disable_help_subcommand = true, disable_help_flag = true, disable_version_flag = true)]
pub struct Cli {
    #[command(flatten)]
    serve: ServeArgs,
    // Last, so that they come last in the help texts.
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
/// Their display order: after all other options.
const LAST: usize = 1000;

/// The options of all commands.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = COMMON_OPTIONS, next_display_order = LAST)]
struct GlobalArgs {
    /// The data folder; a command uses the emulator that runs on it [default: the platform's data folder]
    #[arg(long, global = true, value_name = "FOLDER", env = "SEALYARD_DATA_DIR")]
    data_dir: Option<PathBuf>,
    #[arg(
        long,
        global = true,
        value_name = "URL",
        value_parser = endpoint,
        help = "The URL of the running emulator's registry [env: SEALYARD_ENDPOINT, otherwise SEALYARD_URL]"
    )]
    endpoint: Option<Url>,
    /// Print the result as JSON
    #[arg(long, global = true)]
    json: bool,
    /// Log more; -vv logs each step
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    verbose: u8,
    /// Print only errors and requested data
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Log format
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
    /// Start the registry and its vault in this terminal (the default command)
    Serve(Box<ServeArgs>),
    /// Start the emulator in the background; returns when it is ready
    #[command(after_help = start::HELP)]
    Start(Box<ServeArgs>),
    /// Stop the emulator, in the background or in another terminal; returns when it has ended
    #[command(after_help = stop::HELP)]
    Stop,
    /// Show step by step how a customer-managed key works, on a separate emulator
    #[command(after_help = demo::HELP)]
    Demo(demo::DemoArgs),
    /// Show the addresses and states of the registries and vaults
    Status,
    /// Check whether the emulator is healthy
    #[command(after_help = health::EXIT_CODES)]
    Health(health::HealthArgs),
    /// Print the password for clients such as docker
    #[command(after_help = password::EXAMPLES)]
    Password(password::PasswordArgs),
    /// Find problems, their reasons, and the commands that repair them
    #[command(after_help = doctor::HELP)]
    Doctor(doctor::DoctorArgs),
    /// Print the environment variables with which clients use the emulator
    #[command(after_help = env::EXAMPLES)]
    Env(env::EnvArgs),
    /// Run a command with the variables of `env`, and exit with its exit code
    #[command(after_help = run::EXAMPLES)]
    Run(run::RunArgs),
    /// Run the Azure CLI against the emulator, signed in as the owner
    #[command(after_help = az::EXAMPLES)]
    Az(az::AzArgs),
    /// Run docker for `az acr login`
    #[command(name = az::docker::COMMAND, hide = true)]
    DockerForAz(az::docker::DockerArgs),
    /// Manage a registry's key in the vault
    #[command(subcommand, after_help = key::EXAMPLES)]
    Key(key::KeyCommand),
    /// Revoke a registry's access to its key
    #[command(after_help = revoke::REVOKE_HELP)]
    Revoke(revoke::RevokeArgs),
    /// Restore the access that `revoke` removed
    #[command(after_help = revoke::RESTORE_HELP)]
    Restore(revoke::RestoreArgs),
    /// Create, show, change and delete registries, and rotate their keys
    #[command(subcommand, after_help = registry::EXAMPLES)]
    Registry(registry::RegistryCommand),
    /// Show and delete the images of a registry
    #[command(subcommand, after_help = image::EXAMPLES)]
    Image(image::ImageCommand),
    /// Create and delete the managed identities that registries use their keys with
    #[command(subcommand, after_help = identity::EXAMPLES)]
    Identity(identity::IdentityCommand),
    /// Authenticate all stored content of a registry
    #[command(after_help = verify::VERIFY_HELP)]
    Verify(verify::VerifyArgs),
    /// Collect garbage of a registry: remove content that nothing refers to
    #[command(after_help = content::GC_HELP)]
    Gc(content::GcArgs),
    /// Repair a damaged data folder, and list the losses
    #[command(after_help = repair::HELP)]
    Repair(Box<repair::RepairArgs>),
    /// Show or change the emulator's clock
    #[command(subcommand, after_help = clock::EXAMPLES)]
    Clock(clock::ClockCommand),
    /// Inject faults into the registry or its vault
    #[command(subcommand, after_help = faults::EXAMPLES)]
    Faults(faults::FaultsCommand),
    /// Reset everything to a fresh state
    #[command(after_help = reset::HELP)]
    Reset(reset::ResetArgs),
    /// Print a completion script for a shell
    #[command(after_help = COMPLETIONS)]
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// The variables that name the running emulator, in the order of precedence.
const ENDPOINT_VARIABLES: [&str; 2] = ["SEALYARD_ENDPOINT", "SEALYARD_URL"];

/// The values that every command gets.
#[derive(Clone, Debug)]
struct Context {
    global: GlobalArgs,
    output: Output,
    hints: Hints,
}

/// Runs the command in the arguments. The first argument is the program.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let cli = match parse(&args) {
        Ok(cli) => cli,
        Err(error) => {
            // The parser prints an error to standard error and a help text to standard output.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let output = Output::new(cli.global.json, cli.global.quiet);
    if let Some(complaint) = log::init(cli.level(), cli.global.log_format) {
        tracing::warn!("{complaint}");
    }
    let mut global = cli.global.clone();
    let read = global.read_environment(&args);
    let hints = global.hints(&args).outside(Container::around_this_process());
    let mut context = Context { global, output, hints };
    // Commands that start an emulator contact none.
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

/// Refuses an option of `serve` before another command, which would ignore it.
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
            // Log lines would disturb the text of the demo.
            (false, 0) if matches!(self.command, Some(Command::Demo(_))) => Level::Quiet,
            (false, 0) if serves => Level::Normal,
            (false, 0) => Level::Client,
            (false, 1) => Level::Verbose,
            (false, _) => Level::Everything,
        }
    }
}

impl GlobalArgs {
    /// The options that select the emulator of a data folder.
    fn of_folder(folder: PathBuf) -> Self {
        Self { data_dir: Some(folder), ..Self::none() }
    }

    /// The options that select the emulator at a URL.
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

    /// Takes the endpoint from the environment, unless the command line names an emulator. An option takes precedence over
    /// a variable: otherwise a variable for one emulator would redirect a command for another one.
    fn read_environment(&mut self, args: &[OsString]) -> Result<(), CliError> {
        if self.endpoint.is_none() && data_dir_as_typed(args).is_none() {
            self.endpoint = endpoint_of(|name| std::env::var(name).ok())?;
        }
        Ok(())
    }

    /// Hints with the options that select the named emulator.
    fn hints(&self, args: &[OsString]) -> Hints {
        let typed = data_dir_as_typed(args);
        if let Some(endpoint) = &self.endpoint {
            return Hints::new(args.first(), typed).at(endpoint.as_str());
        }
        // The command may be typed in another shell, which does not have the variable.
        let named = self.data_dir.as_ref().map(|folder| folder.clone().into_os_string());
        Hints::new(args.first(), typed.or(named))
    }
}

/// The endpoint in a variable. An empty variable counts as none.
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
        // Messages would print it, and requests would send it instead of the token.
        return Err(format!("{words}, without a user name: the admin API takes a token"));
    }
    if matches!(url.scheme(), "http" | "https") && url.has_host() {
        // A path does not select another emulator, but would appear in hints and exports.
        url.set_path("");
        url.set_query(None);
        url.set_fragment(None);
        Ok(url)
    } else {
        Err(words.to_owned())
    }
}

/// `--data-dir` as typed, so that hints repeat it. If it is in the environment, the next command has it as well.
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
