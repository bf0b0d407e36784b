//! The folder of an emulator that deletes its data at exit.

use std::path::Path;

use fs_err as fs;

use super::error::StartError;
use crate::config::Config;

/// The folder of an emulator that deletes its data at exit.
pub(super) fn folder_until_exit(config: &Config) -> Result<Option<tempfile::TempDir>, StartError> {
    let temporary = || temporary_folder(&std::env::temp_dir(), &config.data_dir);
    config.ephemeral.then(temporary).transpose()
}

/// Makes a folder for an emulator that deletes its data at exit: in the folder for temporary files, or else in the data folder.
fn temporary_folder(temporary: &Path, data_dir: &Path) -> Result<tempfile::TempDir, StartError> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("sealyard-");
    let source = match builder.tempdir_in(temporary) {
        Ok(folder) => return Ok(folder),
        Err(source) => source,
    };
    let in_data_dir = fs::create_dir_all(data_dir).and_then(|()| builder.tempdir_in(data_dir));
    let Ok(folder) = in_data_dir else {
        let (temporary, data_dir) = (temporary.to_owned(), data_dir.to_owned());
        return Err(StartError::NoTemporaryFolder { temporary, data_dir, source });
    };
    tracing::warn!(
        temporary = %temporary.display(),
        error = %source,
        "the folder for temporary files is not writable: the data is in {} until the exit",
        folder.path().display()
    );
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ephemeral_emulator_uses_the_data_folder_if_no_temporary_folder_is_writable() {
        let place = tempfile::tempdir().unwrap();
        let (temporary, data_dir) = (place.path().join("no-tmp"), place.path().join("data"));

        let folder = temporary_folder(&temporary, &data_dir).unwrap();

        assert_eq!(folder.path().parent(), Some(data_dir.as_path()));
        drop(folder);
        assert_eq!(fs::read_dir(&data_dir).unwrap().count(), 0, "the folder is deleted");

        fs::write(&temporary, "a file").unwrap();
        let error = temporary_folder(&temporary, &temporary).unwrap_err();
        let message = error.to_string();
        assert!(message.contains("--tmpfs /tmp") && message.contains("TMPDIR"), "{message}");
    }
}
