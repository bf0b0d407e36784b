//! The life of a key as a registry sees it: states, causes, transitions, and what each state permits.
//!
//! | state | cause | content | new data keys | rotation |
//! |---|---|---|---|---|
//! | `active` | none | yes | yes | yes |
//! | `active` | `keyExpired` | yes | no | to another version |
//! | `active` | `rotationBlocked` | yes | under the version in use | to another version |
//! | `checking` | | waits, with a limit | no | yes, if the vault answers |
//! | `unavailable` | a refusal (403) | no | no | no: undo it first |
//! | `unavailable` | an outage (503) | no | no | no: the vault does not answer |
//!
//! The vault's answers change the state, in the order of the requests (`machine.rs`):
//!
//! - a grant makes it `active`, unless a refusal came after the request;
//! - a refusal makes it `unavailable` at once and erases every key, unless a later request was granted;
//! - silence changes nothing until the last lease has ended, and makes it `unavailable` then;
//! - a caller that has waited long enough with no answer at all makes it `checking`;
//! - a rotation makes it `active`: the answers about the old key no longer count.
//!
//! This module has the one table of causes and their messages. The ring sets the state, other code only reads it.
//! The HTTP areas render a refusal: this module only says whether it lasts.

mod cause;
mod machine;
mod refusal;
mod status;

#[cfg(test)]
mod tests;

pub use self::cause::{Cause, REFUSAL_SENTENCE, Severity};
pub(super) use self::machine::{Failure, Machine};
pub use self::refusal::Refusal;
pub use self::status::{State, Status};
