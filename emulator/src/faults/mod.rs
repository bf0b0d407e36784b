//! Fault injection: rules make requests to the registry and its vault fail.
//!
//! `admin/faults.rs` calls [`FaultRules`]. A rule names a class of requests. [`inject`], which `routes.rs` puts before the
//! registry's own routes, injects their faults; rules for the vault, the issuer and the resource providers are
//! passed to the mock vault, which injects them itself. Both kinds of rules have the same fields.
//!
//! Health and the admin APIs never get a fault, so that a user can always remove the rules.

mod error;
mod registry;
mod rules;
mod vault;

pub use self::error::FaultRulesError;
pub use self::registry::inject;
pub use self::rules::{AllRules, FaultRules};
