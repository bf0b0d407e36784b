//! The disk as the journal uses it. Tests see what was synced, and let it be full for some files.

use std::io;
use std::path::Path;

use fs_err as fs;

/// Waits until the content of a file is on the disk.
pub(super) fn sync(file: &fs::File) -> io::Result<()> {
    file.sync_data()?;
    #[cfg(test)]
    simulated::synced(file.path());
    Ok(())
}

/// To be asked before a file is made that a start can do without. Always succeeds, except in tests of a full disk.
#[cfg_attr(
    not(test),
    expect(clippy::unnecessary_wraps, reason = "tests of a full disk let it fail")
)]
pub(super) fn room_for(path: &Path) -> io::Result<()> {
    #[cfg(test)]
    simulated::room_for(path)?;
    let _ = path;
    Ok(())
}

/// What the tests of one thread see and change.
#[cfg(test)]
pub(super) mod simulated {
    use std::cell::RefCell;
    use std::collections::BTreeMap;
    use std::io;
    use std::path::{Path, PathBuf};

    use fs_err as fs;

    /// The content of files when they were last synced.
    type Synced = BTreeMap<PathBuf, Vec<u8>>;
    type IsFull = Box<dyn Fn(&Path) -> bool>;

    thread_local! {
        static SYNCED: RefCell<Option<Synced>> = const { RefCell::new(None) };
        static FULL: RefCell<Option<IsFull>> = const { RefCell::new(None) };
    }

    /// Does something and answers what it synced, in this thread.
    pub(in super::super) fn watch(work: impl FnOnce()) -> Synced {
        SYNCED.set(Some(Synced::new()));
        work();
        SYNCED.take().unwrap_or_default()
    }

    /// Does something while there is no room for the files that `is_full` says.
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

    pub(super) fn room_for(path: &Path) -> io::Result<()> {
        let is_full = FULL.with_borrow(|full| full.as_ref().is_some_and(|full| full(path)));
        if is_full { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}
