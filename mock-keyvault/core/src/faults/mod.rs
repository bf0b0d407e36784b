//! Faults on demand: rules that make a server slow, refuse requests or break connections, so that clients can be tested.
//!
//! Before each request the server asks [`Faults::plan`] with the class of the request, and carries the plan out. People and
//! test suites add and remove rules. A class is a name with parts, such as `keys/unwrapKey`; a rule for `keys` applies to
//! all of its parts. A rule ends with its count, with its time, or when it is removed. Random choices come from a seed, so
//! that a run can be repeated.
//!
//! Rules are only in memory: a restart removes them. This module knows nothing of vaults and registries, and of HTTP only
//! the numbers of statuses.

mod rule;

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::changes::{ChangeKind, Changes};
use crate::clock::Clock;

pub use rule::{FaultError, FaultKind, FaultRule, TimeKind};

/// The header of an answer that rules affected: `NAME=KIND`, separated by commas.
pub const FAULT_HEADER: &str = "x-sealyard-fault";

/// The header of a request that only probes the state: rules apply to it without being counted.
pub const PROBE_HEADER: &str = "x-sealyard-probe";

/// The most rules there can be.
const MAX_RULES: usize = 100;

/// The rules of a server.
pub struct Faults {
    clock: Clock,
    /// The known classes.
    classes: Vec<String>,
    /// Other names of classes, each with the class.
    aliases: Vec<(&'static str, &'static str)>,
    state: Mutex<State>,
    /// Notified when a rule is added or removed, or ends.
    changes: Changes,
}

#[derive(Default)]
struct State {
    rules: Vec<Active>,
    made: u64,
}

/// A rule and its remaining count and time.
struct Active {
    id: String,
    rule: FaultRule,
    /// The class that it applies to; the rule may use an alias of it.
    on: String,
    left: Option<u64>,
    hits: u64,
    end: Option<End>,
    dice: Dice,
}

/// The moment that a rule ends.
#[derive(Clone, Copy)]
enum End {
    /// In real time, as [`Clock::elapsed`] counts it.
    Real(Duration),
    /// In emulator time.
    Clock(time::OffsetDateTime),
}

/// A rule as it is listed.
#[derive(Clone, Debug)]
pub struct FaultReport {
    /// The id by which it can be removed.
    pub id: String,
    /// The rule.
    pub rule: FaultRule,
    /// How many more requests it affects, if they are counted.
    pub left: Option<u64>,
    /// How many requests it has affected.
    pub hits: u64,
}

/// The faults to apply to one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// How long the request waits first.
    pub latency: Duration,
    /// The effect after that.
    pub effect: Option<Effect>,
    /// The rules that affect it, for the header of the answer.
    pub rules: Vec<String>,
}

/// The effect of a rule on a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The server answers with this status and does nothing.
    Status {
        /// The status.
        status: u16,
        /// How many seconds the client should wait.
        retry_after: Option<u64>,
    },
    /// The server closes the connection without an answer and does nothing.
    Reset,
    /// The server carries the request out and closes the connection in the middle of the answer.
    Cut,
    /// The client gets the answer of an absent server.
    Outage,
}

/// A random sequence that can be repeated: splitmix64, whose definition is fixed.
#[derive(Clone, Copy, PartialEq)]
struct Dice(u64);

impl Faults {
    /// Makes an empty set of rules for a server with these classes.
    pub fn new(clock: Clock, classes: impl IntoIterator<Item = String>) -> Self {
        let classes = classes.into_iter().collect();
        Self {
            clock,
            classes,
            aliases: Vec::new(),
            state: Mutex::default(),
            changes: Changes::default(),
        }
    }

    /// Adds an alias of a class. A rule is listed with the name that it was added with.
    #[must_use]
    pub fn alias(mut self, name: &'static str, class: &'static str) -> Self {
        self.aliases.push((name, class));
        self
    }

    /// Notifies `changes` when a rule is added or removed, or ends.
    #[must_use]
    pub fn telling(mut self, changes: &Changes) -> Self {
        self.changes = changes.clone();
        self
    }

