//! Recovers content from sealed files whose rows are lost.
//!
//! `sealyard repair` calls this on a store that no emulator has open, after it restored the rows as far as possible. It
//! needs the mirrors of the rings, the service-managed key and a vault that allows the use of the keys. The files that
//! no row names are opened, authenticated and hashed; intact content goes to the repository
//! [`recovered/files`](crate::names::RepositoryName::recovered) of its registry, without a tag, because its name is
//! lost. A manifest brings its blobs into the same repository.
//!
//! Small files that rows name are read as well, if the damaged journal may have held the only copy of their content
//! (`named_files.rs`).
//!
//! Nothing is deleted. A file that cannot be recovered is put into quarantine and named in [`Recovered`], so that a
//! later repair can try again, for instance when the vault allows it. Each use of a key is audited as always.

mod adopt;
mod named_files;
mod orphan_files;
mod recovered;
mod rings;
mod run;

pub use self::recovered::{
    DamagedContent, IncompleteManifest, LostFile, Recovered, RecoveredContent,
};
pub use self::run::{RecoveryProgress, Search, recover};
