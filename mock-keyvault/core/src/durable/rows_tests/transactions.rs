//! Transactions and commits.

use std::io;
use std::ops::Bound;
use std::path::Path;
use std::thread;

use super::super::testing::options;
use super::super::transaction::after_prefix;
use super::super::{OpenError, Rows};
use crate::disk_space::SimulatedDisk;

fn open(folder: &Path) -> Result<Rows, OpenError> {
    Rows::open(&options(folder))
}

fn put(rows: &Rows, key: &[u8]) -> io::Result<()> {
    rows.transact(|view| {
        view.put(0, key, b"x");
        Ok(())
    })
}

fn keys(rows: &Rows, tree: u8) -> Vec<Vec<u8>> {
    rows.scan_prefix(tree, b"").map(|row| row.unwrap().0.to_vec()).collect()
}

#[test]
fn committed_rows_are_there_when_the_rows_are_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let rows = open(folder.path()).unwrap();
    put(&rows, b"k").unwrap();
    rows.commit().unwrap();
    drop(rows);

    let rows = open(folder.path()).unwrap();

    assert_eq!(&*rows.get(0, b"k").unwrap().unwrap(), b"x");
}

#[test]
fn commits_from_many_threads_all_return() {
    let folder = tempfile::tempdir().unwrap();
    let rows = open(folder.path()).unwrap();

    thread::scope(|scope| {
        for i in 0..8_u8 {
            let rows = &rows;
            scope.spawn(move || {
                put(rows, &[i]).unwrap();
                rows.commit().unwrap();
            });
        }
    });

    assert_eq!(keys(&rows, 0).len(), 8);
}

#[test]
fn open_rows_cannot_be_opened_a_second_time() {
    let folder = tempfile::tempdir().unwrap();
    let _open = open(folder.path()).unwrap();

    assert!(open(folder.path()).is_err());
}

#[test]
fn a_change_without_enough_space_has_no_effect_and_succeeds_when_there_is_space() {
    let folder = tempfile::tempdir().unwrap();
    let rows = open(folder.path()).unwrap();

    rows.disk_space().simulate(SimulatedDisk::Full);
    let refused = put(&rows, b"k").unwrap_err();
    let before = keys(&rows, 0).len();
    rows.disk_space().simulate(SimulatedDisk::Off);
    put(&rows, b"k").unwrap();

    assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
    assert_eq!((before, keys(&rows, 0).len()), (0, 1));
}

#[test]
fn a_transaction_sees_its_own_changes_and_no_other_reader_does_before_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let rows = open(folder.path()).unwrap();
    put(&rows, b"p1").unwrap();
    put(&rows, b"p3").unwrap();

    rows.transact(|view| {
        view.put(0, b"p2", b"new");
        view.remove(0, b"p1");
        assert_eq!(&*view.get(0, b"p2")?.unwrap(), b"new");
        assert!(!view.has(0, b"p1")? && view.has(0, b"p3")?);
        assert_eq!(view.keys(0, b"p")?, [b"p2", b"p3"]);
        assert_eq!(keys(&rows, 0), [b"p1", b"p3"]);
        Ok::<_, io::Error>(())
    })
    .unwrap();

    assert_eq!(keys(&rows, 0), [b"p2", b"p3"]);
}

#[test]
fn a_transaction_that_fails_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let rows = open(folder.path()).unwrap();

    let failed = rows.transact(|view| {
        view.put(0, b"k", b"x");
        view.put(1, b"k", b"x");
        Err::<(), _>(io::Error::other("no"))
    });

    assert!(failed.is_err());
    assert!(keys(&rows, 0).is_empty() && keys(&rows, 1).is_empty());
}

#[test]
fn a_prefix_ends_before_the_next_key_that_does_not_begin_with_it() {
    let end = |prefix: &[u8]| after_prefix(prefix).1;

    assert_eq!(end(b"a\0"), Bound::Excluded(b"a\x01".to_vec()));
    assert_eq!(end(b"a\xff"), Bound::Excluded(b"b".to_vec()));
    assert_eq!(end(b"\xff\xff"), Bound::Unbounded);
    assert_eq!(end(b""), Bound::Unbounded);
}
