//! The part of an engine that knows whether its rows are right and complete.

use std::io;
use std::time::Duration;

use azure_emulator_core::durable::{Check, Listener, Notice};

/// Knows whether rows are right and complete, and tells listeners of damage.
///
/// A data folder can be damaged, so its index is proven in the background. An engine whose service keeps the rows right
/// has nothing to prove: it is always proven and complete, has no loss, and keeps notices only for the listener.
pub(in crate::store) trait RowIntegrity {
    /// Whether the proof of the rows has ended and the rows are right.
    fn is_proven(&self) -> bool;

    /// Blocks until the proof has ended. Returns whether the rows are right.
    fn wait_for_proof(&self) -> bool;

    /// Limits how long a change waits for the proof from now on: [`StoreError::NotProven`](crate::store::StoreError::NotProven) then.
    fn set_proof_timeout(&self, limit: Duration);

    /// Ends the proof and all waits for it, because the program stops.
    fn stop_soon(&self);

    /// Whether objects that no row names may be removed, because the rows are proven and none was lost.
    fn are_complete(&self) -> bool;

    /// Whether rows may have been lost, in this run or an earlier one. Then an object that no row names may belong to a lost
    /// row.
    fn has_loss(&self) -> io::Result<bool>;

    /// Notes that every object that no row names is safe, in spite of the loss.
    fn clear_loss(&self) -> io::Result<()>;

    /// Fails if nothing can be written in this run any more. A transaction that failed may then still have been applied.
    fn check_writable(&self) -> io::Result<()>;

    /// Reads everything in which rows are stored. Repairs damage if that is possible. Writers wait meanwhile.
    fn check(&self) -> io::Result<Check>;

    /// Adds a notice about this run, and logs it.
    fn note(&self, notice: Notice);

    /// Calls a listener with the notices of this run: with the earlier ones at once, then with each new one. It must not use
    /// these rows.
    fn listen(&self, listener: Listener);
}
