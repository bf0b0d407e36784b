//! The options of all commands, and how they and the environment select the running emulator.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use url::Url;

use super::error::CliError;
use super::hints::Hints;
use super::log::LogFormat;
use super::variables::ENDPOINT_VARIABLES;

/// The heading of the options of all commands.
pub(super) const COMMON_OPTIONS: &str = "Options of all commands";
/// Their display order: after all other options.
const LAST: usize = 1000;

/// The options of all commands.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = COMMON_OPTIONS, next_display_order = LAST)]
pub(super) struct GlobalArgs {
    /// The data folder; a command uses the emulator that runs on it [default: the platform's data folder]
    #[arg(long, global = true, value_name = "FOLDER", env = "SEALYARD_DATA_DIR")]
    pub(super) data_dir: Option<PathBuf>,
    #[arg(
        long,
        global = true,
        value_name = "URL",
        value_parser = endpoint,
        help = "The URL of the running emulator's registry [env: SEALYARD_ENDPOINT, otherwise SEALYARD_URL]"
    )]
    pub(super) endpoint: Option<Url>,
    /// Print the result as JSON
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Log more; -vv logs each step
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    pub(super) verbose: u8,
    /// Print only errors and requested data
    #[arg(short, long, global = true)]
    pub(super) quiet: bool,
    /// Log format
    #[arg(
        long,
        global = true,
        value_name = "FORMAT",
        env = "SEALYARD_LOG_FORMAT",
        default_value = "text"
    )]
    pub(super) log_format: LogFormat,
    /// Print help
    #[arg(short, long, global = true, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

impl GlobalArgs {
    /// The options that select the emulator of a data folder.
    pub(super) fn for_folder(folder: PathBuf) -> Self {
        Self { data_dir: Some(folder), ..Self::none() }
    }

    /// The options that select the emulator at a URL.
    pub(super) fn for_endpoint(endpoint: Url) -> Self {
        Self { endpoint: Some(endpoint), ..Self::none() }
    }

    fn none() -> Self {
        Self {
            data_dir: None,
            endpoint: None,
            json: false,
            verbose: 0,
            quiet: false,
            log_format: LogFormat::default(),
            help: None,
        }
    }

    /// Takes the endpoint from the environment, unless the command line names an emulator. An option takes precedence over
    /// a variable: otherwise a variable for one emulator would redirect a command for another one.
    pub(super) fn read_environment(&mut self, args: &[OsString]) -> Result<(), CliError> {
        if self.endpoint.is_none() && data_dir_as_typed(args).is_none() {
            self.endpoint = endpoint_from(|name| std::env::var(name).ok())?;
        }
        Ok(())
    }

    /// Hints with the options that select the named emulator.
    pub(super) fn hints(&self, args: &[OsString]) -> Hints {
        let typed = data_dir_as_typed(args);
        if let Some(endpoint) = &self.endpoint {
            return Hints::new(args.first(), typed).at(endpoint.as_str());
        }
        // The command may be typed in another shell, which does not have the variable.
        let named = self.data_dir.as_ref().map(|folder| folder.clone().into_os_string());
        Hints::new(args.first(), typed.or(named))
    }
}

/// The endpoint in a variable. An empty variable counts as none.
pub(super) fn endpoint_from(
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<Url>, CliError> {
    let named = ENDPOINT_VARIABLES
        .into_iter()
        .filter_map(|name| Some((name, variable(name)?)))
        .find(|(_, value)| !value.trim().is_empty());
    let Some((name, value)) = named else { return Ok(None) };
    let url = endpoint(value.trim());
    url.map(Some).map_err(|message| CliError::Variable { name, message })
}

/// Parses the URL of an emulator.
pub(super) fn endpoint(text: &str) -> Result<Url, String> {
    let message = "expected a URL, such as http://127.0.0.1:5000";
    let mut url: Url = text.parse().map_err(|_| message.to_owned())?;
    if !url.username().is_empty() || url.password().is_some() {
        // Messages would print it, and requests would send it instead of the token.
        return Err(format!("{message}, without a user name: the admin API takes a token"));
    }
    if matches!(url.scheme(), "http" | "https") && url.has_host() {
        // A path does not select another emulator, but would appear in hints and exports.
        url.set_path("");
        url.set_query(None);
        url.set_fragment(None);
        Ok(url)
    } else {
        Err(message.to_owned())
    }
}

/// `--data-dir` as typed, so that hints repeat it. If it is in the environment, the next command has it as well.
pub(super) fn data_dir_as_typed(args: &[OsString]) -> Option<OsString> {
    let args = args.iter().take_while(|arg| *arg != "--");
    let mut typed = None;
    let mut args = args.peekable();
    while let Some(arg) = args.next() {
        if arg == "--data-dir" {
            typed = args.peek().map(|value| (*value).clone());
        } else if let Some(value) = arg.to_str().and_then(|arg| arg.strip_prefix("--data-dir=")) {
            typed = Some(value.into());
        }
    }
    typed
}
