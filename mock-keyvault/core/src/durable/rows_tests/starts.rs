//! Starts on folders in different states.

use std::cell::RefCell;

use fs_err as fs;

use super::super::op::Op;
use super::super::{Durability, Notice, OpenError, OpenOptions, Proof, Rows};
use super::support::{Folder, keys, put};

fn refusal(folder: &Folder) -> String {
    let error = folder.open().unwrap_err();
    let message = error.to_string();
    assert!(message.contains("run `rows repair`") && !message.contains('\n'), "{message}");
    message
}

#[test]
fn after_a_clean_stop_all_rows_are_there_without_a_notice() {
    let folder = Folder::with(&["a", "b"]);

    let rows = folder.open().unwrap();

    assert_eq!(keys(&rows), ["a", "b"]);
    assert_eq!((rows.proof(), rows.notices()), (Proof::Matched, Vec::new()));
    assert!(rows.are_complete());
}

#[test]
fn half_a_record_at_the_end_is_removed_and_the_next_one_replaces_it() {
    for len in [1, 20, 150] {
        let folder = Folder::with(&["a", "b"]).killed();
        let (_, end, _) = folder.records();
        Folder::overwrite(&folder.segment(), end, &folder.next_frame(b"c")[..len]);

        let rows = folder.open().unwrap();
        assert_eq!(
            (keys(&rows), rows.notices()),
            (vec!["a".to_owned(), "b".to_owned()], Vec::new())
        );
        put(&rows, b"d", b"d");
        drop(rows);

        assert_eq!(keys(&folder.open().unwrap()), ["a", "b", "d"]);
    }
}

#[test]
fn a_whole_record_without_a_commit_is_kept() {
    let folder = Folder::with(&["a"]).killed();
    let (_, end, _) = folder.records();
    Folder::overwrite(&folder.segment(), end, &folder.next_frame(b"b"));

    assert_eq!(keys(&folder.open().unwrap()), ["a", "b"]);
}

#[test]
fn a_flipped_bit_in_any_acknowledged_record_is_refused_with_file_offset_and_command() {
    for record in 0..3 {
        for folder in [
            Folder::with(&["a", "b", "c"]),
            Folder::with(&["a", "b", "c"]).killed(),
            Folder::with(&["a", "b", "c"]).powered_off(),
        ] {
            let (starts, ..) = folder.records();
            let (segment, offset) = (folder.segment(), starts[record]);
            fs::remove_dir_all(folder.layout().index()).unwrap();
            Folder::flip(&segment, offset + 130);

            let message = refusal(&folder);

            assert!(message.contains(&segment.display().to_string()), "{message}");
            assert!(message.contains(&format!("byte {offset}:")), "{message}");
        }
    }
}

#[test]
fn a_journal_that_lost_its_end_is_refused() {
    let folder = Folder::with(&["a", "b"]);
    let (starts, end, _) = folder.records();
    Folder::overwrite(&folder.segment(), starts[1], &vec![0; end - starts[1]]);

    assert!(refusal(&folder).contains("generation 2"));
}

#[test]
fn records_that_were_not_on_the_disk_when_the_power_failed_are_dropped_with_a_notice() {
    let folder = Folder::with(&["a"]).powered_off();
    let (_, end, _) = folder.records();
    // The first block of a record is missing and the second is there.
    Folder::overwrite(&folder.segment(), end + 512, &[7; 100]);

    let rows = folder.open().unwrap();

    assert_eq!(keys(&rows), ["a"]);
    assert_eq!(rows.notices(), [Notice::Shortened { through: 1 }]);
    assert!(rows.has_loss().unwrap() && !rows.are_complete());
    drop(rows);
    let rows = folder.open().unwrap();
    assert!(!rows.are_complete(), "a loss is remembered until it is settled");
    rows.clear_loss().unwrap();
    assert!(rows.are_complete());
}

#[test]
fn a_copy_of_a_folder_in_use_starts_although_its_journal_ends_before_its_head() {
    let folder = Folder::with(&["a", "b"]).killed();
    let (starts, end, _) = folder.records();
    let copy = folder.copied();
    Folder::overwrite(&copy.segment(), starts[1], &vec![0; end - starts[1]]);

    let rows = copy.open().unwrap();

    assert_eq!(keys(&rows), ["a"]);
    assert!(rows.notices().contains(&Notice::Copied { through: 1 }), "{:?}", rows.notices());
    put(&rows, b"c", b"c");
    drop(rows);
    assert_eq!(keys(&copy.open().unwrap()), ["a", "c"]);
}

