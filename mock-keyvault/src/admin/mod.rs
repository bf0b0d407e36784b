//! The admin API of a vault, under `/_keyvault/`: its clock, logs, faults and principals, its health, and the check of its
//! stored rows.
//!
//! Called by the router. Test suites and people control a vault with it; it is not part of Azure. The vault answers a health
//! request of any client, and all other requests only if [`crate::guard`] permits them. Bodies are JSON; an unknown field is
//! refused, so that a misspelt field is not silently ignored. Errors are `{"error":{"code","message"}}`; the message says what
//! to do.

mod audit;
mod changes;
mod clock;
mod error;
mod events;
mod faults;
mod health;
mod request;
mod router;
mod verify;

pub(crate) use error::PREFIX;
pub(crate) use router::answer;
