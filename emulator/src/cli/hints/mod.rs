//! The commands that messages print for people to type, rendered so that each works as printed.
//!
//! A message names a [`Hint`]; [`Hints`] renders it with the path of the running program and the options that select the
//! same emulator. A command without them could change another emulator. Each argument is quoted for a POSIX shell. No other
//! module contains such a command. `tests/it/cli/hints.rs` runs every hint of `Hint::samples` with the real program.

mod command_line;
mod hint;
mod render;
#[cfg(feature = "internals")]
mod samples;
#[cfg(test)]
mod tests;

pub use self::command_line::CommandLine;
pub use self::hint::{FREE_PORT, Hint, KeyTarget};
pub use self::render::Hints;
