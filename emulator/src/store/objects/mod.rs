//! The engine of sealed objects, as a trait: the rest of the store and the registry know no files.
//!
//! An object is a sequence of bytes with a random id. One writer makes it in one request, or with [`Continue`] in
//! several. It is finished or abandoned. From then on it is read, listed and deleted, but never changed: a finished object is
//! **never overwritten**. The rows decide which objects are in use; an engine knows objects only by their ids.
//!
//! | part | purpose |
//! |---|---|
//! | [`ObjectEngine`] | what every engine does: create, read a range, length, delete, list |
//! | [`Continue`] | only for an engine that can continue an unfinished object in a later request |
//! | [`Quarantine`] | keeps objects without a row while rows may be lost |
//! | [`ObjectWriter`], [`Finished`] | an object that is being written; a complete object that no row names yet |
//! | [`ObjectReader`] | a finished object, read in ranges |
//! | [`FolderObjects`] | the engine of a data folder, the only one today |
//!
//! # From the first byte to the row
//!
//! [`ObjectWriter::finish`] makes the object complete and durable, then a transaction names it in a row, then
//! [`Finished::keep`] ends the care of the engine. Dropping a [`Finished`] undoes the first step: a failed transaction leaves no
//! object. An engine may give the bytes of a small object to that transaction ([`Finished::carried`]) instead of
//! making them durable itself: then the journal of the rows carries them. Temporary names, syncs and renames are below this
//! boundary.
//!
//! # An upload is a list of objects
//!
//! A client sends a blob in one or more requests. An engine with [`Continue`] goes on with the same unfinished object, so the
//! list has one element, which the upload's row names. An engine without it, such as a bucket, finishes the object of each
//! request as a piece, and the last request writes an object with the list of the pieces. A second engine of this kind adds:
//! the pieces to `UploadRow`, the two new kinds of sealed files (piece and list), a sealed state of the hash with
//! each piece, and the branch in `registry/content/uploads/` that finishes a piece at the end of a request. Everything that has
//! to continue an upload asks [`ObjectEngine::continuing`], and `StoreError::CannotContinue` marks the places.
//!
//! # How an engine is chosen
//!
//! The [`Store`](super::Store) has a `Box<dyn ObjectEngine>`, which `store/open.rs` makes: the only place that names an engine. A
//! call through the trait moves at least a segment, so that the indirection costs nothing. The tests in `tests.rs` are a
//! function over `&dyn ObjectEngine`; a second engine passes itself to it.

mod engine;
mod finished;
pub(super) mod folder;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

pub use self::engine::ListFault;
pub(super) use self::engine::{Continue, LeftBehind, ObjectEngine, Presence, Quarantine, Unnamed};
pub(super) use self::finished::Finished;
pub(super) use self::folder::FolderObjects;
pub use self::reader::ObjectReader;
pub use self::writer::{EarlySync, ObjectWriter};
