//! Every tree of the database is named here, and nowhere else.

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
