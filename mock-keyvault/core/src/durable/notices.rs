//! The notices about the rows in this run, for callers and for one listener.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::outcome::Notice;

/// A function that is called with each notice.
pub type Listener = Box<dyn Fn(&Notice) + Send>;

/// The notices so far.
#[derive(Default)]
pub(super) struct Notices(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    all: Vec<Notice>,
    listener: Option<Listener>,
}

impl Notices {
    pub(super) fn new(all: Vec<Notice>) -> Self {
        Self(Mutex::new(Inner { all, listener: None }))
    }

    pub(super) fn all(&self) -> Vec<Notice> {
        self.lock().all.clone()
    }

    pub(super) fn add(&self, notice: Notice) {
        let mut inner = self.lock();
        if let Some(tell) = &inner.listener {
            tell(&notice);
        }
        inner.all.push(notice);
    }

    /// Calls a listener with all notices so far, and with each later one.
    pub(super) fn listen(&self, listener: Listener) {
        let mut inner = self.lock();
        inner.all.iter().for_each(&listener);
        inner.listener = Some(listener);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Notices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Notices").field(&self.lock().all).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_listener_gets_each_earlier_and_later_notice_once() {
        let notices = Notices::new(vec![Notice::HeadMissing]);
        let (sender, received) = mpsc::channel();
        notices.add(Notice::Healed);

        notices.listen(Box::new(move |notice| sender.send(notice.clone()).unwrap()));
        notices.add(Notice::Shortened { through: 7 });

        let all = [Notice::HeadMissing, Notice::Healed, Notice::Shortened { through: 7 }];
        assert_eq!(received.try_iter().collect::<Vec<_>>(), all);
        assert_eq!(notices.all(), all);
    }
}
