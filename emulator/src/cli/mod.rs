//! The command line: parses the arguments, runs the command and prints its result.
//!
//! `main.rs` calls [`main`]. From the top down:
//!
//! - [`command`] defines the commands and parses them, and [`dispatch`] runs them.
//! - Each command is a file or a folder: its arguments, the requests that it sends, and its texts.
//! - [`discovery`] finds the emulator, [`client`] sends requests to it, [`trust`] stores its certificates.
//! - [`output`] is the only module that writes to the terminal: as text, or with `--json` as one document. [`error`] has
//!   the errors of all commands.
//!
//! All commands except `serve` are clients of a running emulator and reach it only over its admin API.

mod az;
mod background;
mod banner;
mod cache;
mod client;
mod clock;
mod command;
mod container;
mod context;
mod demo;
mod discovery;
mod dispatch;
mod doctor;
mod env;
mod error;
mod exit;
mod faults;
mod gc;
mod global;
mod health;
pub(crate) mod hints;
mod identity;
mod image;
mod key;
mod last_run;
mod log;
mod output;
mod paint;
mod password;
mod phrases;
mod port_owner;
mod programs;
mod registry;
mod repair;
mod replacement;
mod reset;
mod revoke;
mod run;
mod serve;
mod serve_args;
mod start;
mod status;
mod stop;
mod token;
mod trust;
mod variables;
mod verify;

pub use self::dispatch::main;

#[cfg(test)]
mod tests;
