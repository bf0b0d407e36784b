//! Stops an operation between two of its steps: forever, as a kill would, or until it is released.

use std::sync::Mutex;

use tokio::sync::Notify;

use crate::registry::Kind;

/// Where operations stop; by default nowhere.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    at: Mutex<StopPoint>,
    reached: Notify,
    released: Notify,
}

#[derive(Debug, Default)]
struct StopPoint {
    /// The number of boundaries left to pass; `None`: all may be passed.
    left: Option<usize>,
    /// The only kind of operation whose boundaries count. Then one operation stops, and the others continue.
    only: Option<Kind>,
}

impl Stop {
    /// Operations pass this many boundaries and stop at the next one.
    pub(crate) fn after(&self, boundaries: usize) {
        *self.at.lock().unwrap() = StopPoint { left: Some(boundaries), only: None };
    }

    /// Operations of a kind pass this many boundaries, and one stops at the next one until it is released.
    pub(crate) fn one_after(&self, kind: Kind, boundaries: usize) {
        *self.at.lock().unwrap() = StopPoint { left: Some(boundaries), only: Some(kind) };
    }

    /// Returns when an operation has stopped.
    pub(crate) async fn reached(&self) {
        self.reached.notified().await;
    }

    /// Releases the stopped operation.
    pub(crate) fn release(&self) {
        self.released.notify_one();
    }

    pub(crate) async fn boundary(&self, kind: Kind) {
        let stops = {
            let mut at = self.at.lock().unwrap();
            match (at.left, at.only) {
                (_, Some(only)) if only != kind => false,
                (None, _) => false,
                (Some(0), only) => {
                    if only.is_some() {
                        *at = StopPoint::default();
                    }
                    true
                }
                (Some(left), _) => {
                    at.left = Some(left - 1);
                    false
                }
            }
        };
        if stops {
            self.reached.notify_one();
            self.released.notified().await;
        }
    }
}
