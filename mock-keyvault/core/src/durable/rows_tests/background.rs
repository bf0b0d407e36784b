//! The proof, checkpoints and the check while the rows are open.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use fs_err as fs;

use super::super::engine::Engine;
use super::super::error::FormatError;
use super::super::merge::Merge;
use super::super::rebuild;
use super::super::testing::TREES;
use super::super::{Notice, OpenOptions, Proof};
use super::support::{Folder, all, keys, put};
use crate::disk_space::Purpose;

/// Enough changes for several segments.
fn fill(rows: &super::super::Rows) {
    for at in 0..1100_u32 {
        rows.transact(|view| {
            view.put(0, (at % 600).to_be_bytes(), vec![u8::try_from(at % 251).unwrap(); 4000]);
            Ok::<_, std::io::Error>(())
        })
        .unwrap();
    }
    rows.commit().unwrap();
}

/// Writes a checkpoint from all closed segments, as if one were due.
fn checkpoint(engine: &Engine) {
    let segments = engine.layout.segments().unwrap();
    let [closed @ .., (open, _)] = &segments[..] else { panic!("no segments") };
    let last = engine.layout.checkpoints().unwrap().pop();
    engine.checkpoint(last.as_ref().map(|(_, path)| path.as_path()), closed, open - 1).unwrap();
}

#[test]
fn a_change_waits_for_the_proof_so_that_no_change_depends_on_a_wrong_row() {
    let folder = Folder::new();
    put(&folder.open().unwrap(), b"count", &[1]);
    folder.tamper_with_index(b"count", Some(&[5]));
    let engine = Arc::new(Engine::open(&folder.options()).unwrap());
    assert_eq!(engine.proof.get(), Proof::Pending);

    let counted = std::thread::scope(|scope| {
        let counting = scope.spawn(|| {
            engine.proof.wait();
            engine.index().get(0, b"count").unwrap().unwrap()[0] + 1
        });
        engine.prove();
        counting.join().unwrap()
    });

    assert_eq!((counted, engine.proof.get()), (2, Proof::Healed));
}

#[test]
fn changes_wait_for_the_proof_up_to_a_time_limit_and_their_number_is_limited() {
    let folder = Folder::with(&["a"]);
    let engine = Engine::open(&folder.options()).unwrap();

    engine.proof_timeout_millis.store(0, Ordering::Relaxed);
    let impatient = engine.right_to_write().unwrap_err();
    engine.proof_timeout_millis.store(3_600_000, Ordering::Relaxed);
    engine.waiting.store(64, Ordering::Relaxed);
    let crowded = engine.right_to_write().unwrap_err();
    engine.prove();

    assert_eq!(impatient.kind(), std::io::ErrorKind::ResourceBusy);
    assert_eq!(crowded.kind(), std::io::ErrorKind::ResourceBusy);
    assert!(engine.right_to_write().is_ok());
}

#[test]
fn a_stop_ends_the_proof_and_refuses_the_changes_that_wait_for_it() {
    let folder = Folder::with(&["a", "b"]);
    folder.tamper_with_index(b"b", None);
    let engine = Engine::open(&folder.options()).unwrap();

    let refused = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| engine.right_to_write().and_then(|_| engine.writable()));
        engine.stopping.store(true, Ordering::Relaxed);
        engine.prove();
        waiting.join().unwrap()
    });

    assert!(refused.unwrap_err().to_string().contains("the program stops"));
    assert!(!folder.layout().healed_index().exists());
    let (at, end) = (folder.layout().healed_index(), engine.tail().position);
    let to = rebuild::To { at: &at, trees: TREES, end: &end };
    let stopped = rebuild::build(&engine.layout, &engine.key, &to, &engine.stopping);
    assert!(stopped.is_err(), "the rebuilding of an index ends when the program stops");
}

#[test]
fn after_wrong_rows_were_read_and_healed_nothing_is_written_until_the_next_start() {
    for (remembered, is_outdated) in [(&[0][..], true), (&[1][..], false)] {
        let folder = Folder::with(&["a", "b"]);
        folder.tamper_with_index(b"b", Some(b"wrong"));
        let engine = Engine::open(&OpenOptions { remembered, ..folder.options() }).unwrap();
        engine.is_open.store(true, Ordering::Relaxed);

        engine.prove();

        assert_eq!(engine.index().get(0, b"b").unwrap().as_deref(), Some(&b"b"[..]));
        assert_eq!(engine.writable().is_err(), is_outdated);
        let notice = if is_outdated { Notice::Outdated } else { Notice::Healed };
        assert_eq!(engine.notices().all(), [notice]);
        drop(engine);
        assert_eq!(folder.open().unwrap().proof(), Proof::Matched);
    }
}

