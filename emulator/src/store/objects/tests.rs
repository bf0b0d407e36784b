//! The behaviour of every engine of objects. A second engine adds one call of [`conforms`] for itself.

use std::io::Write;

use azure_emulator_core::durable::Durability;

use super::folder::FolderObjects;
use super::{LeftBehind, ObjectEngine, ObjectReader, Presence, Unnamed};
use crate::store::disk::make_folders;
use crate::store::error::StoreError;
use crate::store::file_id::FileId;
use crate::store::layout::Layout;

/// Longer than the bytes that an engine may leave to the rows.
const LONG: usize = 100_000;

#[test]
fn a_folder_conforms() {
    for durability in [Durability::Full, Durability::Relaxed] {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path());
        make_folders(&layout, durability).unwrap();
        conforms(&|| Box::new(FolderObjects::open(layout.clone(), durability).unwrap()));
    }
}

/// Tests an engine. `open` opens it again, as after a restart, with everything that it had.
fn conforms(open: &dyn Fn() -> Box<dyn ObjectEngine>) {
    let objects = &*open();
    a_finished_object_is_read_in_ranges_and_listed(objects);
    an_object_is_invisible_before_it_is_finished(objects);
    an_object_that_no_row_names_is_undone(objects);
    a_finished_object_is_never_overwritten(objects);
    a_deleted_object_is_gone_but_an_open_reader_goes_on(objects);
    objects_are_kept_in_quarantine(objects);
    if objects.continuing().is_some() {
        an_unfinished_object_is_continued(open);
        a_finished_object_is_unfinished_again(objects);
    }
    what_a_process_left_behind_is_found_once(open);
}

fn a_finished_object_is_read_in_ranges_and_listed(objects: &dyn ObjectEngine) {
    let content: Vec<u8> = (0..LONG).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let id = stored(objects, &content);

    let reader = objects.open(id).unwrap();
    assert_eq!(reader.object_len().unwrap(), LONG as u64);
    let mut read = b"before".to_vec();
    reader.read_at(70_000, 5, &mut read).unwrap();
    reader.read_at(1, 2, &mut read).unwrap();
    reader.read_at(LONG as u64 - 2, 10, &mut read).unwrap();
    reader.read_at(LONG as u64 + 1, 10, &mut read).unwrap();
    let parts = [b"before", &content[70_000..70_005], &content[1..3], &content[LONG - 2..]];
    assert_eq!(read, parts.concat());
    assert_eq!(objects.look(id).unwrap(), Presence::Len(LONG as u64));
    assert_eq!(listed(objects).iter().filter(|listed| **listed == id).count(), 1);
}

fn an_object_is_invisible_before_it_is_finished(objects: &dyn ObjectEngine) {
    let id = FileId::random();
    let mut writer = objects.create(id).unwrap();
    writer.write_all(&vec![7; LONG]).unwrap();
    if let Some(sync) = writer.early_sync().unwrap() {
        sync.run();
    }
    is_absent(objects, id);

    drop(writer);
    is_absent(objects, id);
    // Nothing is left of it: the same id can be made again.
    objects.create(id).unwrap().abandon().unwrap();
    objects.create(id).unwrap().abandon().unwrap();
    is_absent(objects, id);
}

fn an_object_that_no_row_names_is_undone(objects: &dyn ObjectEngine) {
    for len in [1, LONG] {
        let id = FileId::random();
        let mut writer = objects.create(id).unwrap();
        writer.write_all(&vec![7; len]).unwrap();
        let finished = writer.finish().unwrap();
        assert_eq!(finished.id(), id);
        if let Some(carried) = finished.carried() {
            assert_eq!(carried, vec![7; len]);
        }
        drop(finished);
        is_absent(objects, id);
    }
}

fn a_finished_object_is_never_overwritten(objects: &dyn ObjectEngine) {
    let id = stored(objects, b"first");

    assert!(objects.create(id).is_err());
    if let Some(continuing) = objects.continuing() {
        assert!(continuing.begin(id).is_err());
    }

    assert_eq!(content(&objects.open(id).unwrap()), b"first");
}

fn a_deleted_object_is_gone_but_an_open_reader_goes_on(objects: &dyn ObjectEngine) {
    let id = stored(objects, b"content");
    let reader = objects.open(id).unwrap();

    objects.delete(id).unwrap();
    objects.delete(id).unwrap();

    is_absent(objects, id);
    assert_eq!(content(&reader), b"content");
}

