//! The engine of rows, as a trait: trees of keys and values, and transactions over them.
//!
//! Only bytes cross this boundary. [`Database`](super::database::Database) keeps the types above it: tables, encoded rows, and
//! the counters that a change of rows updates.
//!
//! | part | purpose |
//! |---|---|
//! | [`RowEngine`] | reads rows, scans them, and runs transactions, again if necessary |
//! | [`RowWriter`] | the exclusive right to write, for changes that scan rows first |
//! | [`RowView`] | the rows as a transaction sees them |
//! | [`JournalRows`] | the engine of a data folder, the only one today: the journal is the truth, sled an index |
//!
//! # A transaction can run again
//!
//! An engine whose transaction conflicts with that of another process runs it again. So the body of a transaction is pure: it
//! reads through its [`RowView`], changes rows through it, and has no other effect. The types of `Database` ask for a `Fn`, and
//! in unit tests each body runs twice (`retrying.rs`): a body that cannot be repeated fails there.
//!
//! # Transactions that scan
//!
//! A [`RowView`] has no scan, because the index of the journal cannot scan its own changes. Work that scans and then changes
//! rows takes the exclusive right first ([`RowEngine::writer`]): its reads are still true in its transactions. Pushes, tags,
//! mounts and uploads need none of it. An engine of several processes needs a lock that all of them know: shared for
//! [`RowEngine::transact`], exclusive for [`RowEngine::writer`].
//!
//! # What belongs to the journal only
//!
//! The proof of the index, its notices, its repair and the reserve for a full disk exist because a data folder can be
//! damaged. They are reached through `Database::durable`, not through the trait. A second engine has none of them: its rows
//! are always proven, and nothing is in its quarantine.
//!
//! # How an engine is chosen
//!
//! `Database::open` makes a `Box<dyn RowEngine>`: the only place that names an engine. A call through the trait costs little
//! beside the work of any engine.

mod engine;
mod journal;
#[cfg(test)]
mod retrying;
#[cfg(test)]
mod tests;

pub(super) use self::engine::{Body, RowEngine, RowView, RowWriter, Still};
pub(super) use self::journal::JournalRows;
#[cfg(test)]
pub(super) use self::retrying::Retrying;