#[test]
fn a_proof_that_fails_for_good_leaves_rows_readable_and_refuses_changes() {
    let folder = Folder::with(&["a", "b"]);
    folder.tamper_with_index(b"b", None);
    let engine = Engine::open(&folder.options()).unwrap();
    let (starts, ..) = folder.records();
    Folder::flip(&folder.segment(), starts[0] + 130);

    engine.prove();

    assert!(matches!(engine.proof.get(), Proof::Failed(_)));
    assert!(matches!(&engine.notices().all()[..], [Notice::NotHealed { .. }]));
    assert_eq!(engine.index().get(0, b"a").unwrap().as_deref(), Some(&b"a"[..]));
    let refused = engine.writable().unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
}

#[test]
fn a_proof_that_panics_fails_so_that_no_change_waits_for_it_forever() {
    let folder = Folder::with(&["a"]);
    let engine = Engine::open(&folder.options()).unwrap();
    engine.simulated_panic.store(true, Ordering::Relaxed);

    engine.prove();

    assert!(matches!(engine.proof.wait(), Proof::Failed(_)));
}

#[test]
fn a_checkpoint_replaces_segments_and_the_last_two_checkpoints_are_kept() {
    let folder = Folder::new();
    let rows = folder.open().unwrap();
    for _ in 0..3 {
        fill(&rows);
        checkpoint(rows.engine());
    }
    put(&rows, b"last", b"x");
    let before = all(&rows);
    drop(rows);

    let checkpoints = folder.layout().checkpoints().unwrap();
    let first = folder.layout().segments().unwrap()[0].0;
    assert_eq!(checkpoints.len(), 2);
    assert!(1 < first && first <= checkpoints[0].0 + 1, "{first} {checkpoints:?}");
    for damaged in [None, Some(&checkpoints[1].1)] {
        if let Some(path) = damaged {
            Folder::flip(path, 5000);
        }
        fs::remove_dir_all(folder.layout().index()).unwrap();
        assert_eq!(all(&folder.open().unwrap()), before, "{damaged:?}");
    }
}

#[test]
fn a_check_of_whole_rows_finds_nothing() {
    let folder = Folder::new();
    let rows = folder.open().unwrap();
    fill(&rows);
    checkpoint(rows.engine());

    let check = rows.check(&mut |_| ()).unwrap();

    assert!(check.damaged.is_empty() && check.index_is_right, "{check:?}");
    assert!(2 <= check.files, "{check:?}");
}

#[test]
fn a_check_names_each_damaged_file_and_rewrites_the_rows_from_the_proven_index() {
    for of_checkpoint in [false, true] {
        let folder = Folder::new();
        let rows = folder.open().unwrap();
        fill(&rows);
        checkpoint(rows.engine());
        let before = all(&rows);
        let layout = folder.layout();
        let path = if of_checkpoint {
            layout.checkpoints().unwrap().remove(0).1
        } else {
            layout.segments().unwrap().remove(0).1
        };
        Folder::flip(&path, 5000);

        let check = rows.check(&mut |_| ()).unwrap();

        assert_eq!(check.damaged.len(), 1, "{check:?}");
        assert!(check.damaged[0].contains(&path.display().to_string()), "{check:?}");
        assert!(check.healed, "{check:?}");
        assert!(matches!(&rows.notices()[..], [Notice::JournalHealed { .. }]));
        assert!(rows.check(&mut |_| ()).unwrap().damaged.is_empty());
        put(&rows, b"after", b"x");
        drop(rows);
        fs::remove_dir_all(folder.layout().index()).unwrap();
        assert_eq!(all(&folder.open().unwrap()).len(), before.len() + 1);
    }
}

#[test]
fn a_check_goes_on_after_each_fault_and_names_every_file_including_unreadable_ones() {
    let folder = Folder::new();
    let rows = folder.open().unwrap();
    fill(&rows);
    fill(&rows);
    checkpoint(rows.engine());
    let before = all(&rows);
    let layout = folder.layout();
    let segments = layout.segments().unwrap();
    let checkpoint = layout.checkpoints().unwrap().remove(0).1;
    let named = [checkpoint, segments[0].1.clone(), segments[1].1.clone()];
    fs::remove_file(&named[0]).unwrap();
    // The system fails to read this path, as after EIO.
    fs::create_dir(&named[0]).unwrap();
    Folder::flip(&named[1], 5000);
    fs::remove_file(&named[2]).unwrap();
    fs::create_dir(&named[2]).unwrap();

    let check = rows.check(&mut |_| ()).unwrap();

    assert_eq!(check.damaged.len(), named.len(), "{check:?}");
    for (damaged, path) in check.damaged.iter().zip(&named) {
        assert!(damaged.contains(&path.display().to_string()), "{check:?}");
    }
    assert!(check.healed, "{check:?}");
    assert!(rows.check(&mut |_| ()).unwrap().damaged.is_empty());
    drop(rows);
    fs::remove_dir_all(folder.layout().index()).unwrap();
    assert_eq!(all(&folder.open().unwrap()), before);
}

