//! The clock, its two times, and the waits for a moment.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use time::OffsetDateTime;
use tokio::sync::watch;

use super::request::ClockPlan;

/// The injected source of time. Clones share one clock.
#[derive(Clone)]
pub struct Clock(Arc<Inner>);

/// A moment in both times; it has passed as soon as either time reaches it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// Real time, as [`Clock::elapsed`] counts it.
    real: Duration,
    /// Emulator time.
    emulated: OffsetDateTime,
}

/// The settings that survive a restart: how far emulator time is ahead, and the moment at which it is frozen, if it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SavedClock {
    /// How far emulator time is ahead of real time, if it runs.
    pub offset: time::Duration,
    /// The moment at which it is frozen.
    pub frozen_at: Option<OffsetDateTime>,
}

struct Inner {
    source: Source,
    setting: Mutex<Setting>,
    /// Counts the moves of the clock, so that waiting tasks check the time again.
    moved: watch::Sender<u64>,
}

enum Source {
    /// The operating system's clocks; the instant is the start of the count.
    System(std::time::Instant),
    /// Stands still until a test moves it.
    Manual(Mutex<(OffsetDateTime, Duration)>),
}

#[derive(Clone, Copy, Debug)]
struct Setting {
    offset: time::Duration,
    frozen_at: Option<OffsetDateTime>,
}

