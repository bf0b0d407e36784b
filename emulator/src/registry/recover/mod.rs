//! Recovers content from sealed files whose rows are lost.
//!
//! `sealyard repair` calls this on a store that no emulator has open, after it restored the rows as far as possible. It
//! needs the mirrors of the rings, the service-managed key and a vault that allows the use of the keys. The files that
//! no row names are opened, authenticated and hashed; intact content goes to the repository [`RECOVERED`] of its
//! registry, without a tag, because its name is lost. A manifest brings its blobs into the same repository.
//!
//! Small files that rows name are read as well, if the damaged journal may have held the only copy of their content
//! (`named.rs`).
//!
//! Nothing is deleted. A file that cannot be recovered is put into quarantine and named in [`Recovered`], so that a
//! later repair can try again, for instance when the vault allows it. Each use of a key is audited as always.

mod adopt;
mod named;
mod read;
mod rings;

use std::collections::HashSet;
use std::sync::Arc;

use azure_emulator_core::clock::Clock;
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};

use self::adopt::Adopter;
use self::named::Named;
use self::read::SealedFile;
use self::rings::Rings;
use super::blocking::blocking;
use super::error::Error;
use super::identity::Platform;
use super::names::RECOVERED;
use crate::registry::content::Finding;
use crate::store::{FileId, Store};

/// How many files are read at the same time.
const PARALLEL: usize = 2;

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
    pub incomplete: Vec<Incomplete>,
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

/// The files that a recovery searches for content.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// Whether files that no row names are recovered.
    pub rowless: bool,
    /// The small files that rows name and whose content is known as intact: see
    /// [`RowsRepair::carried`](crate::store::RowsRepair::carried). All others are read. `None`: no small file is read.
    pub named_but: Option<HashSet<FileId>>,
    /// Whether all registries are in strict parity: then a removed identity still opens files for a while.
    pub all_strict: bool,
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
pub struct Incomplete {
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
    pub words: String,
}

/// The progress of a recovery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecoveryProgress {
    /// Files that were read.
    pub done: u64,
    /// Files in all.
    pub files: u64,
}

/// Recovers content from the sealed files that no row of the store names, and finds the losses among the files that rows
/// name.
pub async fn recover(
    store: Arc<Store>,
    platform: Arc<dyn Platform>,
    clock: Clock,
    search: Search,
    mut progress: impl FnMut(RecoveryProgress),
) -> Result<Recovered, Error> {
    let Search { rowless, named_but, all_strict } = search;
    let (files, named) = blocking({
        let store = Arc::clone(&store);
        move || {
            let files = if rowless { read::rowless(&store)? } else { Vec::new() };
            let named = named_but.map(|restored| named::named(&store, &restored)).transpose()?;
            Ok::<_, Error>((files, named.unwrap_or_default()))
        }
    })
    .await?;
    let mut recovered = Recovered { files: files.len() as u64, ..Recovered::default() };
    let of_rowless = files.iter().filter_map(|file| Some(file.header.as_ref().ok()?.data_key()));
    let needed = of_rowless.chain(named.iter().map(Named::data_key)).collect();
    let rings =
        Rings::restore(&store, &platform, &clock, needed, all_strict, &mut recovered).await?;
    if !rowless {
        // No row is lost, so no mirror is needed.
        recovered.notes.clear();
    }
    let now = clock.unix_now();
    let mut adopter = Adopter::new(Arc::clone(&store), clock);
    let total = files.len() as u64;
    let rings = Arc::new(rings);
    let mut read = futures::stream::iter(files)
        .map(|file| {
            let (store, rings) = (Arc::clone(&store), Arc::clone(&rings));
            async move { SealedFile::read(&store, &rings, file).await }
        })
        .buffer_unordered(PARALLEL);
    let mut done = 0;
    while let Some(outcome) = read.next().await {
        let file = outcome?;
        adopter.take(file, &mut recovered).await?;
        done += 1;
        progress(RecoveryProgress { done, files: total });
    }
    drop(read);
    adopter.finish(&mut recovered).await?;
    named::check(&store, &rings, now, named, &mut recovered).await?;
    Ok(recovered)
}

impl Recovered {
    /// Whether something could not be recovered.
    pub fn lacks_something(&self) -> bool {
        let is_whole = self.lost.is_empty() && self.incomplete.is_empty() && self.notes.is_empty();
        let is_sound = self.damaged.is_empty() && self.unchecked == 0;
        !(is_whole && is_sound)
    }

    fn of(&mut self, registry: &str) -> &mut RecoveredContent {
        let at = self.content.iter().position(|content| content.registry == registry);
        let at = at.unwrap_or_else(|| {
            self.content.push(RecoveredContent {
                registry: registry.to_owned(),
                repository: RECOVERED.to_owned(),
                ..RecoveredContent::default()
            });
            self.content.len() - 1
        });
        &mut self.content[at]
    }
}
