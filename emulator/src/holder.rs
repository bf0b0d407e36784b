//! The process that has a data folder open, as the system knows it: `stop` ends this process.
//!
//! A process id is not enough: when the process has ended, another program can get the same id. But the system
//! knows which process holds the lock of the folder, and on Linux a handle of a process never leads to another one. So the
//! order is: take the handle, check that this process holds the lock, and signal through the handle.

use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;
use rustix::process::{Pid, Signal};

use crate::store::LOCK_FILE;

/// The process that holds the lock of a data folder.
#[derive(Debug)]
pub struct Holder {
    pid: Pid,
    lock: PathBuf,
    #[cfg(target_os = "linux")]
    process: rustix::fd::OwnedFd,
}

impl Holder {
    /// The process that has a folder open. `None` if there is no such process, or if this process cannot see it. Blocks.
    pub fn find(folder: &Path) -> io::Result<Option<Self>> {
        let lock = folder.join(LOCK_FILE);
        let text = match fs::read_to_string(&lock) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let Some(pid) = text.trim().parse().ok().and_then(Pid::from_raw) else { return Ok(None) };
        let found = Self::open(pid, lock)?;
        Ok(found.filter(Self::holds))
    }

    /// The id of the process.
    pub fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    #[cfg(target_os = "linux")]
    fn open(pid: Pid, lock: PathBuf) -> io::Result<Option<Self>> {
        use rustix::process::{PidfdFlags, pidfd_open};
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(process) => Ok(Some(Self { pid, lock, process })),
            Err(rustix::io::Errno::SRCH) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    #[cfg(not(target_os = "linux"))]
    #[expect(clippy::unnecessary_wraps, reason = "it can fail on Linux")]
    fn open(pid: Pid, lock: PathBuf) -> io::Result<Option<Self>> {
        Ok(Some(Self { pid, lock }))
    }

    /// Asks the process to end, as Ctrl-C does. Succeeds if the process has ended already.
    pub fn terminate(&self) -> io::Result<()> {
        match self.signal(Signal::TERM) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    #[cfg(target_os = "linux")]
    fn signal(&self, signal: Signal) -> rustix::io::Result<()> {
        rustix::process::pidfd_send_signal(&self.process, signal)
    }

    #[cfg(not(target_os = "linux"))]
    fn signal(&self, signal: Signal) -> rustix::io::Result<()> {
        rustix::process::kill_process(self.pid, signal)
    }

    /// Whether the process still holds the lock. Blocks.
    #[cfg(target_os = "linux")]
    pub fn holds(&self) -> bool {
        use std::os::unix::fs::MetadataExt as _;
        let Ok(found) = fs::metadata(&self.lock) else { return false };
        let Ok(locks) = fs::read_to_string("/proc/locks") else { return false };
        locks.lines().any(|line| is_lock_of(line, self.pid(), found.ino()))
    }

    /// Whether the process still holds the lock. This system does not tell which process holds it, so the check is that the lock
    /// is held and that its file names the process. Blocks.
    #[cfg(not(target_os = "linux"))]
    pub fn holds(&self) -> bool {
        use azure_emulator_core::lock_file::{LockError, LockFile};
        matches!(LockFile::acquire(&self.lock), Err(LockError::Held(Some(pid))) if pid == self.pid())
    }
}

/// Whether a line of `/proc/locks` is a lock of this process on this file, such as
/// `1: FLOCK  ADVISORY  WRITE 4711 08:01:1234 0 EOF` (the man page `proc_locks(5)`).
#[cfg(target_os = "linux")]
fn is_lock_of(line: &str, pid: u32, inode: u64) -> bool {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let [_, "FLOCK", _, "WRITE", holder, file, ..] = words[..] else { return false };
    let of_file = file.rsplit(':').next().and_then(|inode| inode.parse().ok());
    holder.parse() == Ok(pid) && of_file == Some(inode)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use azure_emulator_core::lock_file::LockFile;

    use super::*;

    #[test]
    fn the_process_that_holds_the_lock_is_found_and_no_other_one() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Holder::find(folder.path()).unwrap().is_none(), "there is no lock");
        let mut lock = LockFile::acquire(&folder.path().join(LOCK_FILE)).unwrap();
        lock.name_this_process().unwrap();

        let holder = Holder::find(folder.path()).unwrap().unwrap();
        assert_eq!(holder.pid(), std::process::id());
        drop(lock);

        assert!(!holder.holds());
        assert!(Holder::find(folder.path()).unwrap().is_none(), "the lock is free");
    }

    #[test]
    fn a_process_with_the_reused_id_of_the_holder_is_not_the_holder() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(LOCK_FILE);
        let mut other = Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().unwrap();
        let _lock = LockFile::acquire(&file).unwrap();
        fs::write(&file, format!("{:<10}\n", other.id())).unwrap();

        let found = Holder::find(folder.path()).unwrap();

        other.kill().unwrap();
        other.wait().unwrap();
        // If the system does not tell which process holds a lock, the file decides.
        assert_eq!(found.is_none(), cfg!(target_os = "linux"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_lock_is_read_as_the_system_writes_it() {
        let line = "1: FLOCK  ADVISORY  WRITE 4711 08:01:1234 0 EOF";

        assert!(is_lock_of(line, 4711, 1234));
        assert!(!is_lock_of(line, 4712, 1234) && !is_lock_of(line, 4711, 1235));
        for other in [
            "",
            "1: -> FLOCK  ADVISORY  WRITE 4711 08:01:1234 0 EOF",
            "1: POSIX  ADVISORY  WRITE 4711 08:01:1234 0 EOF",
        ] {
            assert!(!is_lock_of(other, 4711, 1234), "{other}");
        }
    }
}
