//! The commands and their arguments, as the parser and the help texts need them.

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args as _, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use clap_complete::Shell;

use super::global::{COMMON_OPTIONS, GlobalArgs};
use super::log::Level;
use super::serve_args::ServeArgs;
use super::{
    az, clock, demo, doctor, env, faults, gc, health, identity, image, key, password, registry,
    repair, reset, revoke, run, start, stop, verify,
};

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
    pub(super) serve: ServeArgs,
    // Last, so that they come last in the help texts.
    #[command(flatten)]
    pub(super) global: GlobalArgs,
    /// Print the version
    #[arg(short = 'V', long, action = clap::ArgAction::Version, help_heading = COMMON_OPTIONS)]
    version: Option<bool>,
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
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
    #[command(after_help = gc::GC_HELP)]
    Gc(gc::GcArgs),
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

/// Parses the arguments. The first argument is the program.
pub(super) fn parse(args: &[OsString]) -> Result<Cli, clap::Error> {
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

impl Cli {
    /// Whether the command talks to a running emulator.
    pub(super) fn is_client(&self) -> bool {
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

    /// The verbosity of the log.
    pub(super) fn level(&self) -> Level {
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
