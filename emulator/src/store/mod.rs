//! Rows and sealed objects of the registry: the only place that knows the file system.
//!
//! Sealed bytes are objects with random ids; rows map digests to objects, and repositories to the digests that they
//! show. `objects/` and `row_engine/` are the boundaries below which engines keep both: the files and the journal of the
//! data folder. The domain (`registry/`) calls this from blocking threads. Names pass between the two as the types of
//! [`crate::names`]. The fields of a
//! row are texts, because they are the format on disk, and a row whose key has a part that is not a valid name is damaged.
//!
//! Invariants that hold at any moment, also after a kill: a row never names an object that was not durable before it, unless
//! the content of the object is in the journal together with the row; an object is
//! deleted only after the commit that removed its last row; a manifest keeps its blobs from the transaction
//! that inserts it to the transaction that removes it. Objects without a row are left-overs and are swept.
//!
//! The store does not know the content of objects, has no keys, reads no clock and decides nothing.

mod access;
mod adopt;
mod affected;
mod blobs;
mod check;
mod collect;
mod damage;
mod database;
mod deployments;
mod disk;
mod emptying;
mod encoding;
mod error;
mod file_id;
mod files;
mod groups;
mod handle;
mod identities;
mod intents;
mod layout;
mod locks;
mod manifest_rows;
mod manifests;
mod marker;
mod new_object;
mod objects;
mod open;
mod quarantine;
mod referrers;
mod registries;
mod registry_rows;
mod rejoin;
mod repair;
mod repositories;
mod reset;
mod resource_tags;
mod ring;
mod ring_mirror;
mod row_engine;
mod rows;
mod secrets;
mod stats;
mod sweep;
mod tables;
mod tags;
mod task_runs;
#[cfg(test)]
mod tests;
mod untagged;
mod uploads;
mod view;
mod walk;

pub use self::access::{AccessRow, DeletedScopeMap, PasswordRow, ScopeMapRow, TokenRow};
pub use self::adopt::Adopted;
pub use self::blobs::Unlinked;
pub use self::collect::{CollectRules, Collected, Retained};
pub use self::damage::Damage;
pub use self::deployments::DeploymentRow;
pub use self::error::StoreError;
pub use self::file_id::FileId;
pub use self::groups::GroupRow;
pub use self::handle::Store;
pub use self::identities::IdentityRow;
pub use self::intents::{End, IntentNote, IntentRow, OutcomeRow};
#[cfg(feature = "command-line")]
pub use self::layout::{BACKGROUND_FILES, LOCK_FILE, MARKER_FILE};
pub use self::locks::{Deleted, Lockable, Locked};
pub use self::manifest_rows::{NewManifest, Put};
pub use self::new_object::NewObject;
pub use self::objects::{EarlySync, ListFault, ObjectReader, ObjectWriter};
pub use self::open::LockedFolder;
#[cfg(feature = "command-line")]
pub use self::open::refuse_foreign;
pub use self::registry_rows::{
    AssignedRow, AuthorRow, NewRegistryRows, PrincipalRow, RegistryRecord, RegistryRow,
};
pub use self::repair::RowsRepair;
pub use self::repositories::DeletedRepository;
pub use self::ring_mirror::RingMirror;
pub use self::rows::{
    Attributes, ManifestRow, NewTaskRun, ObjectRow, RingRow, Stats, TagRow, TaskRunRow, UploadRow,
};
pub use self::uploads::HeldByUploads;
pub use self::walk::{StoredObject, WalkPlace};
#[cfg(test)]
pub use azure_emulator_core::durable::Durability;
