//! What the program says of itself while it runs: lines on standard error, for people or as JSON.
//!
//! `SEALYARD_LOG` filters them (`info`, `sealyard=debug`, `sealyard::keys=trace`, as `tracing-subscriber` reads it).
//! Each request has an id, which `app.rs` puts into a span and into the answer. Nobody logs headers or bodies, so tokens
//! and keys have no way in here.

use std::io;
use std::io::IsTerminal as _;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The environment variable that filters the lines.
pub const LOG_ENV: &str = "SEALYARD_LOG";

/// How a line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// How much is said where [`LOG_ENV`] does not say it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// Errors alone.
    Quiet,
    /// Warnings: for commands that talk to a running emulator.
    #[default]
    Client,
    /// What happens: for an emulator.
    Normal,
    /// Each request.
    Verbose,
    /// Each step of this program and its vault.
    Everything,
}

impl Level {
    fn filter(self) -> &'static str {
        match self {
            // sled is silent: an index that it cannot read is made again, and a line of ours says so.
            Self::Quiet => "error,sled=off",
            Self::Client => "warn,sled=off",
            Self::Normal => "warn,sealyard=info,mock_keyvault=info,sled=off",
            Self::Verbose => "warn,sealyard=debug,mock_keyvault=debug,sled=off",
            Self::Everything => "warn,sealyard=trace,mock_keyvault=trace,sled=off",
        }
    }
}

/// Begins to write the lines. A filter that cannot be read is returned as a sentence, and the default is used.
/// A second call in one process changes nothing.
pub fn init(level: Level, format: LogFormat) -> Option<String> {
    let (filter, complaint) = filter(std::env::var(LOG_ENV).ok().as_deref(), level);
    let subscriber = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_target(level == Level::Everything);
    // It fails where somebody else, such as a test, has installed a subscriber.
    let _ = match format {
        LogFormat::Text => subscriber.with(lines.with_ansi(io::stderr().is_terminal())).try_init(),
        LogFormat::Json => {
            subscriber.with(lines.json().flatten_event(true).with_ansi(false)).try_init()
        }
    };
    complaint
}

fn filter(asked: Option<&str>, level: Level) -> (EnvFilter, Option<String>) {
    let default = || EnvFilter::new(level.filter());
    match asked.filter(|asked| !asked.trim().is_empty()) {
        None => (default(), None),
        Some(asked) => match EnvFilter::try_new(asked) {
            Ok(filter) => (filter, None),
            Err(error) => (default(), Some(format!("{LOG_ENV}={asked:?} is not used: {error}"))),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_of_the_environment_comes_before_the_level() {
        assert_eq!(filter(Some("sealyard=trace"), Level::Quiet).0.to_string(), "sealyard=trace");
        let quiet = Level::Quiet.filter();
        assert_eq!(filter(Some(" "), Level::Quiet).1, None);
        assert_eq!(filter(None, Level::Quiet).0.to_string(), EnvFilter::new(quiet).to_string());
    }

    const LEVELS: [Level; 5] =
        [Level::Quiet, Level::Client, Level::Normal, Level::Verbose, Level::Everything];

    #[test]
    fn other_crates_say_no_more_than_warnings_at_any_level() {
        for level in LEVELS {
            let filter = filter(None, level).0.to_string();
            let directives: Vec<&str> = filter.split(',').collect();

            let others = directives.iter().find(|directive| !directive.contains('='));
            assert!(matches!(others, Some(&"warn" | &"error")), "{level:?}: {filter}");
        }
        let everything = filter(None, Level::Everything).0.to_string();
        assert!(
            everything.contains("sealyard=trace") && everything.contains("mock_keyvault=trace")
        );
    }

    #[test]
    fn sled_writes_lines_only_for_who_asks_for_them() {
        for level in LEVELS {
            assert!(filter(None, level).0.to_string().contains("sled=off"), "{level:?}");
        }
        assert_eq!(filter(Some("sled=error"), Level::Normal).0.to_string(), "sled=error");
    }

    #[test]
    fn a_filter_that_cannot_be_read_is_complained_of() {
        let (filter, complaint) = filter(Some("sealyard=loud"), Level::Quiet);

        assert_eq!(filter.to_string(), EnvFilter::new(Level::Quiet.filter()).to_string());
        assert!(complaint.unwrap().starts_with("SEALYARD_LOG=\"sealyard=loud\" is not used"));
    }
}
