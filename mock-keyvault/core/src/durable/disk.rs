//! The disk as the journal uses it. Tests can see which files were synced, and simulate a full disk for some files.

use std::io;
use std::path::Path;

use crate::disk_calls as fs;

/// Waits until the content of a file is on the disk.
pub(super) fn sync(file: &fs::File) -> io::Result<()> {
    file.sync_data()?;
    #[cfg(test)]
    simulated::synced(file.path());
    Ok(())
}

/// Called before a file is created that a start does not need. It always succeeds, except in tests of a full disk.
#[cfg_attr(
    not(test),
    expect(clippy::unnecessary_wraps, reason = "it fails in tests of a full disk")
)]
pub(super) fn ensure_space_for(path: &Path) -> io::Result<()> {
    #[cfg(test)]
    simulated::ensure_space_for(path)?;
    let _ = path;
    Ok(())
}

/// The simulated disk of one thread, for tests.
#[cfg(test)]
pub(super) mod simulated {
    use std::cell::RefCell;
    use std::collections::BTreeMap;
    use std::io;
    use std::path::{Path, PathBuf};

    use crate::disk_calls as fs;

    /// The content of files when they were last synced.
    type Synced = BTreeMap<PathBuf, Vec<u8>>;
    type IsFull = Box<dyn Fn(&Path) -> bool>;

    thread_local! {
        static SYNCED: RefCell<Option<Synced>> = const { RefCell::new(None) };
        static FULL: RefCell<Option<IsFull>> = const { RefCell::new(None) };
    }

    /// Does `work`, and returns what it synced in this thread.
    pub(in super::super) fn watch(work: impl FnOnce()) -> Synced {
        SYNCED.set(Some(Synced::new()));
        work();
        SYNCED.take().unwrap_or_default()
    }

    /// Does `work` while there is no space for the files that `is_full` selects.
    pub(in super::super) fn with_full_disk<A>(
        is_full: impl Fn(&Path) -> bool + 'static,
        work: impl FnOnce() -> A,
    ) -> A {
        FULL.set(Some(Box::new(is_full)));
        let answer = work();
        FULL.set(None);
        answer
    }

    pub(super) fn synced(path: &Path) {
        SYNCED.with_borrow_mut(|synced| {
            if let Some(synced) = synced {
                synced.insert(path.to_owned(), fs::read(path).unwrap());
            }
        });
    }

    pub(super) fn ensure_space_for(path: &Path) -> io::Result<()> {
        let is_full = FULL.with_borrow(|full| full.as_ref().is_some_and(|full| full(path)));
        if is_full { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}
