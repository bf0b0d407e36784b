//! The repair command that a refused start prints.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::Path;

/// A command line that a POSIX shell splits into the same arguments.
#[derive(Clone, Debug)]
pub struct RepairCommand(Vec<OsString>);

impl RepairCommand {
    /// The `repair` command of a program, for a data folder.
    pub fn new(program: &str, folder: &Path) -> Self {
        Self([program, "repair"].map(OsString::from).into()).option("--data-dir", folder)
    }

    /// Adds an option.
    #[must_use]
    pub fn option(mut self, flag: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.extend([flag.into(), value.as_ref().to_owned()]);
        self
    }
}

impl fmt::Display for RepairCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, word) in self.0.iter().enumerate() {
            write!(f, "{}{}", if number > 0 { " " } else { "" }, quoted(word))?;
        }
        Ok(())
    }
}

/// An argument, quoted for a POSIX shell.
pub fn quoted(word: &OsStr) -> Cow<'_, str> {
    let word = word.to_string_lossy();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        word
    } else {
        Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_blanks_and_quotes_is_one_argument_of_the_command() {
        let command = RepairCommand::new("sealyard", Path::new("/my data/it's"))
            .option("--vault-data-dir", "/plain");

        assert_eq!(
            command.to_string(),
            r"sealyard repair --data-dir '/my data/it'\''s' --vault-data-dir /plain"
        );
    }
}
