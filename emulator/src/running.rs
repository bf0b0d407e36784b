//! The running emulators of this user: each has an entry in the user's runtime folder, where the command line finds it.
//!
//! An entry is a file of its own, named after the process and a random suffix. Only its emulator removes it while that
//! emulator lives; a command that finds the entry of a dead one removes it. So no emulator can overwrite or delete the
//! entry of another one, in any order of starts and stops. Only the owner can read or write the folder and its files: a user
//! who can write there could direct commands, and the secrets that they send, to another server.

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use azure_emulator_core::files::{Access, write_for_this_run};
use directories::ProjectDirs;
use fs_err as fs;
use rustix::process::{Pid, geteuid};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The file extension of an entry. A file that is being written has another one.
const EXTENSION: &str = "json";

/// One running emulator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The base URL of its registry and its admin API.
    pub registry: String,
    /// The process.
    pub pid: u32,
    /// The random id of this run, which `/_sealyard/health` returns. A process id is not enough: the system can use it again.
    pub instance: String,
    /// The data folder in use.
    pub data_dir: PathBuf,
}

/// The folder of the entries.
#[derive(Clone, Debug)]
pub struct RuntimeFolder(PathBuf);

/// An emulator's entry, which is removed when this is dropped.
#[derive(Debug)]
pub struct Registration(PathBuf);

/// The reasons why the entries cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RunningError {
    /// There is no home folder for them.
    #[error(
        "there is no home folder to register running emulators in: set XDG_RUNTIME_DIR or HOME"
    )]
    NoFolder,
    /// Another user can write there.
    #[error(
        "the folder of running emulators cannot be trusted: {} belongs to user {owner}, and this is user {user}; \
         set XDG_RUNTIME_DIR to a folder of your own, or name the emulator with --endpoint",
        folder.display()
    )]
    ForeignFolder {
        /// The folder.
        folder: PathBuf,
        /// The user id of its owner.
        owner: u32,
        /// The user id of this process.
        user: u32,
    },
    /// The path is not a folder but, for example, a link.
    #[error("{} is not a folder: remove it, and the next emulator makes one", .0.display())]
    NotAFolder(PathBuf),
    /// A file cannot be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl RuntimeFolder {
    /// The folder of this user: in `XDG_RUNTIME_DIR`, or in the platform's folder for the state of programs.
    pub fn for_user() -> Result<Self, RunningError> {
        let dirs = ProjectDirs::from("", "", "sealyard").ok_or(RunningError::NoFolder)?;
        Ok(Self(match dirs.runtime_dir() {
            Some(folder) => folder.to_owned(),
            None => dirs.state_dir().unwrap_or_else(|| dirs.data_local_dir()).join("running"),
        }))
    }

    /// The path of the folder.
    #[cfg(feature = "command-line")]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Makes the folder for its owner only, and checks its permissions. Blocks.
    pub fn make(&self) -> Result<(), RunningError> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
        self.check()
    }

    /// Writes an entry. Dropping the returned registration removes it. Blocks.
    pub fn register(&self, entry: &Entry) -> Result<Registration, RunningError> {
        self.make()?;
        let suffix = hex::encode(rand::random::<[u8; 8]>());
        let path = self.0.join(format!("{}-{suffix}.{EXTENSION}", entry.pid));
        let mut text = serde_json::to_vec(entry).map_err(io::Error::from)?;
        text.push(b'\n');
        write_for_this_run(&path, &text, Access::Private)?;
        Ok(Registration(path))
    }

    /// The entries and their files, including those of dead emulators. Blocks.
    #[cfg(feature = "command-line")]
    pub fn entries(&self) -> Result<Vec<(PathBuf, Entry)>, RunningError> {
        let files = match fs::read_dir(&self.0) {
            Ok(files) => files,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        self.check()?;
        let mut entries = Vec::new();
        for file in files {
            let path = file?.path();
            if path.extension().is_some_and(|extension| extension == EXTENSION)
                // An entry that was removed meanwhile, or that another version wrote, is skipped.
                && let Some(entry) = read(&path)
            {
                entries.push((path, entry));
            }
        }
        entries.sort_by(|(_, one), (_, other)| one.registry.cmp(&other.registry));
        Ok(entries)
    }

    /// Refuses a folder of another user, and removes the permissions of others from one of ours.
    fn check(&self) -> Result<(), RunningError> {
        let user = geteuid().as_raw();
        let of_us = |folder: &Path, owner: u32| {
            let folder = folder.to_owned();
            let foreign = RunningError::ForeignFolder { folder, owner, user };
            if owner == user { Ok(()) } else { Err(foreign) }
        };
        if let Some(parent) = self.0.parent() {
            of_us(parent, fs::metadata(parent)?.uid())?;
        }
        let found = fs::symlink_metadata(&self.0)?;
        of_us(&self.0, found.uid())?;
        if !found.is_dir() {
            return Err(RunningError::NotAFolder(self.0.clone()));
        }
        if found.permissions().mode() & 0o077 != 0 {
            fs::set_permissions(&self.0, Permissions::from_mode(0o700))?;
        }
        Ok(())
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            tracing::debug!(%error, "the entry of this emulator could not be removed");
        }
    }
}

