//! Creates a journal that begins with existing rows: those of a database of format 1, or those that a repair salvaged.
//!
//! The new journal is written next to the old one and replaces it when it is complete. So after a kill at any moment one of the two
//! is there.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::checkpoint::{CheckpointWriter, Row};
use super::layout::{Layout, create_private};
use super::make::make_journal;
use super::options::OpenOptions;
use super::outcome::OpenError;
use super::position::{Epoch, Position};
use super::removal::remove;
use super::set_sum::SetSum;
use super::sled_folder::SledFolder;
use crate::disk_space::{Purpose, is_out_of_space};
use crate::files::{Access, write_whole};

/// Calls its argument with every row, in ascending order of tree and key. It is called twice and must return the same rows.
pub type EachRow<'a> =
    dyn Fn(&mut dyn FnMut(u8, &[u8], &[u8]) -> io::Result<()>) -> io::Result<()> + 'a;

/// Creates a journal that begins with these rows. There must be none yet. An existing index is removed.
pub fn begin_journal(options: &OpenOptions<'_>, each_row: &EachRow<'_>) -> Result<(), OpenError> {
    let mut sum = SetSum::default();
    each_row(&mut |tree, key, value| {
        sum.add(&options.key, tree, key, value);
        Ok(())
    })?;
    let position = Position::start(&options.key, Epoch::random()?, 0, sum);
    let layout = Layout::new(options.folder);
    make_journal(options, position, &|unfinished: &Layout| {
        let file = create_private(&unfinished.checkpoint(0))?;
        let to = BufWriter::with_capacity(128 << 10, file);
        let mut writer = CheckpointWriter::new(&options.key, position, to)?;
        each_row(&mut |tree, key, value| writer.row(&Row { tree, key, value }))?;
        let (_, mut to) = writer.finish()?;
        to.flush()?;
        to.get_ref().sync_all()?;
        // They belong to another epoch.
        remove(&layout.index())?;
        Ok(remove(&layout.healed_index())?)
    })
}

/// The result of a migration.
#[derive(Debug)]
pub struct Migrated {
    /// How many rows there are.
    pub rows: u64,
    from: SledFolder,
}

impl Migrated {
    /// A row of format 1.
    pub fn named(&self, tree: u8, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        self.from.get(tree, key)
    }
}

/// Creates a journal from the rows of format 1 in the folder `old`, which is only read. Then the caller opens the rows, and last
/// updates the marker. If the program is killed before that, the next start repeats the migration.
///
/// With `may_lack`, files that no row names are quarantined instead of removed, since damage of format 1 can hide rows.
pub fn migrate(
    options: &OpenOptions<'_>,
    old: &Path,
    may_lack: bool,
) -> Result<Migrated, OpenError> {
    options
        .disk_space
        .spend(needed(old), Purpose::Maintenance)
        .map_err(|error| old_error(old, error))?;
    let copy = options.folder.join("rows.reading");
    let migrated = SledFolder::open(old, &copy, options.trees).and_then(|rows| {
        // A journal without a marker is unfinished: the program ended while it was created.
        remove(Layout::new(options.folder).journal())?;
        begin_journal(options, &|each| rows.each_row(|tree, key, value| each(tree, key, value)))
            .map_err(|error| match error {
                OpenError::Io(error) => error,
                other => io::Error::other(other),
            })?;
        if may_lack {
            write_whole(&Layout::new(options.folder).loss(), b"", Access::Private)?;
        }
        let mut count = 0;
        rows.each_row(|_, _, _| {
            count += 1;
            Ok::<_, io::Error>(())
        })?;
        Ok(Migrated { rows: count, from: rows })
    });
    migrated.map_err(|error| {
        abandon_migration(options);
        old_error(old, error)
    })
}

/// Removes the files of a migration that could not be finished. The rows of format 1 are still there.
pub fn abandon_migration(options: &OpenOptions<'_>) {
    let layout = Layout::new(options.folder);
    let unfinished = Layout::unfinished(options.folder);
    for made in [layout.journal(), unfinished.journal(), &layout.index(), &layout.healed_index()] {
        if let Err(error) = remove(made) {
            // The next start removes it.
            tracing::warn!(%error, "cannot remove the files of an unfinished migration");
        }
    }
}

/// The error of a failed migration of rows of format 1.
pub fn old_error(old: &Path, error: io::Error) -> OpenError {
    let todo = if is_out_of_space(&error) {
        format!("free about {} MiB and start again", needed(old).div_ceil(1 << 20))
    } else {
        "restore the folder from a backup, or remove it to begin with an empty one".to_owned()
    };
    OpenError::Old { folder: old.to_owned(), error, todo }
}

/// The bytes that a migration needs: for the copy, the checkpoint and the index, with the least size of each.
fn needed(old: &Path) -> u64 {
    SledFolder::size(old).unwrap_or_default().saturating_mul(3).saturating_add(4 << 20)
}

#[cfg(test)]
mod tests {
    use super::super::testing::options;
    use super::*;
    use crate::disk_space::SimulatedDisk;

    #[test]
    fn a_migration_without_enough_space_changes_nothing_and_says_how_much_it_needs() {
        let root = tempfile::tempdir().unwrap();
        let (folder, old) = (root.path().join("data"), root.path().join("data/rows"));
        let db = crate::durable::index::open_sled(&old).unwrap();
        db.open_tree("a").unwrap().insert("key", b"value").unwrap();
        db.flush().unwrap();
        drop(db);
        let options = options(&folder);

        options.disk_space.simulate(SimulatedDisk::UsedUp);
        let refused = migrate(&options, &old, true).unwrap_err().to_string();
        let found = fs_err::read_dir(&folder).unwrap().count();
        options.disk_space.simulate(SimulatedDisk::Off);
        let migrated = migrate(&options, &old, true).unwrap();

        assert!(refused.contains("nothing was changed: free about "), "{refused}");
        assert_eq!(found, 1);
        assert_eq!(migrated.rows, 1);
        assert!(folder.join("journal/loss").exists());
    }
}
