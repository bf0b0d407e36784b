//! Repairs of folders that a start refuses, and starts after a repair.

use fs_err as fs;

use super::super::repair::{Repair, Survey, WorkFolder};
use super::super::testing::{TREES, key};
use super::super::{Notice, OpenError, OpenOptions, Rows};
use super::support::{Folder, keys, put};

/// Opens existing rows, even if their journal is missing.
fn open(folder: &Folder) -> Result<Rows, OpenError> {
    Rows::open(&OpenOptions { is_new: false, ..folder.options() })
}

fn examine(folder: &Folder) -> Repair {
    Repair::examine(folder.path(), TREES, key()).unwrap()
}

/// Removes the records after the first one from the journal, like a disk that lost writes.
fn lose_end(folder: &Folder) {
    let (starts, end, _) = folder.records();
    Folder::overwrite(&folder.segment(), starts[1], &vec![0; end - starts[1]]);
}

#[test]
fn a_repair_finds_all_damage_that_a_start_refuses_and_the_next_start_works() {
    type Damage = (&'static str, fn(&Folder), &'static [&'static str]);
    let damages: [Damage; 7] = [
        (
            "a segment is truncated after its records",
            |folder| {
                let (_, end, _) = folder.records();
                let file = fs::OpenOptions::new().write(true).open(folder.segment()).unwrap();
                file.set_len(end as u64 + 77).unwrap();
            },
            &["a", "b", "c"],
        ),
        (
            "a segment is truncated within a record",
            |folder| {
                let (starts, _, _) = folder.records();
                let file = fs::OpenOptions::new().write(true).open(folder.segment()).unwrap();
                file.set_len(starts[2] as u64 + 7).unwrap();
            },
            &["a", "b", "c"],
        ),
        (
            "a segment is empty",
            |folder| {
                fs::write(folder.segment(), "").unwrap();
            },
            &["a", "b", "c"],
        ),
        (
            "the journal is missing",
            |folder| {
                fs::remove_dir_all(folder.layout().journal()).unwrap();
            },
            &["a", "b", "c"],
        ),
        ("the end is lost", lose_end, &["a", "b", "c"]),
        (
            "the end is lost, and the index does not add up",
            |folder| {
                lose_end(folder);
                folder.tamper_with_index(b"d", Some(b"d"));
            },
            &["a"],
        ),
        (
            "the end and the head are lost, and the index does not add up",
            |folder| {
                lose_end(folder);
                fs::remove_file(folder.layout().head()).unwrap();
                folder.tamper_with_index(b"d", Some(b"d"));
            },
            &["a"],
        ),
    ];
    for (description, damage, restored) in damages {
        let folder = Folder::with(&["a", "b", "c"]);
        damage(&folder);
        let refused = open(&folder);
        assert!(
            matches!(refused, Err(error) if !matches!(error, OpenError::Io(_))),
            "{description}"
        );

        let repair = examine(&folder);

        assert!(repair.is_needed(), "{description}");
        assert_eq!(repair.survey().loses_something(), restored.len() < 3, "{description}");
        repair.apply("damaged-1", &[]).unwrap();
        assert_eq!(keys(&folder.open().unwrap()), restored, "{description}");
    }
}

#[test]
fn a_repair_keeps_the_mark_of_a_loss_until_that_is_settled_even_if_it_loses_nothing_itself() {
    for damage in [lose_end as fn(&Folder), |folder| fs::remove_file(folder.segment()).unwrap()] {
        let folder = Folder::with(&["a", "b"]);
        fs::write(folder.layout().loss(), "").unwrap();
        damage(&folder);

        examine(&folder).apply("damaged-1", &[]).unwrap();
        assert!(folder.layout().loss().exists());
        let rows = open(&folder).unwrap();
        assert!(rows.has_loss().unwrap() && !rows.are_complete());
        drop(rows);
        let rows = open(&folder).unwrap();
        assert!(rows.has_loss().unwrap(), "a start settles nothing by itself");
        // It writes no new journal if the rows are undamaged.
        rows.clear_loss().unwrap();
        drop(rows);
        assert!(!examine(&folder).is_needed());

        assert!(open(&folder).unwrap().are_complete());
    }
}

#[test]
fn an_index_with_a_damaged_snapshot_or_settings_still_restores_rows_that_the_journal_lacks() {
    for damaged in ["snap.FFFFFFFFFFFFFFFF", "conf"] {
        let folder = Folder::with(&["a", "b", "c"]);
        fs::remove_file(folder.segment()).unwrap();
        let bytes = "these bytes are from another file";
        fs::write(folder.layout().index().join(damaged), bytes).unwrap();

        let repair = examine(&folder);

        assert!(!repair.survey().loses_something(), "{damaged}: {:?}", repair.index());
        repair.apply("damaged-1", &[]).unwrap();
        assert_eq!(keys(&open(&folder).unwrap()), ["a", "b", "c"]);
    }
}

#[test]
fn a_start_after_an_interrupted_repair_finishes_it_and_names_the_lost_rows() {
    let folder = Folder::with(&["a", "b", "c"]);
    lose_end(&folder);
    let work = WorkFolder::new(folder.path());
    let (position, lost) = (examine(&folder).survey().position, ["the row b".to_owned()]);
    work.begin().unwrap();
    let survey = Survey::read(&key(), folder.layout().journal(), None, None);
    let (new, _) = survey.unwrap().write(&key(), &work.journal()).unwrap();
    assert!(new.generation <= position.generation);
    work.note(new.epoch, "damaged-1", &lost).unwrap();
    fs::rename(folder.layout().journal(), work.path().join("journal.old")).unwrap();

    let rows = open(&folder).unwrap();

    let kept = folder.path().join("damaged-1");
    let notice = Notice::RepairFinished { kept: kept.clone(), lost: lost.to_vec() };
    assert!(rows.notices().contains(&notice), "{:?}", rows.notices());
    assert!(notice.to_string().ends_with("lists what is lost: the row b"), "{notice}");
    assert_eq!(keys(&rows), ["a"]);
    assert!(kept.join("journal").exists() && !work.path().exists());
    drop(rows);
    let repair = examine(&folder);
    assert!(!repair.is_needed() && repair.finished().is_none());
    assert_eq!(repair.earlier()[0].lost, lost);
}

#[test]
fn a_start_after_a_repair_that_was_interrupted_before_its_switch_removes_its_work() {
    let folder = Folder::with(&["a"]);
    let work = WorkFolder::new(folder.path());
    work.begin().unwrap();
    fs::write(work.path().join("index.rows"), "half").unwrap();

    let rows = folder.open().unwrap();
    put(&rows, b"b", b"b");

    assert_eq!((keys(&rows).len(), rows.notices()), (2, Vec::new()));
    assert!(!work.path().exists());
}

#[test]
fn a_start_removes_unfinished_files_but_keeps_removed_segments_until_the_loss_is_settled() {
    let folder = Folder::with(&["a"]).powered_off();
    let (_, end, _) = folder.records();
    // A loss leaves a removed part of the journal.
    Folder::overwrite(&folder.segment(), end + 512, &[7; 100]);
    let journal = folder.layout().journal().to_owned();
    drop(open(&folder).unwrap());
    for unfinished in ["journal.new", "rows.reading"] {
        fs::create_dir(folder.path().join(unfinished)).unwrap();
        fs::write(folder.path().join(unfinished).join("db"), "half").unwrap();
    }
    for unfinished in [".tmpA1b2C3", "spare.new", "0000000000000001.checkpoint.new"] {
        fs::write(journal.join(unfinished), "half").unwrap();
    }
    let names = |folder: &std::path::Path| -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
        let mut names: Vec<String> = entries.map(|entry| name(entry.unwrap())).collect();
        names.sort();
        names
    };

    let rows = open(&folder).unwrap();

    assert_eq!(names(folder.path()), ["index", "journal"]);
    let segment = "0000000000000001.segment";
    let cut = format!("{segment}.cut");
    assert_eq!(names(&journal), [segment, &cut, "head", "loss"]);
    rows.clear_loss().unwrap();
    drop(rows);
    drop(open(&folder).unwrap());
    assert_eq!(names(&journal), [segment, "head"]);
}
