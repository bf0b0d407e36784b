//! The rules of a server that have not ended, and the plan for each request.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::error::FaultError;
use super::plan::{Effect, Plan};
use super::random_sequence::RandomSequence;
use super::rule::{FaultKind, FaultRule, TimeKind};
use crate::changes::{ChangeKind, Changes};
use crate::clock::Clock;

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
    random: RandomSequence,
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
    pub fn notifying(mut self, changes: &Changes) -> Self {
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
            return Err(FaultError::Class { requested: rule.on, known: self.classes.join(", ") });
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
        let (left, random) = (rule.times, RandomSequence(rule.seed.unwrap_or(0)));
        state.rules.push(Active { id: id.clone(), rule, on, left, hits: 0, end, random });
        self.notify();
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
            self.notify();
        }
        is_removed
    }

    /// Removes all rules.
    pub fn clear(&self) {
        let mut state = self.lock();
        if !state.rules.is_empty() {
            state.rules.clear();
            self.notify();
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
            let mut random = active.random;
            let applies = !is_spared
                && !is_late
                && is_within(class, &active.on)
                && active.applies(&mut random);
            if is_counted {
                let was_drawn = random != active.random;
                active.random = random;
                if applies {
                    active.hits += 1;
                    active.left = active.left.map(|left| left.saturating_sub(1));
                }
                // The rule is used up, or the next random number means another answer for the next request.
                is_news |=
                    active.left == Some(0) || (was_drawn && active.applies(&mut random) != applies);
            }
            if !applies {
                continue;
            }
            plan.rules.push(format!("{}={}", active.id, active.rule.kind.as_str()));
            if let FaultKind::Latency(latency) = active.rule.kind {
                plan.latency = plan.latency.saturating_add(latency);
            }
            plan.effect = plan.effect.or(effect);
        }
        if is_news {
            self.notify();
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
            self.notify();
        }
    }

    fn notify(&self) {
        self.changes.notify(ChangeKind::Fault, None);
    }

    // No code panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Active {
    fn applies(&self, random: &mut RandomSequence) -> bool {
        self.left != Some(0)
            && self.rule.probability.is_none_or(|probability| random.next_fraction() < probability)
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
#[path = "tests.rs"]
mod tests;
