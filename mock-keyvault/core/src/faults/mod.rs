//! Faults on demand: rules that make a server slow, refuse requests or break connections, so that clients can be tested.
//!
//! Before each request the server asks [`Faults::plan`] with the class of the request, and carries the plan out. People and
//! test suites add and remove rules. A class is a name with parts, such as `keys/unwrapKey`; a rule for `keys` applies to
//! all of its parts. A rule ends with its count, with its time, or when it is removed. Random choices come from a seed, so
//! that a run can be repeated.
//!
//! Rules are only in memory: a restart removes them. This module knows nothing of vaults and registries, and of HTTP only
//! the numbers of statuses.

mod active;
mod error;
mod plan;
mod random_sequence;
mod rule;
mod rule_json;

pub use active::{FaultReport, Faults};
pub use error::FaultError;
pub use plan::{Effect, FAULT_HEADER, PROBE_HEADER, Plan};
pub use rule::{FaultKind, FaultRule, TimeKind};
