//! The flags of `sealyard serve` and their environment variables, checked.
//!
//! [`ServeArgs`] has the command line as typed, and a [`Config`](crate::config::Config) is made of it. This is the only place
//! that names environment variables of `serve`.

mod args;
mod check;
mod error;
#[cfg(test)]
mod tests;

pub(super) use self::args::ServeArgs;
pub(super) use self::error::ConfigError;
