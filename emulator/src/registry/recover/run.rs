//! The recovery from its beginning to its end: the rings, the files without rows, then the small files with rows.

use std::collections::HashSet;
use std::sync::Arc;

use azure_emulator_core::clock::Clock;
use futures::StreamExt as _;

use super::adopt::Adopter;
use super::named_files::{self, NamedFile};
use super::orphan_files::{self, PARALLEL, SealedFile};
use super::recovered::Recovered;
use super::rings::Rings;
use crate::registry::blocking::blocking;
use crate::registry::error::Error;
use crate::registry::resources::Platform;
use crate::store::{FileId, Store};

/// The files that a recovery searches for content.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// Whether files that no row names are recovered.
    pub orphans: bool,
    /// The small files that rows name and whose content is known as intact: see
    /// [`RowsRepair::carried`](crate::store::RowsRepair::carried). All others are read. `None`: no small file is read.
    pub named_except: Option<HashSet<FileId>>,
    /// Whether all registries are in strict parity: then a removed identity still opens files for a while.
    pub all_strict: bool,
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
    let Search { orphans, named_except, all_strict } = search;
    let (files, named) = blocking({
        let store = Arc::clone(&store);
        move || {
            let files = if orphans { orphan_files::orphan_files(&store)? } else { Vec::new() };
            let named = named_except
                .map(|restored| named_files::named_files(&store, &restored))
                .transpose()?;
            Ok::<_, Error>((files, named.unwrap_or_default()))
        }
    })
    .await?;
    let mut recovered = Recovered { files: files.len() as u64, ..Recovered::default() };
    let of_orphans = files.iter().filter_map(|file| Some(file.header.as_ref().ok()?.data_key()));
    let needed = of_orphans.chain(named.iter().map(NamedFile::data_key)).collect();
    let rings =
        Rings::restore(&store, &platform, &clock, needed, all_strict, &mut recovered).await?;
    if !orphans {
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
    named_files::check(&store, &rings, now, named, &mut recovered).await?;
    Ok(recovered)
}
