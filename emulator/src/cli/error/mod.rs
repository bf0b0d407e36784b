//! The errors of commands, with their exit codes, and with hints that say how to solve them.

mod cli_error;
mod code;
mod hint;

pub(super) use self::cli_error::CliError;