impl Clock {
    /// A clock that follows the operating system's, with no offset.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the system's clocks"
    )]
    pub fn system() -> Self {
        Self::with_source(Source::System(std::time::Instant::now()))
    }

    /// A clock for tests: both times stand still until [`Clock::pass`] or [`Clock::advance`] moves them.
    pub fn manual(start: OffsetDateTime) -> Self {
        Self::with_source(Source::Manual(Mutex::new((start, Duration::ZERO))))
    }

    fn with_source(source: Source) -> Self {
        let setting = Mutex::new(Setting { offset: time::Duration::ZERO, frozen_at: None });
        Self(Arc::new(Inner { source, setting, moved: watch::Sender::new(0) }))
    }

    /// Emulator time, in UTC.
    pub fn now(&self) -> OffsetDateTime {
        let setting = self.setting();
        setting.frozen_at.unwrap_or_else(|| self.real_now() + setting.offset)
    }

    /// Emulator time as whole seconds since 1970, as Key Vault and JWT count them.
    pub fn unix_now(&self) -> i64 {
        self.now().unix_timestamp()
    }

    /// Real time, in UTC: for TLS certificates and for tokens of a foreign issuer.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the system's clocks"
    )]
    pub fn real_now(&self) -> OffsetDateTime {
        match &self.0.source {
            Source::System(_) => OffsetDateTime::from(SystemTime::now()),
            Source::Manual(time) => lock(time).0,
        }
    }

    /// Real time since the clock was made; it never goes back.
    pub fn elapsed(&self) -> Duration {
        match &self.0.source {
            Source::System(start) => start.elapsed(),
            Source::Manual(time) => lock(time).1,
        }
    }

    /// How far emulator time is ahead of real time, as far as it was set.
    pub fn offset(&self) -> time::Duration {
        let setting = self.setting();
        setting.frozen_at.map_or(setting.offset, |at| at - self.real_now())
    }

    /// Whether emulator time stands still.
    pub fn is_frozen(&self) -> bool {
        self.setting().frozen_at.is_some()
    }

    /// Moves emulator time forward. Real time is not touched.
    pub fn advance(&self, by: Duration) {
        let by = time::Duration::try_from(by).unwrap_or(time::Duration::MAX);
        self.change(|setting| match &mut setting.frozen_at {
            Some(at) => *at = at.saturating_add(by),
            None => setting.offset = setting.offset.saturating_add(by),
        });
    }

    /// Moves emulator time forward to a moment, unless it is later already. Real time is not touched.
    pub fn advance_to(&self, moment: OffsetDateTime) {
        let ahead = moment - self.real_now();
        self.change(|setting| match &mut setting.frozen_at {
            Some(at) => *at = moment.max(*at),
            None => setting.offset = setting.offset.max(ahead),
        });
    }

    /// Carries out a plan. The caller does the work that becomes due because of it.
    pub fn carry_out(&self, plan: ClockPlan) {
        if plan.resume {
            self.resume();
        }
        if plan.freeze {
            self.freeze();
        }
        if self.is_frozen() {
            self.advance_to(plan.to);
        } else {
            self.advance(Duration::try_from(plan.by).unwrap_or(Duration::ZERO));
        }
    }

    /// The settings to store for the next start.
    pub fn saved(&self) -> SavedClock {
        SavedClock { offset: self.offset(), frozen_at: self.setting().frozen_at }
    }

    /// Continues with the settings of [`Clock::saved`].
    pub fn restore(&self, saved: SavedClock) {
        self.change(|setting| {
            *setting = Setting { offset: saved.offset, frozen_at: saved.frozen_at };
        });
    }

    /// Returns a receiver that is notified of every move of the clock.
    pub fn moves(&self) -> watch::Receiver<u64> {
        self.0.moved.subscribe()
    }

    /// Stops emulator time where it is.
    pub fn freeze(&self) {
        let now = self.now();
        self.change(|setting| setting.frozen_at = Some(now));
    }

    /// Lets emulator time run on from where it was frozen.
    pub fn resume(&self) {
        let real = self.real_now();
        self.change(|setting| {
            if let Some(at) = setting.frozen_at.take() {
                setting.offset = at - real;
            }
        });
    }

    /// Moves both times forward, for a clock made by [`Clock::manual`]. On any other it moves only emulator time.
    pub fn pass(&self, by: Duration) {
        match &self.0.source {
            Source::System(_) => self.advance(by),
            Source::Manual(time) => {
                let mut time = lock(time);
                time.0 += by;
                time.1 += by;
                drop(time);
                self.change(|_| ());
            }
        }
    }

    /// The moment that lies `after` from now in both times.
    pub fn deadline(&self, after: Duration) -> Deadline {
        Deadline { real: self.elapsed().saturating_add(after), emulated: self.now() + after }
    }

    /// Whether a deadline has passed in either time.
    pub fn has_passed(&self, deadline: Deadline) -> bool {
        self.elapsed() >= deadline.real || self.now() >= deadline.emulated
    }

    /// Waits until a deadline has passed in either time. A move of the clock meanwhile counts.
    pub async fn until(&self, deadline: Deadline) {
        let mut moved = self.0.moved.subscribe();
        while !self.has_passed(deadline) {
            let real = deadline.real.saturating_sub(self.elapsed());
            let emulated =
                Duration::try_from(deadline.emulated - self.now()).unwrap_or(Duration::ZERO);
            let left = if self.is_frozen() { real } else { real.min(emulated) };
            match self.0.source {
                // The sender lives as long as this clock, so only a change ends the wait.
                Source::Manual(_) => drop(moved.changed().await),
                Source::System(_) => tokio::select! {
                    () = tokio::time::sleep(left.max(Duration::from_millis(1))) => (),
                    _ = moved.changed() => (),
                },
            }
        }
    }

    /// Waits until emulator time has reached a moment. A move of the clock meanwhile counts.
    pub async fn reached(&self, moment: OffsetDateTime) {
        let mut moved = self.0.moved.subscribe();
        while self.now() < moment {
            let left = Duration::try_from(moment - self.now()).unwrap_or(Duration::ZERO);
            match self.0.source {
                Source::System(_) if !self.is_frozen() => tokio::select! {
                    () = tokio::time::sleep(left.max(Duration::from_millis(1))) => (),
                    _ = moved.changed() => (),
                },
                Source::System(_) | Source::Manual(_) => drop(moved.changed().await),
            }
        }
    }

    fn setting(&self) -> Setting {
        *lock(&self.0.setting)
    }

    fn change(&self, change: impl FnOnce(&mut Setting)) {
        change(&mut lock(&self.0.setting));
        self.0.moved.send_modify(|count| *count += 1);
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").field("now", &self.now()).finish_non_exhaustive()
    }
}

/// No code panics while it holds one of these locks, so a poisoned one still holds a whole value.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