#[test]
fn damage_in_a_copy_is_refused_like_any_damage() {
    for folder in [Folder::with(&["a", "b"]), Folder::with(&["a", "b"]).killed()] {
        let copy = folder.copied();
        let (starts, ..) = copy.records();
        Folder::flip(&copy.segment(), starts[0] + 130);
        fs::remove_dir_all(copy.layout().index()).unwrap();

        refusal(&copy);
    }
}

#[test]
fn a_relaxed_journal_that_is_shorter_after_a_power_cut_is_accepted_with_a_notice() {
    let folder = Folder::with(&["a", "b"]).powered_off();
    folder.edit_head(|head| head.durability = Durability::Relaxed);
    let (starts, end, _) = folder.records();
    Folder::overwrite(&folder.segment(), starts[1], &vec![0; end - starts[1]]);

    let rows = folder.open().unwrap();

    assert_eq!(keys(&rows), ["a"]);
    assert!(rows.notices().contains(&Notice::Shortened { through: 1 }));
}

/// Fills the folder with three or more segments, closes it cleanly, and returns their paths.
fn segments_with_an_end(folder: &Folder) -> Vec<std::path::PathBuf> {
    let rows = folder.open().unwrap();
    for at in 0..2300_u32 {
        rows.transact(|view| {
            view.put(0, at.to_be_bytes(), vec![7; 4000]);
            Ok::<_, std::io::Error>(())
        })
        .unwrap();
    }
    drop(rows);
    let segments = folder.layout().segments().unwrap();
    segments.into_iter().map(|(_, path)| path).collect()
}

/// Overwrites a segment with zeros from the middle of its last record on.
fn lose_the_end(segment: &std::path::Path) {
    let bytes = fs::read(segment).unwrap();
    let written = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    Folder::overwrite(segment, written - 1000, &[0; 1001]);
}

#[test]
fn a_lost_end_of_a_segment_is_detected_although_a_later_one_is_whole() {
    let folder = Folder::new();
    let segments = segments_with_an_end(&folder);
    assert!(3 <= segments.len());
    fs::remove_dir_all(folder.layout().index()).unwrap();
    lose_the_end(&segments[segments.len() - 2]);

    refusal(&folder);

    // A relaxed journal may have lost anything after a power cut.
    let folder = folder.powered_off();
    folder.edit_head(|head| head.durability = Durability::Relaxed);
    let rows = folder.open().unwrap();
    assert!(matches!(&rows.notices()[..], [Notice::Shortened { .. }, Notice::Rebuilt { .. }]));
    put(&rows, b"after", b"x");
}

#[test]
fn after_a_clean_stop_a_start_reads_only_the_last_segment_and_a_check_finds_damage_before_it() {
    let folder = Folder::new();
    let segments = segments_with_an_end(&folder);
    let earlier = &segments[segments.len() - 2];
    lose_the_end(earlier);

    let rows = folder.open().unwrap();

    assert_eq!(rows.wait_for_proof(), Proof::Matched);
    let check = rows.check(&mut |_| ()).unwrap();
    assert!(check.damaged.iter().any(|fault| fault.contains(&earlier.display().to_string())));
    assert!(check.healed);

    // After a kill the end of that segment may be lost, so it is read.
    drop(rows);
    let folder = Folder::new();
    let segments = segments_with_an_end(&folder);
    lose_the_end(&segments[segments.len() - 2]);
    refusal(&folder.killed());
}

#[test]
fn a_copy_that_lacks_the_end_of_a_segment_starts_with_one_later_segment_but_not_with_two() {
    for (lost, starts) in [(2, true), (3, false)] {
        let folder = Folder::new();
        let segments = segments_with_an_end(&folder);
        let folder = folder.killed();
        let copy = folder.copied();
        fs::remove_dir_all(copy.layout().index()).unwrap();
        let name = segments[segments.len() - lost].file_name().unwrap();
        lose_the_end(&copy.layout().journal().join(name));

        assert_eq!(copy.open().is_ok(), starts, "{lost}");
    }
}