    /// The classes that a rule can apply to.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// Adds a rule, or replaces the rule of the same name. Returns the id by which it can be removed.
    pub fn add(&self, rule: FaultRule) -> Result<String, FaultError> {
        rule.refuse_nonsense()?;
        let on = self.class_of(&rule.on);
        if !self.classes.iter().any(|class| is_within(class, &on)) {
            return Err(FaultError::Class { asked: rule.on, known: self.classes.join(", ") });
        }
        let end =
            rule.lasts.map(|lasts| match rule.by {
                TimeKind::Real => End::Real(self.clock.elapsed().saturating_add(lasts)),
                TimeKind::Clock => End::Clock(self.clock.now().saturating_add(
                    time::Duration::try_from(lasts).unwrap_or(time::Duration::MAX),
                )),
            });
        let mut state = self.lock();
        self.sweep(&mut state);
        let id = rule.name.clone().unwrap_or_else(|| {
            state.made += 1;
            format!("fault-{}", state.made)
        });
        state.rules.retain(|active| active.id != id);
        if state.rules.len() == MAX_RULES {
            return Err(FaultError::TooMany(MAX_RULES));
        }
        let (left, dice) = (rule.times, Dice(rule.seed.unwrap_or(0)));
        state.rules.push(Active { id: id.clone(), rule, on, left, hits: 0, end, dice });
        self.tell();
        Ok(id)
    }

    /// The class that a name stands for.
    fn class_of(&self, on: &str) -> String {
        let (noun, rest) = on.split_at(on.find('/').unwrap_or(on.len()));
        let alias = self.aliases.iter().find(|(name, _)| noun.eq_ignore_ascii_case(name));
        alias.map_or_else(|| on.to_owned(), |(_, class)| format!("{class}{rest}"))
    }

    /// Removes a rule. Returns whether there was one.
    pub fn remove(&self, id: &str) -> bool {
        let mut state = self.lock();
        self.sweep(&mut state);
        let before = state.rules.len();
        state.rules.retain(|active| active.id != id);
        let is_removed = state.rules.len() < before;
        if is_removed {
            self.tell();
        }
        is_removed
    }

    /// Removes all rules.
    pub fn clear(&self) {
        let mut state = self.lock();
        if !state.rules.is_empty() {
            state.rules.clear();
            self.tell();
        }
    }

    /// The rules that have not ended.
    pub fn rules(&self) -> Vec<FaultReport> {
        let mut state = self.lock();
        self.sweep(&mut state);
        let report = |active: &Active| FaultReport {
            id: active.id.clone(),
            rule: active.rule.clone(),
            left: active.left,
            hits: active.hits,
        };
        state.rules.iter().map(report).collect()
    }

    /// Whether there are no rules. Then the server need not determine the class of a request.
    pub fn is_empty(&self) -> bool {
        self.lock().rules.is_empty()
    }

    /// The faults to apply to a request of this class. Each call counts as one request.
    ///
    /// Latencies add up. Of the other rules only the first that applies has an effect; the rest do not count the request. Only
    /// outages apply to a client that has no token yet and asks where to get one: `is_first_contact`.
    pub fn plan(&self, class: &str, is_first_contact: bool) -> Plan {
        self.planned(class, is_first_contact, true)
    }

    /// The faults that a request of this class would get. It is not counted: no rule is used up, and no random number is drawn.
    pub fn foresee(&self, class: &str, is_first_contact: bool) -> Plan {
        self.planned(class, is_first_contact, false)
    }

    /// Removes the rules that have ended by now. Returns when the next one ends: in real time, as [`Clock::elapsed`] counts
    /// it, and in emulator time.
    pub fn next_end(&self) -> (Option<Duration>, Option<time::OffsetDateTime>) {
        let mut state = self.lock();
        self.sweep(&mut state);
        let ends = || state.rules.iter().filter_map(|active| active.end);
        let real = ends().filter_map(|end| match end {
            End::Real(at) => Some(at),
            End::Clock(_) => None,
        });
        let by_clock = ends().filter_map(|end| match end {
            End::Real(_) => None,
            End::Clock(at) => Some(at),
        });
        (real.min(), by_clock.min())
    }

    fn planned(&self, class: &str, is_first_contact: bool, is_counted: bool) -> Plan {
        let mut state = self.lock();
        if state.rules.is_empty() {
            return Plan::default();
        }
        self.sweep(&mut state);
        let (mut plan, mut is_news) = (Plan::default(), false);
        for active in &mut state.rules {
            let effect = active.rule.kind.effect();
            let is_spared = is_first_contact && effect != Some(Effect::Outage);
            let is_late = plan.effect.is_some() && effect.is_some();
            let mut dice = active.dice;
            let strikes =
                !is_spared && !is_late && is_within(class, &active.on) && active.strikes(&mut dice);
            if is_counted {
                let was_rolled = dice != active.dice;
                active.dice = dice;
                if strikes {
                    active.hits += 1;
                    active.left = active.left.map(|left| left.saturating_sub(1));
                }
                // The rule is used up, or the next random number means another answer for the next request.
                is_news |=
                    active.left == Some(0) || (was_rolled && active.strikes(&mut dice) != strikes);
            }
            if !strikes {
                continue;
            }
            plan.rules.push(format!("{}={}", active.id, active.rule.kind.as_str()));
            if let FaultKind::Latency(latency) = active.rule.kind {
                plan.latency = plan.latency.saturating_add(latency);
            }
            plan.effect = plan.effect.or(effect);
        }
        if is_news {
            self.tell();
        }
        plan
    }

