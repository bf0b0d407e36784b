//! The mirror of a registry's ring: the file that opens the sealed files when the rows are lost.
//!
//! `rings/REGISTRY.ring` holds the wrapped data keys, as the rows do, and the properties of the registry, so that
//! `sealyard repair` can ask the vault as the right identity. The store replaces and syncs it before the row commits. Until
//! the commit it holds both rings, the new one and the old one, so it has the ring of the rows in any case.
//! The file is deleted with the registry. Its format is in `emulator/envelope/FORMAT.md`.
//!
//! When rows were lost, the mirror may be the only copy of a data key. Until `Store::is_whole` no mirror is removed,
//! and a replaced mirror passes on the rings whose data keys the new one lacks.
//!
//! `keys/` seals head and entries. The checksum finds damage; it is no protection against an attacker who can write to the folder.

mod files;
mod format;

pub use self::format::RingMirror;