#[test]
fn a_last_segment_without_a_header_is_damage_or_after_a_power_cut_of_a_relaxed_journal_a_loss() {
    let folder = Folder::new();
    let segments = segments_with_an_end(&folder);
    Folder::overwrite(segments.last().unwrap(), 0, &[0; 4096]);

    let message = refusal(&folder);
    assert!(message.contains(&segments.last().unwrap().display().to_string()), "{message}");

    let folder = folder.powered_off();
    folder.edit_head(|head| head.durability = Durability::Relaxed);
    assert!(folder.open().unwrap().has_loss().unwrap());
}

#[test]
fn a_missing_or_damaged_head_is_written_again_with_a_notice() {
    for damage in [None, Some(&b""[..]), Some(b"junk")] {
        let folder = Folder::with(&["a"]);
        fs::remove_file(folder.layout().head()).unwrap();
        if let Some(bytes) = damage {
            fs::write(folder.layout().head(), bytes).unwrap();
        }

        let rows = folder.open().unwrap();
        assert_eq!(
            (keys(&rows), rows.notices()),
            (vec!["a".to_owned()], vec![Notice::HeadMissing])
        );
        drop(rows);

        assert_eq!(folder.open().unwrap().notices(), []);
    }
}

#[test]
fn a_missing_index_is_rebuilt() {
    let folder = Folder::with(&["a", "b"]);
    fs::remove_dir_all(folder.layout().index()).unwrap();

    let rows = folder.open().unwrap();

    assert_eq!(keys(&rows), ["a", "b"]);
    assert!(matches!(&rows.notices()[..], [Notice::Rebuilt { aside: None, .. }]));
}

#[test]
fn an_index_that_cannot_be_opened_is_set_aside_and_the_newest_of_these_is_kept() {
    let folder = Folder::with(&["a", "b"]);
    for _ in 0..2 {
        let database = folder.layout().index().join("db");
        let len = fs::metadata(&database).unwrap().len();
        fs::write(folder.layout().index().join("conf"), "junk").unwrap();
        fs::write(database, vec![0x5a; usize::try_from(len).unwrap()]).unwrap();

        let rows = folder.open().unwrap();

        assert_eq!(keys(&rows), ["a", "b"]);
        let [Notice::Rebuilt { aside: Some(aside), .. }] = &rows.notices()[..] else {
            panic!("{:?}", rows.notices())
        };
        assert!(aside.is_dir());
    }
    let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let aside = names.filter(|name| name.to_string_lossy().starts_with("index.damaged-"));
    assert_eq!(aside.count(), 1);
}

#[test]
fn unfinished_files_of_sled_do_not_matter() {
    let folder = Folder::with(&["a", "b"]);
    fs::write(folder.layout().index().join("snap.00000000000A.generating"), "half").unwrap();
    for entry in fs::read_dir(folder.layout().index()).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with("snap.") {
            fs::write(path, "half").unwrap();
        }
    }

    assert_eq!(keys(&folder.open().unwrap()), ["a", "b"]);
}

#[test]
fn an_index_behind_the_journal_is_updated() {
    let folder = Folder::with(&["a"]);
    let old = Folder::new();
    super::support::copy_into(&folder.layout().index(), old.path());
    put(&folder.open().unwrap(), b"b", b"b");
    fs::remove_dir_all(folder.layout().index()).unwrap();
    super::support::copy_into(old.path(), &folder.layout().index());

    let rows = folder.open().unwrap();

    assert_eq!((keys(&rows), rows.notices()), (vec!["a".to_owned(), "b".to_owned()], Vec::new()));
}

#[test]
fn an_index_ahead_of_the_journal_in_the_same_boot_means_that_the_journal_lost_its_end() {
    let folder = Folder::with(&["a", "b"]).killed();
    let (starts, end, _) = folder.records();
    Folder::overwrite(&folder.segment(), starts[1], &vec![0; end - starts[1]]);
    let (_, _, position) = folder.records();
    folder.edit_head(|head| head.position = position);

    refusal(&folder);

    let copy = folder.copied();
    assert_eq!(keys(&copy.open().unwrap()), ["a"], "in a copy the index may be newer");
    let folder = folder.powered_off();
    assert_eq!(keys(&folder.open().unwrap()), ["a"], "the index may have reached the disk first");
}

#[test]
fn an_index_of_another_journal_is_not_used() {
    let (folder, other) = (Folder::with(&["a"]), Folder::with(&["z"]));
    fs::remove_dir_all(folder.layout().index()).unwrap();
    super::support::copy_into(&other.layout().index(), &folder.layout().index());

    assert_eq!(keys(&folder.open().unwrap()), ["a"]);
}

