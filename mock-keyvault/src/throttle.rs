//! Throttling at the limits that Azure publishes, or at others; off by default.
//!
//! Called by the router for each permitted call. The vault counts in windows of its clock, so that a test moves time instead of
//! waiting. As the service documents it, a call's weight depends on its key, and the sum of the weights is limited; creating
//! keys has a separate limit. The limit on a subscription is not emulated.
//!
//! <https://learn.microsoft.com/azure/key-vault/general/service-limits>

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::model::names::VaultName;
use azure_emulator_core::changes::{ChangeKind, Changes};
use azure_emulator_core::clock::Clock;

/// Limits on one vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Throttling {
    /// How many calls on RSA keys of 2048 bits in software fit into a window. Other calls weigh more.
    pub transactions: u32,
    /// How many keys in software can be created in a window. A key in hardware counts twice.
    pub creations: u32,
    /// The length of a window, in whole seconds.
    #[serde(default = "ten_seconds", with = "window")]
    pub window: Duration,
}

/// The weight of a call, in calls on an RSA key of 2048 bits in software.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Weight {
    /// Whether the call creates a key.
    pub(crate) creates: bool,
    pub(crate) units: u32,
}

/// The calls in the current windows.
#[derive(Debug)]
pub(crate) struct Throttle {
    clock: Clock,
    state: Mutex<State>,
    changes: Changes,
}

#[derive(Debug, Default)]
struct State {
    limits: Option<Throttling>,
    /// For each vault, the number of its window and the sums in it: calls and creations.
    used: HashMap<VaultName, (i64, [u32; 2])>,
    /// When the exhausted window of each vault ends, in seconds since 1970.
    full: HashMap<VaultName, i64>,
}

impl Throttling {
    /// The published limits of a vault: 4,000 calls and 20 new keys in ten seconds.
    pub const PUBLISHED: Self =
        Self { transactions: 4000, creations: 20, window: Duration::from_secs(10) };
}

impl Weight {
    /// The weight of a call that concerns no key.
    pub(crate) const PLAIN: Self = Self { creates: false, units: 1 };

    /// The weight of a call on a key. `rsa_bits` is `None` for an elliptic curve.
    pub(crate) fn new(creates: bool, in_hsm: bool, rsa_bits: Option<u16>) -> Self {
        let by_size = match rsa_bits {
            _ if creates => 1,
            Some(bits) if bits > 3072 => 8,
            Some(bits) if bits > 2048 => 4,
            _ => 1,
        };
        Self { creates, units: by_size * if in_hsm { 2 } else { 1 } }
    }
}

impl Throttle {
    pub(crate) fn new(clock: Clock, changes: &Changes) -> Self {
        Self { clock, state: Mutex::default(), changes: changes.clone() }
    }

    /// Sets the limits of the vaults, or removes them.
    pub(crate) fn set(&self, limits: Option<Throttling>) {
        *self.lock() = State { limits, ..State::default() };
        self.changes.notify(ChangeKind::Throttling, None);
    }

    pub(crate) fn limits(&self) -> Option<Throttling> {
        self.lock().limits
    }

    /// Whether a call fits. It is counted if it fits and `is_counted`.
    pub(crate) fn admits(&self, vault: &VaultName, weight: Weight, is_counted: bool) -> bool {
        let mut guard = self.lock();
        let state = &mut *guard;
        let Some(limits) = state.limits else {
            return true;
        };
        let length = i64::try_from(limits.window.as_secs()).unwrap_or(i64::MAX).max(1);
        let window = self.clock.unix_now().div_euclid(length);
        let (running, used) = state.used.entry(vault.clone()).or_insert((window, [0; 2]));
        if *running != window {
            (*running, *used) = (window, [0; 2]);
        }
        let [calls, creations] = used;
        let (used, limit) = if weight.creates {
            (creations, limits.creations)
        } else {
            (calls, limits.transactions)
        };
        let sum = used.saturating_add(weight.units);
        let fits = sum <= limit;
        if fits && is_counted {
            *used = sum;
        }
        if !fits || *used >= limit {
            let end = window.saturating_add(1).saturating_mul(length);
            // A probe reports too, so that the end of the window is reported later. In an empty window, answers will not change.
            let is_news = *used > 0 && state.full.insert(vault.clone(), end) != Some(end);
            if is_news {
                self.changes.notify(ChangeKind::Throttling, Some(vault.as_str()));
            }
        }
        fits
    }

    /// Reports the exhausted windows that have ended. Returns when the next one ends.
    pub(crate) fn next_end(&self) -> Option<OffsetDateTime> {
        let now = self.clock.unix_now();
        let mut state = self.lock();
        state.full.retain(|vault, end| {
            if *end <= now {
                self.changes.notify(ChangeKind::Throttling, Some(vault.as_str()));
            }
            *end > now
        });
        let next = state.full.values().min()?;
        OffsetDateTime::from_unix_timestamp(*next).ok()
    }

