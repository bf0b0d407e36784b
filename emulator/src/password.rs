//! The password of registries that have no logins of their own, and its source.
//!
//! The command line reads it from the environment, `config.rs` carries it, and the guard of a listener compares it with
//! what clients send. The text is wiped when it is dropped, and never shown.

use std::fmt;
use std::path::PathBuf;

use zeroize::Zeroizing;

/// The source of the password.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PasswordSource {
    /// The emulator makes a random one at the first start, and keeps it in a file of the data folder.
    #[default]
    Generated,
    /// The person who starts the emulator sets it.
    Given(Password),
    /// This file has it. The emulator only reads the file.
    File(PathBuf),
}

/// A password that is not empty.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// The password with this text, or `None` if the text is empty. A line break at the end, which editors add, is removed.
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = Zeroizing::new(text.into());
        let trimmed = text.trim_end_matches(['\r', '\n']);
        (!trimmed.is_empty()).then(|| Self(Zeroizing::new(trimmed.to_owned())))
    }

    /// The text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_has_no_line_break_at_its_end_and_is_not_empty() {
        assert_eq!(Password::new(" a b \r\n").unwrap().expose(), " a b ");
        assert!(Password::new("\n").is_none());
        assert!(Password::new("").is_none());
    }

    #[test]
    fn a_password_is_not_shown() {
        assert!(!format!("{:?}", Password::new("hidden").unwrap()).contains("hidden"));
    }
}
