//! The files of a background emulator: its log and its process id. `start` creates them, and `stop` removes the process
//! id.
//!
//! They are in the data folder. For an ephemeral emulator they are in the user's runtime folder.

use std::fs::{DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use fs_err as fs;

use super::error::CliError;
use crate::config::Config;
use crate::running::RuntimeFolder;
use crate::store::{BACKGROUND_FILES, MARKER_FILE};

/// The prefix of the file names in the runtime folder.
const PREFIX: &str = "background-";

/// The files of one emulator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Files {
    pub(super) log: PathBuf,
    pid: PathBuf,
    /// Whether the folder was not yet the folder of an emulator.
    is_new: bool,
}

impl Files {
    /// The paths for an emulator with this configuration. Creates the folder if it is missing.
    pub(super) fn make(config: &Config) -> Result<Self, CliError> {
        if config.ephemeral {
            let folder = RuntimeFolder::for_user()?;
            folder.make()?;
            let name = format!("{PREFIX}{}", hex::encode(rand::random::<[u8; 8]>()));
            let file = |end: &str| folder.path().join(format!("{name}.{end}"));
            return Ok(Self { log: file("log"), pid: file("pid"), is_new: true });
        }
        let folder = &config.data_dir;
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let [log, old, pid] = BACKGROUND_FILES.map(|name| folder.join(name));
        if log.try_exists()? {
            fs::rename(&log, &old)?;
        }
        Ok(Self { log, pid, is_new: !folder.join(MARKER_FILE).try_exists()? })
    }

    /// Opens the log, which only its owner can read.
    pub(super) fn open_log(&self) -> Result<File, CliError> {
        let mut options = std::fs::OpenOptions::new();
        options.create(true).append(true).mode(0o600);
        let file = fs::OpenOptions::from_options(options).open(&self.log)?;
        Ok(file.into_parts().0)
    }

    /// Writes the process id.
    pub(super) fn write_pid(&self, pid: u32) -> Result<(), CliError> {
        Ok(fs::write(&self.pid, format!("{pid}\n"))?)
    }

    /// After a failed start: the end of the log, and the path of the log unless it was removed with the new folder.
    pub(super) fn after_failed_start(&self, pid: u32) -> (String, Option<PathBuf>) {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        if contains_pid(&self.pid, pid) {
            remove(&self.pid);
        }
        let end = end_of_log(&text);
        if self.is_new {
            remove(&self.log);
            return (end, None);
        }
        (end, Some(self.log.clone()))
    }
}

/// Removes the files of a background emulator that has ended, except for the log in its data folder.
pub(super) fn tidy_up(folder: &Path, pid: u32) {
    let [_, _, name] = BACKGROUND_FILES;
    let own = folder.join(name);
    if contains_pid(&own, pid) {
        remove(&own);
    }
    let Ok(runtime) = RuntimeFolder::for_user() else { return };
    let Ok(files) = fs::read_dir(runtime.path()) else { return };
    for file in files.flatten().map(|file| file.path()) {
        let is_ours =
            file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX));
        if is_ours && file.extension().is_some_and(|end| end == "pid") && contains_pid(&file, pid) {
            remove(&file);
            remove(&file.with_extension("log"));
        }
    }
}

/// Whether a file contains this process id.
fn contains_pid(file: &Path, pid: u32) -> bool {
    fs::read_to_string(file).is_ok_and(|text| text.trim().parse() == Ok(pid))
}

/// The last error in a log, or else its last lines.
fn end_of_log(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let error = lines.iter().rposition(|line| line.starts_with("error: "));
    let start = error.unwrap_or_else(|| lines.len().saturating_sub(5));
    lines[start..].join("\n")
}

fn remove(file: &Path) {
    if let Err(error) = fs::remove_file(file) {
        tracing::debug!(%error, "cannot remove a file of an emulator that has ended");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_error_of_a_log_is_shown_or_its_last_lines() {
        let log = "INFO a\nerror: one\nINFO b\nerror: two\nCaused by: three\nhint: four\n";

        assert_eq!(end_of_log(log), "error: two\nCaused by: three\nhint: four");
        assert_eq!(end_of_log("1\n2\n3\n4\n5\n6\n"), "2\n3\n4\n5\n6");
        assert_eq!(end_of_log(""), "");
    }

    #[test]
    fn the_previous_log_is_kept_and_a_new_folder_is_removed_after_a_failed_start() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config { data_dir: folder.path().to_owned(), ..Config::default() };
        fs::write(folder.path().join("serve.log"), "before").unwrap();

        let files = Files::make(&config).unwrap();
        fs::write(&files.log, "error: no").unwrap();
        files.write_pid(7).unwrap();
        let left = files.after_failed_start(7);

        assert_eq!(left, ("error: no".to_owned(), None));
        let old = fs::read_to_string(folder.path().join("serve.log.old")).unwrap();
        assert_eq!(old, "before");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
