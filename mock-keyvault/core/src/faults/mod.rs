//! Faults on demand: rules that make a server slow, refuse, hang up or break off, so that clients can be tested.
//!
//! The owner of a server asks [`Faults::plan`] before each request, with the class of the request, and carries the plan
//! out; people and suites add and remove rules. A class is a name of parts, such as `keys/unwrapKey`; a rule for `keys` is
//! one for all of them. A rule ends with its count, with its time, or when it is removed. Chance comes from a seed, so
//! that a run can be had again.
//!
//! Rules are in memory alone: a restart is without faults. This module knows nothing of vaults and of registries, and
//! nothing of HTTP beyond the number of a status.

mod rule;

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::changes::{ChangeKind, Changes};
use crate::clock::Clock;

pub use rule::{FaultError, FaultKind, FaultRule, TimeKind};

/// The header of an answer that rules have touched: `NAME=KIND`, with commas.
pub const FAULT_HEADER: &str = "x-sealyard-fault";

/// The header by which the registry says that a request only looks at the state: rules strike it without being counted.
pub const PROBE_HEADER: &str = "x-sealyard-probe";

/// The most rules there can be.
const MAX_RULES: usize = 100;

/// The rules of a server.
pub struct Faults {
    clock: Clock,
    /// The classes there are.
    classes: Vec<String>,
    /// Other names of classes, each with the class.
    aliases: Vec<(&'static str, &'static str)>,
    state: Mutex<State>,
    /// Told when a rule comes or goes.
    changes: Changes,
}

#[derive(Default)]
struct State {
    rules: Vec<Active>,
    made: u64,
}

/// A rule with what is left of it.
struct Active {
    id: String,
    rule: FaultRule,
    /// The class that it is for, whatever name the rule has for it.
    on: String,
    left: Option<u64>,
    hits: u64,
    end: Option<End>,
    dice: Dice,
}

/// When a rule ends.
#[derive(Clone, Copy)]
enum End {
    /// In real time, as [`Clock::elapsed`] counts it.
    Real(Duration),
    /// By the clock.
    Clock(time::OffsetDateTime),
}

/// A rule as it is listed.
#[derive(Clone, Debug)]
pub struct FaultReport {
    /// What it is removed by.
    pub id: String,
    /// The rule.
    pub rule: FaultRule,
    /// How many more requests it touches, if they are counted.
    pub left: Option<u64>,
    /// How many requests it has touched.
    pub hits: u64,
}

/// What is to be done to one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// How long it waits first.
    pub latency: Duration,
    /// What becomes of it then.
    pub effect: Option<Effect>,
    /// The rules that touch it, for the answer to say so.
    pub rules: Vec<String>,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It is answered with this status, and nothing is done.
    Status {
        /// The status.
        status: u16,
        /// How many seconds the client is told to wait.
        retry_after: Option<u64>,
    },
    /// The connection ends without an answer, and nothing is done.
    Reset,
    /// It is done, and the connection ends in the middle of the answer.
    Cut,
    /// It is answered as if the server were not there.
    Outage,
}

/// Chance that can be had again (splitmix64, which is its own definition and will not change).
#[derive(Clone, Copy, PartialEq)]
struct Dice(u64);

impl Faults {
    /// No faults yet, for a server that has these classes.
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

    /// Takes another name for a class, which rules are listed with as they were added.
    #[must_use]
    pub fn alias(mut self, name: &'static str, class: &'static str) -> Self {
        self.aliases.push((name, class));
        self
    }

    /// Tells these changes when a rule is added or removed, or ends.
    #[must_use]
    pub fn telling(mut self, changes: &Changes) -> Self {
        self.changes = changes.clone();
        self
    }

    /// The classes that a rule may be for.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// Adds a rule, or replaces the one of the same name. Returns what it is removed by.
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

    /// The class that a name is for.
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

    /// Whether there are no rules, so that nobody has to find the class of a request.
    pub fn is_empty(&self) -> bool {
        self.lock().rules.is_empty()
    }

    /// What is to be done to a request of this class. Each call is one request to the rules that count.
    ///
    /// Waiting adds up. Of the rules that do more than to wait, the first one counts and the others do not see it. Who only
    /// asks whom to ask, such as a client without a token, is touched by outages alone: `is_first_contact`.
    pub fn plan(&self, class: &str, is_first_contact: bool) -> Plan {
        self.planned(class, is_first_contact, true)
    }

    /// What would be done to a request of this class, which is not counted: no rule is used up by it, and no chance is taken.
    pub fn foresee(&self, class: &str, is_first_contact: bool) -> Plan {
        self.planned(class, is_first_contact, false)
    }

    /// Removes the rules that have ended by now. Returns when the next one ends: in real time, as [`Clock::elapsed`] counts
    /// it, and by the clock.
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
                // The rule is used up, or chance has it that the next request gets another answer.
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

    /// Takes away the rules that have ended.
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

    // Nothing panics while the lock is held.
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
    /// A number from 0 to 1, without 1.
    fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        // 32 bits are exact in an `f64`, and more than enough.
        f64::from(u32::try_from(bits >> 32).unwrap_or(0)) / (f64::from(u32::MAX) + 1.0)
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").field("rules", &self.rules()).finish_non_exhaustive()
    }
}

/// Whether a class is the one that a rule names, or a part of it. `*` names all.
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
    fn a_class_has_another_name_that_rules_keep() {
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
    fn a_rule_is_for_its_class_and_what_is_within_it() {
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
    fn a_rule_ends_with_its_time_by_the_clock_or_in_real_time() {
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
    fn waiting_adds_up_and_the_first_of_the_others_counts() {
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
        assert_eq!(faults.rules()[3].left, Some(1), "what did not strike is not counted");
    }

    #[test]
    fn who_has_no_token_yet_meets_outages_alone() {
        let (faults, _) = faults();
        faults.add(FaultRule::new("keys", REFUSED).times(1)).unwrap();

        assert_eq!(faults.plan("keys/getKey", true), Plan::default());
        faults.add(FaultRule::new("keys", FaultKind::Outage)).unwrap();
        assert_eq!(faults.plan("keys/getKey", true).effect, Some(Effect::Outage));
    }

    #[test]
    fn a_named_rule_replaces_the_one_of_its_name_and_rules_are_removed() {
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
    fn a_request_after_which_chance_has_another_answer_for_the_next_one_is_told() {
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
    fn there_is_a_bound_on_rules() {
        let (faults, _) = faults();
        for _ in 0..MAX_RULES {
            faults.add(FaultRule::new("keys", REFUSED)).unwrap();
        }

        assert!(matches!(faults.add(FaultRule::new("keys", REFUSED)), Err(FaultError::TooMany(_))));
    }

    proptest! {
        #[test]
        fn chance_comes_about_as_often_as_asked_and_again_with_the_same_seed(seed: u64) {
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
