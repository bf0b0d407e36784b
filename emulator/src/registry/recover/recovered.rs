//! The result of a recovery: what came back, what is lost, and what could not be checked.

use serde::{Deserialize, Serialize};

use crate::names::RepositoryName;
use crate::registry::content::Finding;

/// The result of a recovery.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Recovered {
    /// Files that no row named.
    pub files: u64,
    /// Registries recovered from the mirrors of their rings.
    pub registries: Vec<String>,
    /// The recovered content, by registry.
    pub content: Vec<RecoveredContent>,
    /// Files whose content the registry also has in another file; each is in quarantine.
    pub duplicates: u64,
    /// Manifests that were recovered although content that they refer to was not.
    pub incomplete: Vec<IncompleteManifest>,
    /// Files that could not be recovered; each is in quarantine.
    pub lost: Vec<LostFile>,
    /// Mirrors that cannot be read, and other notes for the user.
    pub notes: Vec<String>,
    /// Lost content that rows name: its file is damaged or missing, and so was the copy in the journal.
    #[serde(default)]
    pub damaged: Vec<DamagedContent>,
    /// Files that rows name and that could not be checked, because the key was refused or the vault did not answer.
    #[serde(default)]
    pub unchecked: u64,
    /// Why they could not be checked.
    #[serde(default)]
    pub why_unchecked: Option<String>,
}

/// Lost content that rows name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DamagedContent {
    /// The registry.
    pub registry: String,
    /// The lost content, and the repositories and tags that this affects.
    #[serde(flatten)]
    pub finding: Finding,
}

/// The recovered content of one registry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecoveredContent {
    /// The registry.
    pub registry: String,
    /// The repository that has it now.
    pub repository: String,
    /// Blobs.
    pub blobs: u64,
    /// Manifests, by digest.
    pub manifests: Vec<String>,
    /// Bytes of content in both.
    pub bytes: u64,
}

/// A manifest that refers to missing content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IncompleteManifest {
    /// The registry.
    pub registry: String,
    /// The manifest.
    pub manifest: String,
    /// The missing content.
    pub missing: Vec<String>,
}

/// A sealed file that could not be recovered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LostFile {
    /// The file.
    pub file: String,
    /// Its registry, if its data key is known.
    pub registry: Option<String>,
    /// Its digest, if its trailer authenticates.
    pub digest: Option<String>,
    /// Whether another repair may recover it: its key was refused, or its vault did not answer.
    pub can_be_tried_again: bool,
    /// Why it was not recovered.
    #[serde(rename = "words")] // prose: the name in JSON
    pub message: String,
}

impl Recovered {
    /// Whether something could not be recovered.
    pub fn is_incomplete(&self) -> bool {
        let is_whole = self.lost.is_empty() && self.incomplete.is_empty() && self.notes.is_empty();
        let is_sound = self.damaged.is_empty() && self.unchecked == 0;
        !(is_whole && is_sound)
    }

    /// The recovered content of a registry.
    pub(super) fn content_of(&mut self, registry: &str) -> &mut RecoveredContent {
        let at = self.content.iter().position(|content| content.registry == registry);
        let at = at.unwrap_or_else(|| {
            self.content.push(RecoveredContent {
                registry: registry.to_owned(),
                repository: RepositoryName::RECOVERED.to_owned(),
                ..RecoveredContent::default()
            });
            self.content.len() - 1
        });
        &mut self.content[at]
    }
}
