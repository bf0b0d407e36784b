//! The command line of `mock-keyvault`: serves a vault, checks its health, repairs its folder, or prints variables for clients.
//!
//! `options` parses the arguments, `serve` runs a vault until it is told to stop, `endpoints` writes and reads the file of its
//! addresses, `health` asks it, and `env` prints the variables of `client_env`. Everything else is in the library.

mod client_env;
mod endpoints;
mod env;
mod failure;
mod health;
mod network;
mod options;
mod output;
mod repair;
mod run;
mod serve;
#[cfg(test)]
mod tests;

pub(crate) use run::main;
