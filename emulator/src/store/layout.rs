//! Every path of the data folder and every tree of the database is named here, and nowhere else.
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

use super::rows::FileId;

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

/// The trees of the rows. The order is that of [`Table::ALL`], and the positions are the format on disk: add tables at the end.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    /// registry, kind, name → who may log in: settings, scope maps and their actions, tokens.
    Access,
    /// registry, digest → blob.
    Blobs,
    /// registry, repository, index digest, manifest digest → nothing: the manifests of an index.
    Children,
    /// registry → counters.
    Counters,
    /// file id → owner: finds files without an owner.
    Files,
    /// registry, repository, digest → link of the repository to the blob.
    Links,
    /// registry, repository, digest → manifest.
    Manifests,
    /// registry, repository, manifest digest, index digest → nothing: the indexes that list a manifest.
    Parents,
    /// registry, repository, manifest digest, blob digest → nothing: the blobs of a manifest.
    References,
    /// registry, repository, subject digest, manifest digest → artifact type.
    Referrers,
    /// registry, repository → repository.
    Repositories,
    /// registry → generation and head of the ring.
    Rings,
    /// registry, data-key id → place in the ring and wrapped data key.
    RingKeys,
    /// registry, repository, manifest digest, tag → nothing: the tags of a manifest.
    Tagged,
    /// registry, repository, tag → digest.
    Tags,
    /// registry → the last number of a run; registry, number of a run → run.
    TaskRuns,
    /// registry, end, number of a run → nothing: the runs in the order in which they expire.
    TaskRunEnds,
    /// registry, upload id → upload.
    Uploads,
    /// registry, data-key id, file id → nothing: the files that are sealed under a data key.
    Uses,
    /// resource group, name, number of a piece → piece of the report of a deployment.
    Deployments,
    /// resource group, name, number of a piece → piece of the template of a deployment.
    DeploymentTemplates,
    /// name → resource group.
    Groups,
    /// resource group, name → value of a tag, as Azure knows them.
    GroupTags,
    /// resource group, name → user-assigned identity.
    Identities,
    /// resource group, name of an identity, name → value of a tag, as Azure knows them.
    IdentityTags,
    /// registry → nothing: its content is being deleted.
    Leaving,
    /// registry → its properties without its content.
    Registries,
    /// registry, resource id → user-assigned identity that the registry has.
    RegistryIdentities,
    /// registry, name → value of a tag, as Azure knows them.
    RegistryTags,
    /// operation, part → an operation of several steps that has begun and not ended: see `intents.rs`.
    Intents,
    /// operation → how an operation ended that clients ask about.
    Outcomes,
    /// registry, file id → the mark of a file that cannot be served.
    Damages,
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

impl Table {
    /// All of them, each at the index that is its number.
    pub(super) const ALL: [Self; 32] = [
        Self::Access,
        Self::Blobs,
        Self::Children,
        Self::Counters,
        Self::Files,
        Self::Links,
        Self::Manifests,
        Self::Parents,
        Self::References,
        Self::Referrers,
        Self::Repositories,
        Self::Rings,
        Self::RingKeys,
        Self::Tagged,
        Self::Tags,
        Self::TaskRuns,
        Self::TaskRunEnds,
        Self::Uploads,
        Self::Uses,
        Self::Deployments,
        Self::DeploymentTemplates,
        Self::Groups,
        Self::GroupTags,
        Self::Identities,
        Self::IdentityTags,
        Self::Leaving,
        Self::Registries,
        Self::RegistryIdentities,
        Self::RegistryTags,
        Self::Intents,
        Self::Outcomes,
        Self::Damages,
    ];

    /// The names of all of them, each at the place of its table.
    pub(super) const NAMES: &'static [&'static str] = &{
        let mut names = [""; Self::ALL.len()];
        let mut at = 0;
        while at < names.len() {
            names[at] = Self::ALL[at].name();
            at += 1;
        }
        names
    };

    /// Whether its keys begin with a registry whose content it holds, so that its rows go with that registry.
    pub(super) fn is_content(self) -> bool {
        match self {
            Self::Access
            | Self::Blobs
            | Self::Children
            | Self::Damages
            | Self::Links
            | Self::Manifests
            | Self::Parents
            | Self::References
            | Self::Referrers
            | Self::Repositories
            | Self::RingKeys
            | Self::Tagged
            | Self::Tags
            | Self::TaskRuns
            | Self::TaskRunEnds
            | Self::Uploads
            | Self::Uses => true,
            // Tables with one row for each registry, tables that belong to no registry, and the properties of registries.
            Self::Counters
            | Self::Files
            | Self::Rings
            | Self::Deployments
            | Self::DeploymentTemplates
            | Self::Groups
            | Self::GroupTags
            | Self::Identities
            | Self::IdentityTags
            | Self::Leaving
            | Self::Registries
            | Self::RegistryIdentities
            | Self::RegistryTags
            | Self::Intents
            | Self::Outcomes => false,
        }
    }

    /// The tables whose rows are in memory from the start on.
    pub(super) const REMEMBERED: &'static [u8] = &[
        Self::Registries as u8,
        Self::RegistryTags as u8,
        Self::RegistryIdentities as u8,
        Self::Rings as u8,
        Self::RingKeys as u8,
        Self::Intents as u8,
    ];

    /// The name of the tree.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Blobs => "blobs",
            Self::Children => "children",
            Self::Counters => "counters",
            Self::Damages => "damages",
            Self::Files => "files",
            Self::Links => "links",
            Self::Manifests => "manifests",
            Self::Parents => "parents",
            Self::References => "references",
            Self::Referrers => "referrers",
            Self::Repositories => "repositories",
            Self::Rings => "rings",
            Self::RingKeys => "ring-keys",
            Self::Tagged => "tagged",
            Self::Tags => "tags",
            Self::TaskRuns => "task-runs",
            Self::TaskRunEnds => "task-run-ends",
            Self::Uploads => "uploads",
            Self::Uses => "uses",
            Self::Deployments => "deployments",
            Self::DeploymentTemplates => "deployment-templates",
            Self::Groups => "groups",
            Self::GroupTags => "group-tags",
            Self::Identities => "identities",
            Self::IdentityTags => "identity-tags",
            Self::Leaving => "leaving",
            Self::Registries => "registries",
            Self::RegistryIdentities => "registry-identities",
            Self::RegistryTags => "registry-tags",
            Self::Intents => "intents",
            Self::Outcomes => "outcomes",
        }
    }
}
