//! Stops an operation for ever at a boundary between two of its steps, as a kill there would.

use std::sync::Mutex;

use tokio::sync::Notify;

/// Where operations stop. By default nowhere.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    /// How many boundaries are left to pass; none: all may be passed.
    left: Mutex<Option<usize>>,
    reached: Notify,
}

impl Stop {
    /// Operations pass this many boundaries and stop at the next one.
    pub(crate) fn after(&self, boundaries: usize) {
        *self.left.lock().unwrap() = Some(boundaries);
    }

    /// Returns when an operation has stopped.
    pub(crate) async fn reached(&self) {
        self.reached.notified().await;
    }

    pub(crate) async fn boundary(&self) {
        let stops = match &mut *self.left.lock().unwrap() {
            None => false,
            Some(0) => true,
            Some(left) => {
                *left -= 1;
                false
            }
        };
        if stops {
            self.reached.notify_one();
            std::future::pending::<()>().await;
        }
    }
}
