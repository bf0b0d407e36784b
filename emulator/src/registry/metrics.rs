//! The metrics of all registries, for Prometheus: uses of keys, transitions, rotations, damaged objects; and the
//! states.
//!
//! Events increment the counters. The gauge of the states is set at each request, from the states themselves, so that
//! it cannot differ from them.

use std::fmt;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry as Families;

use crate::keys::{Cause, KeyEvent, KeyEventKind, KeyOperation, KeyUse, Purpose, State};
use crate::store::Damage;

/// The metrics.
pub struct Metrics {
    families: Families,
    states: Family<StateLabels, Gauge>,
    transitions: Family<TransitionLabels, Counter>,
    calls: Family<CallLabels, Counter>,
    leases: Family<ResultLabels, Counter>,
    rotations: Family<ResultLabels, Counter>,
    damages: Family<DamageLabels, Counter>,
    checked: Family<RegistryLabels, Counter>,
    passes: Family<RegistryLabels, Gauge>,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct StateLabels {
    registry: String,
    state: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct TransitionLabels {
    registry: String,
    to: &'static str,
    cause: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct CallLabels {
    registry: String,
    operation: &'static str,
    result: String,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct DamageLabels {
    registry: String,
    damage: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct RegistryLabels {
    registry: String,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ResultLabels {
    registry: String,
    result: &'static str,
}

impl Metrics {
    pub(super) fn new() -> Self {
        let mut families = Families::with_prefix("sealyard");
        let (states, transitions, calls) =
            (Family::default(), Family::default(), Family::default());
        let (leases, rotations) = (Family::default(), Family::default());
        families.register("registry_state", "1 for the state of a registry's key", states.clone());
        families.register("state_transitions", "Changes of the state", transitions.clone());
        families.register("vault_calls", "Requests to the vaults", calls.clone());
        families.register("lease_renewals", "Leases requested or renewed", leases.clone());
        families.register("rotations", "Rotations of a key", rotations.clone());
        let (damages, checked, passes) = (Family::default(), Family::default(), Family::default());
        families.register("damages_found", "Stored objects found damaged", damages.clone());
        families.register(
            "background_objects_verified",
            "Stored objects that the background authenticated",
            checked.clone(),
        );
        families.register(
            "background_pass_completed_timestamp_seconds",
            "Emulator time when the background last finished authenticating everything",
            passes.clone(),
        );
        Self { families, states, transitions, calls, leases, rotations, damages, checked, passes }
    }

    /// The text that Prometheus reads, with the states of these registries.
    pub fn text<'a>(
        &self,
        registries: impl IntoIterator<Item = (&'a str, State)>,
    ) -> Result<String, fmt::Error> {
        self.states.clear();
        for (registry, now) in registries {
            for state in [State::Active, State::Checking, State::Unavailable] {
                let labels = StateLabels { registry: registry.to_owned(), state: state.name() };
                self.states.get_or_create(&labels).set(i64::from(state == now));
            }
        }
        let mut text = String::new();
        encode(&mut text, &self.families)?;
        Ok(text)
    }

    pub(super) fn count_use(&self, registry: &str, key_use: &KeyUse) {
        let registry = registry.to_owned();
        let is_ok = key_use.result == "ok";
        if key_use.purpose == Purpose::Lease && key_use.operation == KeyOperation::UnwrapKey {
            let result = if is_ok { "ok" } else { "failed" };
            self.leases.get_or_create(&ResultLabels { registry: registry.clone(), result }).inc();
        }
        let operation = match key_use.operation {
            KeyOperation::Get => "get",
            KeyOperation::WrapKey => "wrapKey",
            KeyOperation::UnwrapKey => "unwrapKey",
        };
        let labels = CallLabels { registry, operation, result: key_use.result.clone() };
        self.calls.get_or_create(&labels).inc();
    }

    pub(super) fn count_event(&self, event: &KeyEvent) {
        let registry = event.registry.clone();
        match &event.what {
            KeyEventKind::StateChanged(transition) => {
                let cause = transition.cause.map_or("none", Cause::name);
                let labels = TransitionLabels { registry, to: transition.to.name(), cause };
                self.transitions.get_or_create(&labels).inc();
            }
            KeyEventKind::Rotated { .. } => {
                let labels = ResultLabels { registry, result: "rotated" };
                self.rotations.get_or_create(&labels).inc();
            }
            KeyEventKind::RotationBlocked { .. } => {
                let labels = ResultLabels { registry, result: "blocked" };
                self.rotations.get_or_create(&labels).inc();
            }
            // `status` counts the waiting operations and shows the notices. Damage is counted where it is found.
            KeyEventKind::OperationBlocked { .. }
            | KeyEventKind::RowsNotice { .. }
            | KeyEventKind::ContentDamaged { .. } => (),
        }
    }

    pub(super) fn count_damage(&self, registry: &str, damage: Damage) {
        let labels = DamageLabels { registry: registry.to_owned(), damage: damage.name() };
        self.damages.get_or_create(&labels).inc();
    }

    /// Counts an object that the background authenticated.
    pub(super) fn count_checked(&self, registry: &str) {
        self.checked.get_or_create(&RegistryLabels { registry: registry.to_owned() }).inc();
    }

    /// Notes that the background has authenticated everything once more, at this emulator time.
    pub(super) fn note_pass(&self, registry: &str, now: i64) {
        self.passes.get_or_create(&RegistryLabels { registry: registry.to_owned() }).set(now);
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}
