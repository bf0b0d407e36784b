//! Bringing content back from sealed files whose rows are lost.
//!
//! `sealyard repair` calls this on a store that no emulator has open, when its rows were restored as far as they could be.
//! It needs the mirrors of the rings, the service-managed key and a vault that lets the keys be used. The files that no row
//! names are opened, authenticated and hashed; what is intact goes to the repository [`RECOVERED`] of its registry, without
//! a tag, since nobody knows its name any more. A manifest brings its blobs into the same repository.
//!
//! Small files that rows name are read as well, if the damaged journal may have held their content alone (`named.rs`).
//!
//! Nothing is deleted. A file that cannot be brought back is put into quarantine and named in [`Recovered`], so that a later
//! repair can try again, for instance when the vault is willing. Each use of a key is audited as always.

mod adopt;
mod named;
mod read;
mod rings;

use std::collections::HashSet;
use std::sync::Arc;

use futures::StreamExt as _;
use mock_keyvault::clock::Clock;
use serde::{Deserialize, Serialize};

use self::adopt::Adopter;
use self::named::Named;
use self::read::SealedFile;
use self::rings::Rings;
use super::blocking::blocking;
use super::error::Error;
use super::identity::Platform;
use super::verify::Finding;
use crate::store::{FileId, Store};

/// The repository that content without a name goes to.
pub const RECOVERED: &str = "recovered/files";

/// How many files are read at the same time.
const PARALLEL: usize = 2;

/// What was brought back from sealed files, and what was not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Recovered {
    /// Files that no row named.
    pub files: u64,
    /// Registries that came back from the mirrors of their rings.
    pub registries: Vec<String>,
    /// What came back, by registry.
    pub content: Vec<RecoveredContent>,
    /// Files whose content the registry has in another file as well; each is in quarantine.
    pub duplicates: u64,
    /// Manifests that came back although they refer to content that did not.
    pub incomplete: Vec<Incomplete>,
    /// Files that could not be brought back; each is in quarantine.
    pub lost: Vec<LostFile>,
    /// Mirrors that cannot be read, and other things that a person should know.
    pub notes: Vec<String>,
    /// Content that rows name, and that is lost: its file is damaged or missing, and so was the copy in the journal.
    #[serde(default)]
    pub damaged: Vec<DamagedContent>,
    /// Files that rows name and that could not be read to find out, because the key was refused or the vault did not answer.
    #[serde(default)]
    pub unchecked: u64,
    /// Why.
    #[serde(default)]
    pub why_unchecked: Option<String>,
}

/// What is to be looked for.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// Whether files that no row names come back.
    pub rowless: bool,
    /// Whether small files that rows name are read, and which of them are known to be sound: see
    /// [`RowsRepair::carried`](crate::store::RowsRepair::carried).
    pub named_but: Option<HashSet<FileId>>,
    /// Whether all registries are in strict parity: then an identity that was removed still opens files for a while.
    pub all_strict: bool,
}

/// Content that is lost although rows name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DamagedContent {
    /// The registry.
    pub registry: String,
    /// What is lost, and which repositories and tags that affects.
    #[serde(flatten)]
    pub finding: Finding,
}

/// What came back in one registry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecoveredContent {
    /// The registry.
    pub registry: String,
    /// The repository that it went to.
    pub repository: String,
    /// Blobs.
    pub blobs: u64,
    /// Manifests, by digest.
    pub manifests: Vec<String>,
    /// Bytes of content in both.
    pub bytes: u64,
}

/// A manifest that refers to content that is not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Incomplete {
    /// The registry.
    pub registry: String,
    /// The manifest.
    pub manifest: String,
    /// What it refers to.
    pub missing: Vec<String>,
}

/// A sealed file that could not be brought back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LostFile {
    /// The file.
    pub file: String,
    /// Its registry, if its data key is known.
    pub registry: Option<String>,
    /// Its digest, if its trailer authenticates.
    pub digest: Option<String>,
    /// Whether another repair may bring it back: its key was refused, or its vault did not answer.
    pub can_be_tried_again: bool,
    /// Why it did not come back.
    pub words: String,
}

/// How far a recovery is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecoveryProgress {
    /// Files that were looked at.
    pub done: u64,
    /// Files in all.
    pub files: u64,
}

/// Brings back what it can from the sealed files that no row of the store names, and finds what is lost of those that rows
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
    /// Whether something could not be brought back.
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
