//! Repairs a data folder that no emulator has open. `sealyard repair` calls this, and asks the user for confirmation.
//!
//! [`Repair::examine`] takes the locks and examines the folder; [`Repair::plan`] lists what would be restored and what would
//! be lost; [`Repair::run`] repairs. It repairs the rows of the embedded vault first, then the rows of the registries, each in
//! one step that keeps the damaged files. Then it recovers content that no row names from the sealed files, with the mirrored
//! rings and the vault, and checks small files whose only copy the damaged journal may have held. After a kill at any moment,
//! the folder is unchanged or repaired, and the next repair continues: the mark of a loss keeps the files that were not
//! examined yet.

mod error;
mod folder;
mod plan;
mod sealed_files;
mod text;
mod unread;

pub use self::error::RepairFailure;
pub use self::folder::Repair;
pub use self::plan::{Plan, Report};
pub use crate::registry::{
    DamagedContent, IncompleteManifest, LostFile, Recovered, RecoveredContent, RecoveryProgress,
};
