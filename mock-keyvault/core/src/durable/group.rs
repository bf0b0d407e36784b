//! Group commit: one sync serves all waiting commits.
//!
//! Called by [`super::Rows::commit`]. After a failed sync it is unknown which bytes the kernel has kept, so every later commit is
//! refused.

use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// The commits of one service.
#[derive(Debug, Default)]
pub(super) struct Group {
    state: Mutex<State>,
    done: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// How many commits were requested.
    requested: u64,
    /// All commits up to this one are on the disk.
    synced: u64,
    /// Whether a sync is running.
    running: bool,
    /// The message of the failure, if there was one.
    failed: Option<String>,
}

impl Group {
    /// Waits until a `sync` that began after the call has succeeded. Blocks.
    pub(super) fn commit(&self, sync: impl Fn() -> io::Result<()>) -> io::Result<()> {
        let mut state = self.lock();
        state.requested += 1;
        let ticket = state.requested;
        loop {
            if let Some(message) = &state.failed {
                return Err(refusal(message));
            }
            if state.synced >= ticket {
                return Ok(());
            }
            if state.running {
                state = self.done.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.running = true;
            let target = state.requested;
            drop(state);
            let result = sync();
            state = self.lock();
            state.running = false;
            match &result {
                Ok(()) => state.synced = target,
                Err(error) => state.failed = Some(error.to_string()),
            }
            self.done.notify_all();
            result?;
        }
    }

    /// Refuses every commit from now on.
    pub(super) fn fail(&self, error: &io::Error) {
        self.lock().failed.get_or_insert_with(|| error.to_string());
        self.done.notify_all();
    }

    /// Fails if a commit has failed before.
    pub(super) fn check(&self) -> io::Result<()> {
        self.lock().failed.as_ref().map_or(Ok(()), |message| Err(refusal(message)))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refusal(message: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::ReadOnlyFilesystem,
        format!("an earlier change could not be stored: {message}; restart the program"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk_space;

    #[test]
    fn after_a_failed_sync_every_commit_reports_that_the_rows_are_read_only() {
        let group = Group::default();
        let failed = group.commit(|| Err(io::Error::other("the disk is gone")));

        let refused = group.commit(|| Ok(())).unwrap_err();
        let checked = group.check().unwrap_err();

        assert!(failed.is_err());
        assert!(
            disk_space::is_read_only(&refused) && disk_space::is_read_only(&checked),
            "{refused}"
        );
        assert!(refused.to_string().contains("restart the program"), "{refused}");
    }
}