    /// Removes the rules that have ended.
    fn sweep(&self, state: &mut State) {
        let (elapsed, now) = (self.clock.elapsed(), self.clock.now());
        let mut has_ended = false;
        state.rules.retain(|active| {
            let is_over = match active.end {
                None => false,
                Some(End::Real(end)) => elapsed >= end,
                Some(End::Clock(end)) => now >= end,
            };
            has_ended |= is_over;
            active.left != Some(0) && !is_over
        });
        if has_ended {
            self.tell();
        }
    }

    fn tell(&self) {
        self.changes.tell(ChangeKind::Fault, None);
    }

    // No code panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Active {
    fn strikes(&self, dice: &mut Dice) -> bool {
        self.left != Some(0)
            && self.rule.probability.is_none_or(|probability| dice.roll() < probability)
    }
}

impl Dice {
    /// A random number from 0 to 1, without 1.
    fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        // 32 bits are exact in an `f64`, and enough.
        f64::from(u32::try_from(bits >> 32).unwrap_or(0)) / (f64::from(u32::MAX) + 1.0)
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").field("rules", &self.rules()).finish_non_exhaustive()
    }
}

/// Whether a rule for `on` applies to a class: to the class `on` and its parts. `*` applies to all.
fn is_within(class: &str, on: &str) -> bool {
    let Some((start, rest)) = class.split_at_checked(on.len()) else {
        return on == "*";
    };
    on == "*" || (start.eq_ignore_ascii_case(on) && (rest.is_empty() || rest.starts_with('/')))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    const REFUSED: FaultKind = FaultKind::Status { status: 503, retry_after: None };

    fn faults() -> (Faults, Clock) {
        let clock = Clock::manual(datetime!(2026-01-01 0:00 UTC));
        let classes = ["keys/getKey", "keys/unwrapKey", "issuer"].map(str::to_owned);
        (Faults::new(clock.clone(), classes), clock)
    }

    fn hit(faults: &Faults, class: &str) -> bool {
        faults.plan(class, false).effect.is_some()
    }

    #[test]
    fn a_rule_for_an_alias_of_a_class_applies_to_the_class_and_keeps_its_name() {
        const WAITS: FaultKind = FaultKind::Latency(Duration::from_secs(1));
        let (faults, _) = faults();
        let faults = faults.alias("vault", "keys");

        faults.add(FaultRule::new("vault", WAITS)).unwrap();
        faults.add(FaultRule::new("Vault/unwrapKey", WAITS)).unwrap();

        assert_eq!(faults.plan("keys/unwrapKey", false).rules.len(), 2);
        assert_eq!(faults.plan("keys/getKey", false).rules.len(), 1);
        assert_eq!(faults.plan("issuer", false), Plan::default());
        let names: Vec<String> = faults.rules().into_iter().map(|report| report.rule.on).collect();
        assert_eq!(names, ["vault", "Vault/unwrapKey"]);
    }

    #[test]
    fn a_rule_applies_to_its_class_and_the_parts_of_it() {
        let (faults, _) = faults();
        faults.add(FaultRule::new("KEYS", REFUSED)).unwrap();

        assert!(hit(&faults, "keys/getKey") && hit(&faults, "keys/unwrapKey"));
        assert!(!hit(&faults, "issuer") && !hit(&faults, "keysmith"));
        faults.add(FaultRule::new("*", REFUSED)).unwrap();
        assert!(hit(&faults, "issuer"));
        for unknown in ["", "keys/", "key", "keys/getKey/x", "arm"] {
            let refused = faults.add(FaultRule::new(unknown, REFUSED)).unwrap_err();
            assert!(refused.to_string().contains("keys/unwrapKey"), "{refused}");
        }
    }

    #[test]
    fn a_rule_ends_with_its_count() {
        let (faults, _) = faults();
        faults.add(FaultRule::new("issuer", REFUSED).times(2)).unwrap();

        let hits: Vec<bool> = (0..4).map(|_| hit(&faults, "issuer")).collect();

        assert_eq!(hits, [true, true, false, false]);
        assert!(faults.rules().is_empty());
    }

    #[test]
    fn a_rule_ends_with_its_time_in_emulator_time_or_real_time() {
        let (faults, clock) = faults();
        let minute = Duration::from_mins(1);
        faults.add(FaultRule::new("keys", REFUSED).lasting(minute, TimeKind::Clock)).unwrap();
        faults.add(FaultRule::new("issuer", REFUSED).lasting(minute, TimeKind::Real)).unwrap();

        clock.advance(minute);
        assert_eq!((hit(&faults, "keys/getKey"), hit(&faults, "issuer")), (false, true));
        clock.pass(minute);
        assert!(!hit(&faults, "issuer"));
    }

    #[test]
    fn latencies_add_up_and_only_the_first_other_rule_applies() {
        let (faults, _) = faults();
        let wait = FaultKind::Latency(Duration::from_secs(2));
        faults.add(FaultRule::new("keys", wait).named("slow")).unwrap();
        faults.add(FaultRule::new("keys/getKey", wait)).unwrap();
        faults.add(FaultRule::new("keys", REFUSED)).unwrap();
        faults.add(FaultRule::new("keys", FaultKind::Reset).times(1)).unwrap();

        let plan = faults.plan("keys/getKey", false);

        assert_eq!(plan.latency, Duration::from_secs(4));
        assert_eq!(plan.effect, Some(Effect::Status { status: 503, retry_after: None }));
        assert_eq!(plan.rules, ["slow=latency", "fault-1=latency", "fault-2=status"]);
        assert_eq!(faults.rules()[3].left, Some(1), "a rule that did not apply is not counted");
    }

    #[test]
    fn only_outages_apply_to_a_client_without_a_token() {
        let (faults, _) = faults();
        faults.add(FaultRule::new("keys", REFUSED).times(1)).unwrap();

        assert_eq!(faults.plan("keys/getKey", true), Plan::default());
        faults.add(FaultRule::new("keys", FaultKind::Outage)).unwrap();
        assert_eq!(faults.plan("keys/getKey", true).effect, Some(Effect::Outage));
    }

    #[test]
    fn a_rule_replaces_the_rule_of_the_same_name_and_rules_can_be_removed() {
        let (faults, _) = faults();
        faults.add(FaultRule::new("keys", REFUSED).named("mine")).unwrap();
        faults.add(FaultRule::new("issuer", REFUSED).named("mine")).unwrap();

        assert!(!hit(&faults, "keys/getKey") && hit(&faults, "issuer"));
        assert!(faults.remove("mine") && !faults.remove("mine"));
        faults.add(FaultRule::new("keys", REFUSED)).unwrap();
        faults.clear();
        assert!(faults.rules().is_empty());
    }

    #[test]
    fn listeners_are_notified_when_the_next_request_will_get_another_answer_by_chance() {
        let (faults, _) = faults();
        let changes = Changes::default();
        let faults = faults.telling(&changes);
        faults.add(FaultRule::new("keys", REFUSED).by_chance(0.5, 7)).unwrap();
        let added = changes.generation();

        for _ in 0..100 {
            let before = changes.generation();
            let is_hit = hit(&faults, "keys/getKey");
            let is_told = changes.generation() > before;
            let next = faults.foresee("keys/getKey", false).effect.is_some();
            assert_eq!(is_told, is_hit != next);
            assert!(!hit(&faults, "issuer"));
        }

        assert!((30..70).contains(&(changes.generation() - added)));
    }

    #[test]
    fn the_number_of_rules_is_limited() {
        let (faults, _) = faults();
        for _ in 0..MAX_RULES {
            faults.add(FaultRule::new("keys", REFUSED)).unwrap();
        }

        assert!(matches!(faults.add(FaultRule::new("keys", REFUSED)), Err(FaultError::TooMany(_))));
    }

    proptest! {
        #[test]
        fn a_rule_applies_about_as_often_as_its_probability_and_the_same_with_the_same_seed(seed: u64) {
            let run = || {
                let (faults, _) = faults();
                faults.add(FaultRule::new("keys", REFUSED).by_chance(0.25, seed)).unwrap();
                (0..2000).map(|_| hit(&faults, "keys/getKey")).collect::<Vec<_>>()
            };

            let hits = run();

            let count = hits.iter().filter(|hit| **hit).count();
            prop_assert!((350..650).contains(&count), "{count}");
            prop_assert_eq!(hits, run());
        }
    }
}
