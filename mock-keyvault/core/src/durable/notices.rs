//! What people should know about the rows in this run, for those who ask and for one who listens.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::outcome::Notice;

/// Is told of each notice.
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
    pub(super) fn of(all: Vec<Notice>) -> Self {
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

    /// Tells a listener of all notices so far, and of each one to come.
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
    fn a_listener_hears_of_each_notice_once_those_before_it_came_and_those_after() {
        let notices = Notices::of(vec![Notice::HeadMissing]);
        let (told, heard) = mpsc::channel();
        notices.add(Notice::Healed);

        notices.listen(Box::new(move |notice| told.send(notice.clone()).unwrap()));
        notices.add(Notice::Shortened { through: 7 });

        let all = [Notice::HeadMissing, Notice::Healed, Notice::Shortened { through: 7 }];
        assert_eq!(heard.try_iter().collect::<Vec<_>>(), all);
        assert_eq!(notices.all(), all);
    }
}
