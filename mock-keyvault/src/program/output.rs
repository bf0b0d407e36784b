//! Prints to standard output.

use std::io::{self, Write as _};

/// Prints a line for people to standard output. A closed output is not a failure of the vault.
pub(super) fn print_line(message: &str) {
    let _ = writeln!(io::stdout(), "{message}");
}
