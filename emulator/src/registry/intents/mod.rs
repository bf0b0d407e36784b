//! Operations of several steps: each leaves a durable intent, so that it can be finished or undone after a stop.
//!
//! An operation calls `Intents::begin` before the first step that cannot be undone (for a 202: before the answer). Its
//! steps can be repeated. Its last transaction of rows removes the intent (`Intent::end_with`, then `Intent::ended`);
//! an operation whose last step is in the vault or in a file calls `Intent::end`. If an `Intent`
//! is dropped before that, the operation waits: the runner (`resume/`) takes it and calls the module that implements the
//! operation, which finishes it or undoes it. The same happens after a kill, and after a failure past a point of no return.
//!
//! An older operation must not undo what a newer one did. So an operation that begins on a subject first ends the waiting
//! operations that it replaces (`replace.rs`), and parameters identify a resource by more than its name, which a newer
//! resource may have.
//!
//! Invariants: this module does not know the meaning of an operation. Parameters are sealed on disk, since those of a
//! deployment can hold secrets. An operation has at most one running attempt.

mod attempts;
mod begin;
mod intent;
mod kind;
mod list;
mod open;
mod replace;
#[cfg(test)]
mod stop;
mod waiting;

pub use self::intent::Intent;
pub(super) use self::intent::Note;
pub use self::kind::Kind;
pub use self::list::{Intents, Outcome};