#[test]
fn an_index_with_wrong_rows_is_healed_before_the_first_write_and_stays_healed() {
    let folder = Folder::with(&["a", "b"]);
    folder.tamper_with_index(b"b", None);

    let rows = folder.open().unwrap();
    assert_eq!((keys(&rows), rows.proof()), (vec!["a".to_owned(), "b".to_owned()], Proof::Healed));
    assert_eq!(rows.notices(), [Notice::Healed]);
    put(&rows, b"c", b"c");
    drop(rows);

    let rows = folder.open().unwrap();
    assert_eq!((keys(&rows).len(), rows.proof()), (3, Proof::Matched));
    assert!(!folder.layout().healed_index().exists());
}

#[test]
fn a_refused_start_does_not_move_the_healed_index_or_the_one_set_aside() {
    let folder = Folder::with(&["a", "b"]);
    folder.tamper_with_index(b"b", None);
    drop(folder.open().unwrap());
    let aside = folder.path().join("index.damaged-7");
    fs::create_dir(&aside).unwrap();
    let (starts, end, _) = folder.records();
    let whole = fs::read(folder.segment()).unwrap();
    Folder::overwrite(&folder.segment(), starts[1], &vec![0; end - starts[1]]);

    refusal(&folder);

    assert!(folder.layout().healed_index().exists() && aside.exists());
    fs::write(folder.segment(), whole).unwrap();
    assert_eq!(folder.open().unwrap().proof(), Proof::Matched);
    assert!(!folder.layout().healed_index().exists() && !aside.exists());
}

#[test]
fn a_missing_journal_is_refused_unless_the_folder_is_new() {
    let folder = Folder::with(&["a"]);
    fs::remove_dir_all(folder.layout().journal()).unwrap();

    let error = Rows::open(&OpenOptions { is_new: false, ..folder.options() }).unwrap_err();

    assert!(matches!(error, OpenError::Missing { .. }), "{error}");
    assert!(error.to_string().contains("run `rows repair`"), "{error}");
}

#[test]
fn a_journal_under_another_key_is_refused() {
    let folder = Folder::with(&["a"]);
    let root = zeroize::Zeroizing::new([8; 32]);
    let key = std::sync::Arc::new(super::super::key::RowsKey::from_root(&root));

    let error = Rows::open(&OpenOptions { key, ..folder.options() }).unwrap_err();

    assert!(error.to_string().contains("run `rows repair`"), "{error}");
}

#[test]
fn attached_files_are_restored_after_a_power_cut_and_in_a_copy_but_not_after_a_restart() {
    let folder = Folder::with(&["a"]);
    let rows = folder.open().unwrap();
    rows.transact(|view| {
        view.put(0, b"m", b"m");
        view.attach(b"file", b"content");
        Ok::<_, std::io::Error>(())
    })
    .unwrap();
    rows.transact(|view| {
        view.remove(0, b"m");
        Ok::<_, std::io::Error>(())
    })
    .unwrap();
    drop(rows);
    let seen = RefCell::new(Vec::new());
    let restore = |op: &Op<'_>| {
        match *op {
            Op::Attachment { name, content } => {
                seen.borrow_mut().push((name.to_vec(), content.to_vec()));
            }
            Op::Remove { key, .. } => seen.borrow_mut().push((key.to_vec(), Vec::new())),
            Op::Put { .. } => {}
        }
        Ok(())
    };
    let open = |folder: &Folder| {
        drop(Rows::open(&OpenOptions { restore: Some(&restore), ..folder.options() }).unwrap());
        seen.take()
    };
    let all = [(b"file".to_vec(), b"content".to_vec()), (b"m".to_vec(), Vec::new())];

    assert_eq!(open(&folder), []);
    let folder = folder.powered_off();
    assert_eq!(open(&folder), all);
    assert_eq!(open(&folder), []);
    assert_eq!(open(&folder.copied()), all);
}

#[test]
fn unfinished_files_of_the_first_start_are_made_again() {
    let folder = Folder::new();
    fs::create_dir(folder.path().join("journal.new")).unwrap();
    fs::write(folder.path().join("journal.new/head"), "half").unwrap();

    put(&folder.open().unwrap(), b"a", b"a");

    assert_eq!(keys(&folder.open().unwrap()), ["a"]);
}