fn objects_are_kept_in_quarantine(objects: &dyn ObjectEngine) {
    assert!(objects.is_quarantine_empty().unwrap());
    let (moved, kept) = (stored(objects, b"moved"), stored(objects, b"kept"));

    objects.quarantine(&Unnamed::Object(moved)).unwrap();
    objects.quarantine(&Unnamed::Object(FileId::random())).unwrap();
    objects.put_into_quarantine(kept).unwrap();
    objects.put_into_quarantine(kept).unwrap();
    objects.sync_quarantine().unwrap();

    is_absent(objects, moved);
    assert_eq!(content(&objects.open(kept).unwrap()), b"kept");
    let mut both = [moved, kept];
    both.sort_unstable();
    assert_eq!(objects.quarantined().unwrap(), both);
    assert!(!objects.is_quarantine_empty().unwrap());
    assert!(objects.bring_back(moved).unwrap());
    assert!(!objects.bring_back(kept).unwrap());
    for id in both {
        objects.leave_quarantine(id).unwrap();
        objects.leave_quarantine(id).unwrap();
    }
    assert_eq!(content(&objects.open(moved).unwrap()), b"moved");
    assert_eq!(content(&objects.open(kept).unwrap()), b"kept");
    assert!(objects.is_quarantine_empty().unwrap());
}

fn an_unfinished_object_is_continued(open: &dyn Fn() -> Box<dyn ObjectEngine>) {
    let id = FileId::random();
    let first = open();
    let mut writer = first.continuing().unwrap().begin(id).unwrap();
    assert!(first.continuing().unwrap().begin(id).is_err());
    writer.write_all(b"begin, then lost").unwrap();
    drop(writer);

    let again = open();
    is_absent(&*again, id);
    let continuing = again.continuing().unwrap();
    assert_eq!(continuing.unfinished_len(id).unwrap(), Some(16));
    assert_eq!(content(&continuing.open_unfinished(id).unwrap()), b"begin, then lost");
    let mut writer = continuing.resume(id, 5).unwrap();
    writer.write_all(b" and end").unwrap();
    let finished = writer.finish().unwrap();
    assert_eq!(content(&again.open(id).unwrap()), b"begin and end");
    // The transaction failed: the client can still finish it.
    drop(finished);
    is_absent(&*again, id);
    assert_eq!(continuing.unfinished_len(id).unwrap(), Some(13));
    continuing.resume(id, 13).unwrap().finish().unwrap().keep();

    assert_eq!(content(&again.open(id).unwrap()), b"begin and end");
    assert_eq!(continuing.unfinished_len(id).unwrap(), None);
    is_unknown(&continuing.resume(id, 0));
    is_unknown(&continuing.open_unfinished(id));
    let removed = FileId::random();
    let writer = continuing.begin(removed).unwrap();
    continuing.remove_unfinished(removed).unwrap();
    continuing.remove_unfinished(removed).unwrap();
    is_unknown(&writer.finish());
}

fn a_finished_object_is_unfinished_again(objects: &dyn ObjectEngine) {
    let continuing = objects.continuing().unwrap();
    let id = stored(objects, b"content");

    assert!(continuing.unfinish(id).unwrap());
    assert!(!continuing.unfinish(id).unwrap());

    is_absent(objects, id);
    assert_eq!(continuing.unfinished_len(id).unwrap(), Some(7));
    continuing.remove_unfinished(id).unwrap();
}

fn what_a_process_left_behind_is_found_once(open: &dyn Fn() -> Box<dyn ObjectEngine>) {
    // As after a kill, which drops nothing.
    let (killed, removed) = (FileId::random(), FileId::random());
    let first = open();
    std::mem::forget(first.create(killed).unwrap());
    if let Some(continuing) = first.continuing() {
        drop(continuing.begin(removed).unwrap());
    }

    let again = open();
    let left = again.take_left_behind();
    assert_eq!(again.take_left_behind(), []);

    if again.continuing().is_some() {
        assert_eq!(left.len(), 2);
        assert_eq!(left.iter().filter_map(LeftBehind::id).collect::<Vec<_>>(), [removed]);
    }
    for one in &left {
        again.remove_left_behind(one).unwrap();
        again.remove_left_behind(one).unwrap();
    }
    assert_eq!(open().take_left_behind(), []);
    is_absent(&*again, killed);
}

/// Stores an object, as if a row named it.
fn stored(objects: &dyn ObjectEngine, content: &[u8]) -> FileId {
    let id = FileId::random();
    let mut writer = objects.create(id).unwrap();
    writer.write_all(content).unwrap();
    writer.flush().unwrap();
    writer.finish().unwrap().keep();
    id
}

fn content(reader: &ObjectReader) -> Vec<u8> {
    let mut bytes = Vec::new();
    reader.read_at(0, LONG, &mut bytes).unwrap();
    bytes
}

fn listed(objects: &dyn ObjectEngine) -> Vec<FileId> {
    objects.list().map(Result::unwrap).collect()
}

fn is_absent(objects: &dyn ObjectEngine, id: FileId) {
    assert_eq!(objects.look(id).unwrap(), Presence::Missing);
    is_unknown(&objects.open(id));
    assert!(!listed(objects).contains(&id));
}

fn is_unknown<T>(result: &Result<T, StoreError>) {
    assert!(matches!(result, Err(StoreError::NotFound(_))));
}