#[test]
fn a_check_repairs_damage_in_the_segment_that_is_being_written_and_the_next_start_is_normal() {
    for index_is_there in [true, false] {
        let folder = Folder::with(&["a", "b", "c"]);
        let rows = folder.open().unwrap();
        let (starts, ..) = folder.records();
        Folder::flip(&folder.segment(), starts[1] + 130);

        let check = rows.check(&mut |_| ()).unwrap();
        put(&rows, b"d", b"d");
        drop(rows);
        if !index_is_there {
            fs::remove_dir_all(folder.layout().index()).unwrap();
        }

        assert!(check.healed && check.damaged.len() == 1, "{check:?}");
        assert_eq!(keys(&folder.open().unwrap()), ["a", "b", "c", "d"]);
    }
}

#[test]
fn a_checkpoint_reports_that_the_index_returned_a_wrong_row_if_the_journal_does_not_add_up() {
    let folder = Folder::new();
    let rows = folder.open().unwrap();
    let engine = rows.engine();
    put(&rows, b"count", b"right");
    // After the proof, sled returns another value than the stored one.
    let wrong = BTreeMap::from([(0, BTreeMap::from([(b"count".to_vec(), Some(b"x".to_vec()))]))]);
    let sealed = engine.tail().position.seal(&engine.key);
    engine.index().apply(&wrong, &sealed).unwrap();
    put(&rows, b"count", b"next");
    fill(&rows);
    let segments = engine.layout.segments().unwrap();
    let [closed @ .., (open, _)] = &segments[..] else { panic!("no segments") };

    let refused = engine.checkpoint(None, closed, open - 1).unwrap_err().to_string();

    assert!(refused.contains("the index returned a wrong row for a change"), "{refused}");
    assert!(!refused.contains("is damaged"), "{refused}");
    assert!(rows.notices().is_empty(), "{:?}", rows.notices());
}

#[test]
fn a_checkpoint_is_merged_from_more_segments_than_a_process_may_have_open_at_once() {
    let folder = Folder::new();
    let rows = folder.open().unwrap();
    for at in 0..150_u8 {
        put(&rows, &[at], &[at]);
        let engine = rows.engine();
        engine
            .journal
            .begin_segment(&mut engine.tail(), (&engine.disk_space, Purpose::Rows))
            .unwrap();
    }
    let before = fs::read_dir("/proc/self/fd").unwrap().count();
    let segments = folder.layout().segments().unwrap();
    let paths: Vec<_> = segments.into_iter().map(|(_, path)| path).collect();

    let merge = Merge::read(&rows.engine().key, None, &paths, 150).unwrap();
    let open = fs::read_dir("/proc/self/fd").unwrap().count();
    let mut merged = Vec::new();
    merge
        .each_row::<FormatError>(|row| {
            merged.push(row.key[0]);
            Ok(())
        })
        .unwrap();

    assert!(open < before + 140, "{before} {open}");
    assert_eq!(merged, (0..150).collect::<Vec<u8>>());
}

#[test]
fn a_check_reports_segments_that_do_not_reach_back_to_a_checkpoint() {
    let folder = Folder::new();
    let rows = folder.open().unwrap();
    fill(&rows);
    fs::remove_file(folder.layout().segments().unwrap().remove(0).1).unwrap();

    let check = rows.check(&mut |_| ()).unwrap();

    assert!(check.damaged[0].contains("is missing"), "{check:?}");
    assert!(check.healed, "{check:?}");
}

#[test]
fn a_segment_whose_creation_failed_is_created_again() {
    let folder = Folder::with(&["a"]);
    let rows = folder.open().unwrap();
    fs::write(folder.layout().spare(), "half").unwrap();

    fill(&rows);

    assert!(1 < folder.layout().segments().unwrap().len());
}

#[test]
fn a_new_folder_has_no_more_than_its_first_segment() {
    let folder = Folder::with(&["a"]);
    let rows = folder.open().unwrap();
    put(&rows, b"b", b"b");
    drop(rows);

    assert!(!folder.layout().spare().exists());
    assert_eq!(folder.layout().segments().unwrap().len(), 1);
}

#[test]
fn a_record_that_is_larger_than_a_segment_gets_a_segment_of_its_size() {
    let folder = Folder::with(&["a"]);
    let rows = folder.open().unwrap();
    rows.transact(|view| {
        view.attach(b"large", vec![7; 5 << 20]);
        view.put(0, b"b", b"b");
        Ok::<_, std::io::Error>(())
    })
    .unwrap();
    put(&rows, b"c", b"c");
    drop(rows);

    assert_eq!(keys(&folder.open().unwrap()), ["a", "b", "c"]);
}
