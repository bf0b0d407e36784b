//! The token of the admin API, and where a command finds it.

use std::path::Path;

use zeroize::Zeroizing;

use super::variables::TOKEN_ENV;
use crate::admin::{ENDPOINTS_FILE, read_endpoints};
use crate::listeners::ADMIN_TOKEN_FILE;

/// A token that `Debug` does not print.
pub(super) struct Token(Zeroizing<String>);

impl Token {
    /// The text of the token.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }

    /// The token in the environment, if it is set and not empty.
    pub(super) fn from_environment() -> Option<Self> {
        let token = Zeroizing::new(std::env::var(TOKEN_ENV).ok()?);
        (!token.trim().is_empty()).then(|| Self(Zeroizing::new(token.trim().to_owned())))
    }

    /// The token of the emulator of a data folder.
    pub(super) fn from_folder(folder: &Path) -> Option<Self> {
        // An ephemeral emulator has its token in another folder than its endpoints file.
        let report = read_endpoints(&folder.join(ENDPOINTS_FILE));
        let named = report.and_then(|report| report.admin_token);
        Self::from_file(&named.unwrap_or_else(|| folder.join(ADMIN_TOKEN_FILE)))
    }

    fn from_file(file: &Path) -> Option<Self> {
        let token = Zeroizing::new(fs_err::read_to_string(file).ok()?);
        Some(Self(Zeroizing::new(token.trim().to_owned())))
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}
