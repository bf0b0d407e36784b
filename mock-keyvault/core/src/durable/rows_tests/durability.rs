//! The state of the disk at each moment, and starts on a full disk.

use std::path::Path;

use fs_err as fs;

use super::super::Notice;
use super::super::changes::Changes;
use super::super::disk::simulated::{watch, with_full_disk};
use super::super::engine::Engine;
use super::super::index::Index;
use super::super::scan::Scan;
use super::super::testing::{TREES, key};
use super::support::{Folder, keys, put};
use crate::disk_space::Purpose;

/// One change without a commit.
fn touch(engine: &Engine, row: u32, len: usize) {
    let rows = [(row.to_be_bytes().to_vec(), Some(vec![7; len]))].into();
    let changes = Changes::from([(0, rows)]);
    let mut tail = engine.tail();
    engine.change(&mut tail, &engine.index(), Purpose::Rows, &changes, &Vec::new()).unwrap();
}

/// The last generation in these bytes of a segment.
fn generation(path: &Path, bytes: &[u8]) -> u64 {
    let key = key();
    let mut scan = Scan::new(&key, path, bytes).unwrap();
    while scan.next().is_some() {}
    scan.position().generation
}

#[test]
fn a_power_cut_soon_after_a_start_leaves_a_head_without_a_clean_stop() {
    let folder = Folder::with(&["a"]);
    let head = folder.layout().head();
    let at_the_stop = fs::read(&head).unwrap();

    // The process is killed, then the power fails: unsynced files are as they were at the stop. sled has written a change that the
    // journal has lost.
    let (_, end, _) = folder.records();
    let synced = watch(|| {
        let engine = Engine::open(&folder.options()).unwrap();
        touch(&engine, 1, 10);
        engine.index().flush().unwrap();
    });
    Folder::overwrite(&folder.segment(), end, &[0; 1000]);
    Folder::overwrite(&head, 0, synced.get(&head).unwrap_or(&at_the_stop));
    folder.edit_head(|head| head.boot_id = [9; 16]);

    assert_eq!(keys(&folder.open().unwrap()), ["a"]);
}

#[test]
fn a_start_after_a_kill_syncs_every_segment_before_it_acknowledges_a_change() {
    let folder = Folder::with(&["a"]);
    let engine = Engine::open(&folder.options()).unwrap();
    for row in 0..400 {
        touch(&engine, row, 4000);
    }
    drop(engine);
    let segments = folder.layout().segments().unwrap();
    assert!(2 <= segments.len(), "{segments:?}");

    let synced = watch(|| drop(Engine::open(&folder.options()).unwrap()));

    for (_, path) in segments {
        assert!(synced.get(&path) == Some(&fs::read(&path).unwrap()), "{}", path.display());
    }
}

#[test]
fn the_index_is_not_written_to_its_file_before_the_journal_is_on_the_disk() {
    for stops in [false, true] {
        let folder = Folder::with(&["a"]);
        let engine = Engine::open(&folder.options()).unwrap();
        touch(&engine, 1, 10);
        let (path, at) = (folder.segment(), engine.tail().position.generation);

        let synced =
            watch(|| if stops { engine.stop().unwrap() } else { engine.flush_index().unwrap() });

        assert_eq!(generation(&path, &synced[&path]), at);
    }
}

#[test]
fn the_index_is_not_flushed_when_the_journal_could_not_be_synced() {
    let folder = Folder::with(&["a"]);
    let engine = Engine::open(&folder.options()).unwrap();
    touch(&engine, 1, 10);
    engine.group.fail(&std::io::Error::other("the disk is gone"));

    assert!(engine.flush_index().is_err());
    assert!(engine.stop().is_err());

    // The state after a power cut. The time of the file is of no use: sled may shorten it a moment after the start.
    let on_disk = Index::open(&folder.copied().layout().index(), TREES).unwrap();
    assert!(on_disk.has(0, b"a").unwrap());
    assert!(!on_disk.has(0, &1_u32.to_be_bytes()).unwrap());
}

/// A folder after a power cut, with bytes after the end of the journal that are not a record.
fn with_lost_end() -> Folder {
    let folder = Folder::with(&["a"]).powered_off();
    let (_, end, _) = folder.records();
    Folder::overwrite(&folder.segment(), end + 512, &[7; 100]);
    folder
}

#[test]
fn a_start_that_only_has_to_truncate_works_on_a_full_disk_and_keeps_no_copy() {
    let folder = with_lost_end();
    let is_copy = |path: &Path| path.to_string_lossy().ends_with(".cut");

    let rows = with_full_disk(is_copy, || folder.open()).unwrap();

    assert_eq!(keys(&rows), ["a"]);
    assert!(rows.has_loss().unwrap());
    let mut names = fs::read_dir(folder.layout().journal()).unwrap();
    assert!(!names.any(|entry| is_copy(&entry.unwrap().path())));
}

#[test]
fn a_start_that_cannot_note_a_loss_is_refused_and_the_next_one_detects_the_loss_again() {
    let folder = with_lost_end();
    let mark = folder.layout().loss();
    let content = || fs::read(folder.segment()).unwrap();
    let before = content();

    let refused =
        with_full_disk(|path| path.ends_with("loss"), || folder.open()).unwrap_err().to_string();

    assert!(refused.contains(&mark.display().to_string()), "{refused}");
    assert!(
        refused.ends_with("free space on the device, or make the folder writable, and start again")
    );
    assert!(content() == before && !mark.exists());
    let rows = folder.open().unwrap();
    assert!(rows.notices().iter().any(Notice::is_loss));
    assert!(rows.has_loss().unwrap());
    assert_eq!(keys(&rows), ["a"]);
}

#[test]
fn on_a_full_disk_a_damaged_index_is_removed_to_rebuild_it() {
    let folder = Folder::with(&["a", "b"]);
    fs::write(folder.layout().index().join("conf"), "junk").unwrap();
    fs::write(folder.layout().index().join("db"), vec![0x5a; 1 << 20]).unwrap();
    let root = folder.path().to_owned();
    let has_aside = move || {
        let mut entries = fs::read_dir(&root).unwrap();
        entries
            .any(|entry| entry.unwrap().file_name().to_string_lossy().starts_with("index.damaged-"))
    };
    let (index, is_there) = (folder.layout().index(), has_aside.clone());
    let is_full = move |path: &Path| path == index && is_there();

    let rows = with_full_disk(is_full, || folder.open()).unwrap();

    assert_eq!(keys(&rows), ["a", "b"]);
    assert!(!has_aside());
    put(&rows, b"c", b"c");
}
