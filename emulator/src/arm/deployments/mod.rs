//! Deployments of templates to a resource group: `Microsoft.Resources/deployments`.
//!
//! Called by the router. [`request`] reads and checks a whole request before anything is made. Then the deployment is
//! a polled operation, which makes each resource as if the caller had sent its request ([`run`]). Its results are
//! stored, and [`document`] shows them. A deployment that a stop interrupts continues at the next start ([`resume`]).
//!
//! Unsupported features are refused by name before anything is made: deployments to scopes other than a resource group,
//! nested deployments, linked templates, the mode `Complete`, what-if, and resources of other types.

mod document;
mod handlers;
mod path;
mod request;
mod resume;
mod run;
mod schedule;

pub(super) use self::handlers::{answer, list, unsupported_scope};
pub(super) use self::resume::{hold, resume};
