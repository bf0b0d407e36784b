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
//! | [`RowIntegrity`] | whether the rows are right and complete: their proof, losses, check and notices |
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
//! # Rows that can be damaged
//!
//! The rows of a data folder can be damaged, so they are proven, and a loss of rows is remembered. Each engine answers the
//! questions about that ([`RowIntegrity`]); an engine of a service that keeps its rows right is always proven and complete. The
//! repair of a folder (`store/repair.rs`) is no part of the trait: it reads the files of a folder that no store has open.
//!
//! # How an engine is chosen
//!
//! `Database::open` makes a `Box<dyn RowEngine>`: the only place that names an engine. A call through the trait costs little
//! beside the work of any engine.

mod engine;
mod integrity;
mod journal;
#[cfg(test)]
mod retrying;
#[cfg(test)]
mod tests;

pub(super) use self::engine::{Body, RowEngine, RowView, RowWriter, Still};
pub(super) use self::integrity::RowIntegrity;
pub(super) use self::journal::JournalRows;
#[cfg(test)]
pub(super) use self::retrying::Retrying;
