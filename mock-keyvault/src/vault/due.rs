//! Computes the next scheduled action for a key, from its rows only.

use time::OffsetDateTime;

use crate::model::key::Deletion;
use crate::model::rotation::{DEFAULT_NOTICE, Trigger};
use crate::model::schedule::{Notified, Schedule};
use crate::model::version::Key;
use azure_emulator_core::duration::IsoDuration;

/// An action and the moment at which it is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DueAction {
    pub(super) at: i64,
    pub(super) action: Action,
}

/// An action that can be due. At the same moment, the notice comes before the rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Action {
    NotifyNearExpiry,
    Rotate,
    NotifyExpired,
    Purge,
}

/// All properties of a key that decide what is due.
#[derive(Clone, Debug)]
pub(super) struct ScheduleInputs<'a> {
    deletion: Option<Deletion>,
    version: &'a str,
    created: i64,
    /// A new expiry comes with an update. An update of only the tags moves this time too, which delays no action that was on time.
    updated: i64,
    expires: Option<i64>,
    schedule: &'a Schedule,
}

impl ScheduleInputs<'_> {
    pub(super) fn from_key(key: &Key) -> Option<ScheduleInputs<'_>> {
        let newest = key.versions.last()?;
        Some(ScheduleInputs {
            deletion: key.deletion,
            version: newest.id.as_str(),
            created: newest.attributes.created,
            updated: newest.attributes.updated,
            expires: newest.attributes.expires,
            schedule: &key.schedule,
        })
    }

    /// The next action, at whatever time it is due.
    pub(super) fn next(&self) -> Option<DueAction> {
        if let Some(deletion) = self.deletion {
            return Some(DueAction { at: deletion.scheduled_purge, action: Action::Purge });
        }
        let soonest = [
            (self.near_expiry(), Action::NotifyNearExpiry),
            (self.rotation(), Action::Rotate),
            (self.expiry(), Action::NotifyExpired),
        ];
        soonest
            .into_iter()
            .filter_map(|(at, action)| Some(DueAction { at: at?, action }))
            .min_by_key(|due| (due.at, due.action))
    }

    fn near_expiry(&self) -> Option<i64> {
        let end = self.expires?;
        if self.notified().is_some_and(|notified| notified.near_expiry == Some(end)) {
            return None;
        }
        let policy = self.schedule.policy;
        let notice = policy.map_or(DEFAULT_NOTICE, |policy| policy.terms.notify_before_expiry);
        let cause = policy.map_or(self.updated, |policy| policy.updated.max(self.updated));
        // An expiry that is set when it has already passed causes only the event of the expiry itself.
        Some(self.not_before(before(end, notice)?, cause)).filter(|at| *at < end)
    }

    fn rotation(&self) -> Option<i64> {
        let policy = self.schedule.policy?;
        let at = match policy.terms.rotate? {
            Trigger::AfterCreate(span) => after(self.created, span)?,
            Trigger::BeforeExpiry(span) => before(self.expires?, span)?.max(self.updated),
        };
        Some(self.not_before(at, policy.updated))
    }

    fn expiry(&self) -> Option<i64> {
        let end = self.expires?;
        if self.notified().is_some_and(|notified| notified.expired == Some(end)) {
            return None;
        }
        Some(self.not_before(end, self.updated))
    }

    fn notified(&self) -> Option<&Notified> {
        Some(&self.schedule.notified).filter(|notified| notified.version == self.version)
    }

    /// No action is due before the recovery of the key, or before the change that causes the action.
    fn not_before(&self, at: i64, cause: i64) -> i64 {
        at.max(cause).max(self.schedule.since.unwrap_or(i64::MIN))
    }
}

fn after(moment: i64, span: IsoDuration) -> Option<i64> {
    let moment = OffsetDateTime::from_unix_timestamp(moment).ok()?;
    Some(span.after(moment)?.unix_timestamp())
}

