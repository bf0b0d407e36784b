//! Runs the command that the arguments name.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::CommandFactory as _;

use super::command::{Cli, Command, parse};
use super::container::Container;
use super::context::Context;
use super::error::CliError;
use super::exit::Exit;
use super::output::Output;
use super::replacement::Replacement;
use super::{
    az, clock, demo, discovery, doctor, env, faults, gc, health, identity, image, key, log,
    password, registry, repair, reset, revoke, run, serve, start, status, stop, verify,
};

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
    if let Some(warning) = log::init(cli.level(), cli.global.log_format) {
        tracing::warn!("{warning}");
    }
    let mut global = cli.global.clone();
    let endpoint = global.read_environment(&args);
    let hints = global.hints(&args).outside_container(Container::around_this_process());
    let mut context = Context { global, output, hints };
    // Commands that start an emulator contact none.
    let endpoint = if cli.is_client() { endpoint } else { Ok(()) };
    match endpoint.and_then(|()| dispatch(cli, &args, &mut context)) {
        Ok(exit) => exit.into(),
        Err(error) => {
            context.output.error(&error, &context.hints);
            error.exit().into()
        }
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
            Ok(Exit::Success)
        }
        Some(command) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let (exit, replacement) = runtime.block_on(run_client(command, context))?;
            drop(runtime);
            match replacement {
                Some(replacement) => replacement.exec(context),
                None => Ok(exit),
            }
        }
    }
}

/// The commands that talk to a running emulator.
pub(super) async fn run_client(
    command: Command,
    context: &mut Context,
) -> Result<(Exit, Option<Replacement>), CliError> {
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
    context.hints = emulator.hints(&context.hints);
    let context = &*context;
    let exit = match command {
        Command::Status => status::status(&emulator, context).await?,
        Command::Password(args) => password::password(&args, &emulator, context).await?,
        Command::Env(args) => env::env(&args, &emulator, context).await?,
        Command::Run(args) => {
            return Ok((Exit::Success, Some(run::prepare(args, &emulator).await?)));
        }
        Command::Az(args) => {
            return Ok((Exit::Success, Some(az::prepare(args, &emulator, context).await?)));
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
        Command::Gc(args) => gc::collect(&args, &emulator, context).await?,
        Command::Clock(command) => clock::clock(command, &emulator, context).await?,
        Command::Serve(_)
        | Command::Start(_)
        | Command::Stop
        | Command::Demo(_)
        | Command::DockerForAz(_)
        | Command::Doctor(_)
        | Command::Health(_)
        | Command::Repair(_)
        | Command::Completions { .. } => Exit::Success,
    };
    Ok((exit, None))
}