/// Whether a process exists.
pub fn is_alive(pid: u32) -> bool {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return false };
    // A process that we may not signal exists too.
    rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH)
}

/// Reads an entry. `None` if it is not a file of this user: others can have put one there before the folder was closed.
#[cfg(feature = "command-line")]
fn read(path: &Path) -> Option<Entry> {
    let found = fs::symlink_metadata(path).ok()?;
    if !found.is_file() || found.uid() != geteuid().as_raw() {
        return None;
    }
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(instance: &str) -> Entry {
        Entry {
            registry: "http://127.0.0.1:5000".to_owned(),
            pid: std::process::id(),
            instance: instance.to_owned(),
            data_dir: PathBuf::from("/d"),
        }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn an_emulator_removes_its_own_entry_and_no_other() {
        let home = tempfile::tempdir().unwrap();
        let folder = RuntimeFolder(home.path().join("sealyard"));
        assert!(folder.entries().unwrap().is_empty());

        let one = folder.register(&entry("one")).unwrap();
        let two = folder.register(&entry("two")).unwrap();
        drop(one);

        let left = folder.entries().unwrap();
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].1, entry("two"));
        assert_eq!((mode(&folder.0), mode(&left[0].0)), (0o700, 0o600));
        drop(two);
        assert!(folder.entries().unwrap().is_empty());
    }

    #[test]
    fn incomplete_and_unreadable_files_are_not_entries() {
        let home = tempfile::tempdir().unwrap();
        let folder = RuntimeFolder(home.path().join("sealyard"));
        let _one = folder.register(&entry("one")).unwrap();

        fs::write(folder.0.join(".tmpAbC"), "{").unwrap();
        fs::write(folder.0.join("7-0.json"), "{").unwrap();

        assert_eq!(folder.entries().unwrap().len(), 1);
    }

    #[test]
    fn only_files_of_this_user_are_entries() {
        let home = tempfile::tempdir().unwrap();
        let folder = RuntimeFolder(home.path().join("sealyard"));
        let _one = folder.register(&entry("one")).unwrap();
        let text = serde_json::to_vec(&entry("foreign")).unwrap();

        let elsewhere = home.path().join("elsewhere.json");
        fs::write(&elsewhere, &text).unwrap();
        std::os::unix::fs::symlink(&elsewhere, folder.0.join("7-link.json")).unwrap();
        fs::create_dir(folder.0.join("7-folder.json")).unwrap();
        // A process that opens a pipe to read waits for a writer.
        let pipe = folder.0.join("7-pipe.json");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        if geteuid().is_root() {
            let foreign = folder.0.join("7-foreign.json");
            fs::write(&foreign, &text).unwrap();
            std::os::unix::fs::chown(&foreign, Some(12_345), None).unwrap();
        }

        let found = folder.entries().unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].1, entry("one"));
    }

    #[test]
    fn a_folder_that_others_can_use_is_closed_and_a_link_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let folder = RuntimeFolder(home.path().join("sealyard"));
        fs::create_dir(&folder.0).unwrap();
        fs::set_permissions(&folder.0, Permissions::from_mode(0o777)).unwrap();

        drop(folder.register(&entry("one")).unwrap());

        assert_eq!(mode(&folder.0), 0o700);
        let link = RuntimeFolder(home.path().join("link"));
        std::os::unix::fs::symlink(&folder.0, &link.0).unwrap();
        assert!(matches!(link.entries(), Err(RunningError::NotAFolder(_))));
        assert!(matches!(link.register(&entry("one")), Err(RunningError::NotAFolder(_))));
    }

    #[test]
    fn a_folder_of_another_user_is_refused_and_one_in_such_a_folder_too() {
        let home = tempfile::tempdir().unwrap();
        let base = home.path().join("base");
        fs::create_dir(&base).unwrap();
        let mut folders = vec![RuntimeFolder(base.join("sealyard"))];
        if geteuid().is_root() {
            fs::create_dir(&folders[0].0).unwrap();
            std::os::unix::fs::chown(&base, Some(12_345), None).unwrap();
            let own = RuntimeFolder(home.path().join("sealyard"));
            fs::create_dir(&own.0).unwrap();
            std::os::unix::fs::chown(&own.0, Some(12_345), None).unwrap();
            folders.push(own);
        } else {
            folders = vec![RuntimeFolder(PathBuf::from("/proc"))];
        }

        for folder in folders {
            let read = folder.entries().unwrap_err();
            let registered = folder.register(&entry("one")).unwrap_err();

            for refused in [read, registered] {
                assert!(matches!(refused, RunningError::ForeignFolder { .. }), "{refused}");
            }
        }
    }
}