fn before(moment: i64, span: IsoDuration) -> Option<i64> {
    let moment = OffsetDateTime::from_unix_timestamp(moment).ok()?;
    Some(span.before(moment)?.unix_timestamp())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::rotation::{PolicyTerms, RotationPolicy};

    const DAY: i64 = 86_400;

    /// A key without a vault: models the effects of time on its newest version.
    #[derive(Clone, Debug)]
    struct Model {
        number: u32,
        created: i64,
        expires: Option<i64>,
        schedule: Schedule,
        steps: Vec<(i64, Action, u32)>,
    }

    impl Model {
        fn new(terms: PolicyTerms, set: i64, expires: Option<i64>) -> Self {
            let policy = RotationPolicy { terms, created: set, updated: set };
            let schedule = Schedule { policy: Some(policy), ..Schedule::default() };
            Self { number: 0, created: 0, expires, schedule, steps: Vec::new() }
        }

        fn run_to(&mut self, now: i64) {
            loop {
                let version = self.number.to_string();
                let inputs = ScheduleInputs {
                    deletion: None,
                    version: &version,
                    created: self.created,
                    updated: self.created,
                    expires: self.expires,
                    schedule: &self.schedule,
                };
                let Some(due) = inputs.next().filter(|due| due.at <= now) else {
                    return;
                };
                self.steps.push((due.at, due.action, self.number));
                let mut notified =
                    std::mem::take(&mut self.schedule.notified).for_version(&version);
                match due.action {
                    Action::Rotate => {
                        self.number += 1;
                        self.created = due.at;
                        let life = self.schedule.policy.unwrap().terms.expiry;
                        self.expires = life.and_then(|life| after(due.at, life));
                    }
                    Action::NotifyNearExpiry => notified.near_expiry = self.expires,
                    Action::NotifyExpired => notified.expired = self.expires,
                    Action::Purge => unreachable!("the key is not deleted"),
                }
                self.schedule.notified = notified;
            }
        }
    }

    fn terms(rotate: Option<Trigger>, notify: &str, expiry: Option<&str>) -> PolicyTerms {
        let span = |text: &str| text.parse::<IsoDuration>().unwrap();
        PolicyTerms::new(rotate, Some(span(notify)), expiry.map(span)).unwrap()
    }

    fn any_terms() -> impl Strategy<Value = PolicyTerms> {
        let rotate = prop_oneof![
            Just(None),
            (7..400_u32).prop_map(|days| Some(Trigger::AfterCreate(IsoDuration::days(days)))),
            (7..400_u32).prop_map(|days| Some(Trigger::BeforeExpiry(IsoDuration::days(days)))),
            Just(Some(Trigger::AfterCreate("P1M".parse().unwrap()))),
        ];
        let expiry = prop_oneof![
            Just(None),
            (28..800_u32).prop_map(|days| Some(IsoDuration::days(days))),
            Just(Some("P3M".parse().unwrap())),
        ];
        let notify = (7..200_u32).prop_map(IsoDuration::days);
        (rotate, notify, expiry).prop_filter_map("not a policy", |(rotate, notify, expiry)| {
            PolicyTerms::new(rotate, Some(notify), expiry).ok()
        })
    }

    #[test]
    fn twelve_periods_of_thirty_days_create_twelve_versions_each_on_time() {
        let rotate = Some(Trigger::AfterCreate("P30D".parse().unwrap()));
        let mut key = Model::new(terms(rotate, "P7D", Some("P60D")), 0, None);

        key.run_to(365 * DAY);

        let rotations: Vec<i64> =
            key.steps.iter().filter(|step| step.1 == Action::Rotate).map(|step| step.0).collect();
        assert_eq!(rotations, (1..=12).map(|n| n * 30 * DAY).collect::<Vec<_>>());
        assert_eq!(key.steps.len(), 12, "each version was replaced before its notice was due");
    }

    #[test]
    fn a_version_is_announced_once_before_and_once_at_its_expiry() {
        let mut key = Model::new(PolicyTerms::unset(), 0, Some(100 * DAY));

        key.run_to(1000 * DAY);

        let expected =
            [(70 * DAY, Action::NotifyNearExpiry, 0), (100 * DAY, Action::NotifyExpired, 0)];
        assert_eq!(key.steps, expected);
        key.expires = Some(2000 * DAY);
        key.run_to(3000 * DAY);
        assert_eq!(key.steps.len(), 4, "a new expiry is announced again");
    }

    #[test]
    fn nothing_is_due_before_the_policy_was_set() {
        let rotate = Some(Trigger::AfterCreate("P30D".parse().unwrap()));
        let mut key = Model::new(terms(rotate, "P30D", None), 100 * DAY, None);

        key.run_to(129 * DAY);

        assert_eq!(key.steps, [(100 * DAY, Action::Rotate, 0)]);
    }

    proptest! {
        #[test]
        fn one_jump_has_the_effect_of_many_small_moves_in_the_order_of_time(
            terms in any_terms(),
            set in 0..(400 * DAY),
            life in prop::option::of(1..(900 * DAY)),
            jumps in prop::collection::vec(1..(90 * DAY), 1..40),
        ) {
            let end = set + jumps.iter().sum::<i64>();
            let (mut at_once, mut in_steps) = (Model::new(terms, set, life), Model::new(terms, set, life));

            at_once.run_to(end);
            let mut now = set;
            for jump in jumps {
                now += jump;
                in_steps.run_to(now);
            }

            prop_assert_eq!(&at_once.steps, &in_steps.steps);
            prop_assert!(at_once.steps.is_sorted_by_key(|step| step.0));
            prop_assert_eq!(at_once.expires, in_steps.expires);
        }
    }
}
