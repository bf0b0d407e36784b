//! The environment variables that select a running emulator.

/// The variables that name the running emulator, in the order of precedence.
pub(super) const ENDPOINT_VARIABLES: [&str; 2] = ["SEALYARD_ENDPOINT", "SEALYARD_URL"];

/// The variable with the token of an emulator that is not found by its data folder.
pub(super) const TOKEN_ENV: &str = "SEALYARD_ADMIN_TOKEN";
