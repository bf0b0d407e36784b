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
    let faults = faults.notifying(&changes);
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
