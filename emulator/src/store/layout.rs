//! Every path of the data folder is named here, and nowhere else.
//!
//! ```text
//! sealyard.json   which format this is, with a checksum
//! lock            locked while a process has the folder open; holds its id
//! service.key     and other small secrets, each a file of mode 0600
//! journal/        the rows: the authoritative copy
//! index/          the rows again, for reading; rebuilt from the journal when it is missing
//! rows/           the rows as format 1 kept them, until the first clean stop after their migration
//! files/ab/       256 folders; published sealed files, each named by 32 hexadecimal digits
//! uploads/        sealed files that still grow; `.new` after the name: a manifest that is being written
//! audit/          sealed logs, written by the domain
//! rings/          a mirror of the ring of each registry, `NAME.ring`: `sealyard repair` opens sealed files with it
//! ```

use std::path::{Path, PathBuf};

use super::file_id::FileId;

/// The file that is locked while a process has a data folder open, and holds its id.
pub const LOCK_FILE: &str = "lock";
/// The file that makes a folder a data folder.
pub const MARKER_FILE: &str = "sealyard.json";
/// The files that `sealyard start` keeps in a folder before it is a data folder: the log, the log before it, and the id of the
/// process.
pub const BACKGROUND_FILES: [&str; 3] = ["serve.log", "serve.log.old", "serve.pid"];

/// The current format version.
pub(super) const FORMAT_VERSION: u64 = 2;

/// The format version whose rows were a database of sled. Folders of it are migrated.
pub(super) const OLD_FORMAT_VERSION: u64 = 1;

/// The file of the service-managed key, from which the key of the journal is derived.
pub(super) const SERVICE_KEY: &str = "service.key";

/// The end of the name of a manifest that is being written.
const NEW_SUFFIX: &str = ".new";

/// The paths of one data folder.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    root: PathBuf,
}

impl Layout {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The file that marks the folder as ours, with its format version.
    pub(super) fn marker(&self) -> PathBuf {
        self.root.join(MARKER_FILE)
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.root.join(LOCK_FILE)
    }

    /// The database of format 1.
    pub(super) fn old_rows(&self) -> PathBuf {
        self.root.join("rows")
    }

    pub(super) fn journal(&self) -> PathBuf {
        self.root.join("journal")
    }

    /// The index of the rows, which the journal's module makes.
    pub(super) fn index(&self) -> PathBuf {
        self.root.join("index")
    }

    pub(super) fn files(&self) -> PathBuf {
        self.root.join("files")
    }

    pub(super) fn uploads(&self) -> PathBuf {
        self.root.join("uploads")
    }

    /// Files without a row, found while the rows were not checked, each under its id.
    pub(super) fn quarantine(&self) -> PathBuf {
        self.root.join("quarantine")
    }

    /// A file in quarantine.
    pub(super) fn quarantined(&self, id: FileId) -> PathBuf {
        self.quarantine().join(id.to_string())
    }

    /// The extension of a mirror.
    pub(super) const RING: &'static str = "ring";

    /// The mirrors of the rings.
    pub(super) fn rings(&self) -> PathBuf {
        self.root.join("rings")
    }

    /// The mirror of the ring of a registry.
    pub(super) fn ring(&self, registry: &str) -> PathBuf {
        self.rings().join(format!("{registry}.{}", Self::RING))
    }

    pub(super) fn audit(&self) -> PathBuf {
        self.root.join("audit")
    }

    /// The new content of a small file before it is renamed.
    pub(super) fn replacement(path: &Path) -> PathBuf {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".replacement");
        path.with_file_name(name)
    }

    /// A small file in the root, by its name in the program.
    pub(super) fn named(&self, name: &'static str) -> PathBuf {
        self.root.join(name)
    }

    /// The 256 folders of published files.
    pub(super) fn shards(&self) -> impl Iterator<Item = PathBuf> {
        let files = self.files();
        (0..=u8::MAX).map(move |shard| files.join(hex::encode([shard])))
    }

    /// The folder of a published file.
    pub(super) fn shard(&self, id: FileId) -> PathBuf {
        self.files().join(hex::encode(&id.as_bytes()[..1]))
    }

    /// A published file.
    pub(super) fn file(&self, id: FileId) -> PathBuf {
        self.shard(id).join(id.to_string())
    }

    /// The file of an upload.
    pub(super) fn upload(&self, id: FileId) -> PathBuf {
        self.uploads().join(id.to_string())
    }

    /// A manifest that is being written.
    pub(super) fn new_file(&self, id: FileId) -> PathBuf {
        self.uploads().join(format!("{id}{NEW_SUFFIX}"))
    }
}
