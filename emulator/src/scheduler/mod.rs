//! Moves the clock, and runs in order everything that becomes due during the move.
//!
//! The admin API and the handle of the emulator call it, and it runs by itself as time passes. There are two lists of due
//! work: the vault's (rotation by policy, notices, expiry, purges) and each registry's (expiry of task runs and uploads,
//! and the look for a newer version of its key). A move goes to the next due moment of either list, lets both run their
//! due work, and repeats. So a move of ninety days has the effect of ninety days: each version is in use within the
//! hour of its creation, and events have the time at which they were due.
//!
//! The cost of a move depends on the number of events and not on its length: a registry looks for a newer version at its
//! usual times, but only at the first such time after the vault changed, for the other looks would find nothing.
//!
//! An interrupted move leaves an intent, and continues at the next start to the requested moment.
//!
//! Invariants: one move at a time. The clock is saved before any work runs at its new time, so that no data has a time in
//! the future after a kill. When a move returns, the states are those of the new time.
//!
//! It makes no decisions about keys, uploads or logs.

mod clock_advance;
mod context;
mod error;
mod handle;
mod saved_clock;
mod vault_time;

pub use self::error::SchedulerError;
pub use self::handle::Scheduler;
pub use self::saved_clock::restore_clock;
pub use self::vault_time::VaultTime;
