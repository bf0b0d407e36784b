//! The log of the program: lines on standard error, for people or as JSON.
//!
//! `SEALYARD_LOG` filters them (`info`, `sealyard=debug`, `sealyard::keys=trace`, as `tracing-subscriber` reads it).
//! Each request has an id, which `app.rs` puts into a span and into the response. The program never logs headers or bodies,
//! so tokens and keys do not reach the log.

use std::io;
use std::io::IsTerminal as _;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The environment variable that filters the lines.
pub(super) const LOG_ENV: &str = "SEALYARD_LOG";

/// How a line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// The verbosity of the log where [`LOG_ENV`] does not set it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Level {
    /// Only errors.
    Quiet,
    /// Warnings: for commands that talk to a running emulator.
    #[default]
    Client,
    /// Progress and state changes: for an emulator.
    Normal,
    /// Each request.
    Verbose,
    /// Each step of the registry and its vault.
    Everything,
}

impl Level {
    fn filter(self) -> &'static str {
        match self {
            // sled is silent: an index that it cannot read is rebuilt, and we log a line about it.
            Self::Quiet => "error,sled=off",
            Self::Client => "warn,sled=off",
            Self::Normal => {
                "warn,sealyard=info,sealed_envelope=info,mock_keyvault=info,azure_emulator_core=info,sled=off"
            }
            Self::Verbose => {
                "warn,sealyard=debug,sealed_envelope=debug,mock_keyvault=debug,azure_emulator_core=debug,sled=off"
            }
            Self::Everything => {
                "warn,sealyard=trace,sealed_envelope=trace,mock_keyvault=trace,azure_emulator_core=trace,sled=off"
            }
        }
    }
}

/// Starts the log. If the filter is invalid, this returns a message about it and uses the default filter.
/// A second call in one process changes nothing.
pub(super) fn init(level: Level, format: LogFormat) -> Option<String> {
    let (filter, complaint) = filter(std::env::var(LOG_ENV).ok().as_deref(), level);
    let subscriber = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_target(level == Level::Everything);
    // This fails if another part of the program, such as a test, has installed a subscriber.
    let _ = match format {
        LogFormat::Text => subscriber.with(lines.with_ansi(io::stderr().is_terminal())).try_init(),
        LogFormat::Json => {
            subscriber.with(lines.json().flatten_event(true).with_ansi(false)).try_init()
        }
    };
    complaint
}

fn filter(requested: Option<&str>, level: Level) -> (EnvFilter, Option<String>) {
    let default = || EnvFilter::new(level.filter());
    match requested.filter(|requested| !requested.trim().is_empty()) {
        None => (default(), None),
        Some(requested) => match EnvFilter::try_new(requested) {
            Ok(filter) => (filter, None),
            Err(error) => {
                (default(), Some(format!("{LOG_ENV}={requested:?} is not used: {error}")))
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_filter_overrides_the_level() {
        assert_eq!(filter(Some("sealyard=trace"), Level::Quiet).0.to_string(), "sealyard=trace");
        let quiet = Level::Quiet.filter();
        assert_eq!(filter(Some(" "), Level::Quiet).1, None);
        assert_eq!(filter(None, Level::Quiet).0.to_string(), EnvFilter::new(quiet).to_string());
    }

    const LEVELS: [Level; 5] =
        [Level::Quiet, Level::Client, Level::Normal, Level::Verbose, Level::Everything];

    #[test]
    fn other_crates_log_only_warnings_and_errors_at_any_level() {
        for level in LEVELS {
            let filter = filter(None, level).0.to_string();
            let directives: Vec<&str> = filter.split(',').collect();

            let others = directives.iter().find(|directive| !directive.contains('='));
            assert!(matches!(others, Some(&"warn" | &"error")), "{level:?}: {filter}");
        }
        let everything = filter(None, Level::Everything).0.to_string();
        for ours in ["sealyard", "sealed_envelope", "mock_keyvault", "azure_emulator_core"] {
            assert!(everything.contains(&format!("{ours}=trace")), "{ours}: {everything}");
        }
    }

    #[test]
    fn sled_logs_only_if_the_filter_names_it() {
        for level in LEVELS {
            assert!(filter(None, level).0.to_string().contains("sled=off"), "{level:?}");
        }
        assert_eq!(filter(Some("sled=error"), Level::Normal).0.to_string(), "sled=error");
    }

    #[test]
    fn an_invalid_filter_is_reported() {
        let (filter, complaint) = filter(Some("sealyard=loud"), Level::Quiet);

        assert_eq!(filter.to_string(), EnvFilter::new(Level::Quiet.filter()).to_string());
        assert!(complaint.unwrap().starts_with("SEALYARD_LOG=\"sealyard=loud\" is not used"));
    }
}