    // No code panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn ten_seconds() -> Duration {
    Throttling::PUBLISHED.window
}

/// The window as an ISO 8601 duration.
mod window {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer, de};

    use azure_emulator_core::duration::IsoDuration;

    pub(super) fn serialize<S: Serializer>(window: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&IsoDuration::seconds(u32::try_from(window.as_secs()).unwrap_or(u32::MAX)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let seconds = IsoDuration::deserialize(from)?.shortest_seconds();
        match u64::try_from(seconds) {
            Ok(seconds @ 1..=3600) => Ok(Duration::from_secs(seconds)),
            _ => Err(de::Error::custom("window must be PT1S to PT1H")),
        }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn throttle() -> (Throttle, Clock, VaultName) {
        let clock = Clock::manual(datetime!(2026-01-01 0:00 UTC));
        (Throttle::new(clock.clone(), &Changes::default()), clock, VaultName::local())
    }

    fn admitted(throttle: &Throttle, vault: &VaultName, weight: Weight) -> usize {
        (0..5000).take_while(|_| throttle.admits(vault, weight, true)).count()
    }

    #[test]
    fn the_published_limits_are_those_of_the_table() {
        let (throttle, clock, vault) = throttle();
        assert_eq!(admitted(&throttle, &vault, Weight::PLAIN), 5000, "off until it is asked for");
        throttle.set(Some(Throttling::PUBLISHED));

        for (creates, in_hsm, bits, count) in [
            (false, false, Some(2048), 4000),
            (false, false, Some(3072), 1000),
            (false, false, Some(4096), 500),
            (false, true, Some(2048), 2000),
            (false, true, Some(3072), 500),
            (false, true, Some(4096), 250),
            (false, false, None, 4000),
            (false, true, None, 2000),
            (true, false, Some(4096), 20),
            (true, true, Some(2048), 10),
        ] {
            clock.advance(Duration::from_secs(10));
            let weight = Weight::new(creates, in_hsm, bits);
            assert_eq!(admitted(&throttle, &vault, weight), count, "{weight:?}");
        }
    }

    #[test]
    fn calls_add_up_by_weight_and_vaults_are_counted_separately() {
        let (throttle, _, vault) = throttle();
        throttle.set(Some(Throttling::PUBLISHED));
        let large = Weight::new(false, true, Some(4096));

        // The example of the published page.
        for _ in 0..248 {
            assert!(throttle.admits(&vault, large, true));
        }
        assert_eq!(admitted(&throttle, &vault, Weight::new(false, true, Some(2048))), 16);
        assert!(throttle.admits(&"other".parse().unwrap(), large, true));
        assert!(
            throttle.admits(&vault, Weight::new(true, false, None), true),
            "creations are counted separately"
        );
    }

    #[test]
    fn the_end_of_a_window_is_reported_if_only_a_probe_was_throttled() {
        let clock = Clock::manual(datetime!(2026-01-01 0:00 UTC));
        let (changes, vault) = (Changes::default(), VaultName::local());
        let throttle = Throttle::new(clock.clone(), &changes);
        throttle.set(Some(Throttling { transactions: 10, ..Throttling::PUBLISHED }));
        let heavy = Weight::new(false, false, Some(4096));
        for _ in 0..5 {
            assert!(throttle.admits(&vault, Weight::PLAIN, true));
        }
        let before = changes.generation();

        for _ in 0..3 {
            assert!(!throttle.admits(&vault, heavy, false));
        }
        assert_eq!(changes.generation(), before + 1, "told once for a window");
        assert_eq!(throttle.next_end(), Some(datetime!(2026-01-01 0:00:10 UTC)));
        clock.advance(Duration::from_secs(10));
        assert_eq!(throttle.next_end(), None);
        assert_eq!(changes.generation(), before + 2);
        // The call is too heavy for any window, so the end of a window does not matter.
        let heavier = Weight::new(false, true, Some(4096));
        assert!(!throttle.admits(&vault, heavier, false));
        assert_eq!((changes.generation(), throttle.next_end()), (before + 2, None));
    }

    #[test]
    fn custom_limits_are_parsed_and_invalid_limits_are_refused() {
        let read = |text: &str| serde_json::from_str::<Throttling>(text);

        let own = read(r#"{"transactions":5,"creations":1,"window":"PT1M"}"#).unwrap();
        assert_eq!(own.window, Duration::from_mins(1));
        assert_eq!(read(r#"{"transactions":5,"creations":1}"#).unwrap().window, ten_seconds());
        for wrong in [
            r#"{"transactions":5}"#,
            r#"{"transactions":-1,"creations":1}"#,
            r#"{"transactions":5,"creations":1,"window":"PT0S"}"#,
            r#"{"transactions":5,"creations":1,"windows":"PT1S"}"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
