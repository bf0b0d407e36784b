//! The behaviour of every engine of rows. A second engine adds one call of [`conforms`] for itself.

use std::cell::Cell;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Barrier, mpsc};
use std::time::Duration;

use azure_emulator_core::disk_space::Purpose;
use azure_emulator_core::durable::{Durability, Notice};

use super::engine::ScannedRows;
use super::{RowEngine, RowView};
use crate::store::Store;
use crate::store::error::StoreError;
use crate::store::tables::Table;

/// Two trees that a new store leaves empty.
const TREE: u8 = Table::Groups as u8;
const OTHER: u8 = Table::GroupTags as u8;

#[test]
fn the_rows_of_a_data_folder_conform() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("data"), Durability::Full).unwrap();
    conforms(store.database.engine());
}

/// Tests an engine in which both trees are empty.
fn conforms(engine: &dyn RowEngine) {
    a_transaction_reads_its_own_changes_and_applies_all_of_them(engine);
    a_transaction_that_fails_changes_nothing(engine);
    rows_are_scanned_in_the_order_of_their_keys(engine);
    the_right_to_write_is_exclusive(engine);
    no_row_changes_while_the_rows_are_held_still(engine);
    rows_without_damage_are_proven_and_complete(engine);
    a_listener_gets_the_earlier_and_the_later_notices(engine);
    proven_rows_can_be_written_until_the_end(engine);
}

fn a_transaction_reads_its_own_changes_and_applies_all_of_them(engine: &dyn RowEngine) {
    let runs = Cell::new(0);
    let body = &mut |view: &dyn RowView| -> Result<(), StoreError> {
        runs.set(runs.get() + 1);
        assert!(!view.has(TREE, b"a")?, "a run sees changes of an earlier run");
        view.put(TREE, b"a".to_vec(), b"1".to_vec());
        assert_eq!(view.get(TREE, b"a")?.as_deref(), Some(&b"1"[..]));
        view.put(OTHER, b"b".to_vec(), b"2".to_vec());
        view.remove(TREE, b"absent".to_vec());
        Ok(())
    };
    engine.transact(Purpose::Rows, body).unwrap();
    engine.commit().unwrap();

    assert!(runs.get() > 0);
    assert_eq!(engine.get(TREE, b"a").unwrap().as_deref(), Some(&b"1"[..]));
    assert!(engine.has(OTHER, b"b").unwrap());
    assert!(!engine.has(TREE, b"b").unwrap());
    assert!(engine.get(TREE, b"absent").unwrap().is_none());
}

fn a_transaction_that_fails_changes_nothing(engine: &dyn RowEngine) {
    let failed = engine.transact(Purpose::Rows, &mut |view| {
        view.remove(TREE, b"a".to_vec());
        assert!(!view.has(TREE, b"a")?);
        view.put(TREE, b"c".to_vec(), Vec::new());
        Err(StoreError::UnknownUpload)
    });

    assert!(matches!(failed, Err(StoreError::UnknownUpload)));
    assert!(engine.has(TREE, b"a").unwrap());
    assert!(!engine.has(TREE, b"c").unwrap());
}

fn rows_are_scanned_in_the_order_of_their_keys(engine: &dyn RowEngine) {
    let keys: [&[u8]; 5] = [b"k", b"k\0", b"k\0a", b"k\xff", b"l"];
    let fill = &mut |view: &dyn RowView| -> Result<(), StoreError> {
        keys.iter().rev().for_each(|key| view.put(TREE, key.to_vec(), key.to_vec()));
        Ok(())
    };
    engine.transact(Purpose::Rows, fill).unwrap();
    let found = |rows: ScannedRows| -> Vec<Vec<u8>> {
        rows.map(|row| {
            let (key, value) = row.unwrap();
            assert_eq!(key[..], value[..]);
            key.to_vec()
        })
        .collect()
    };

    assert_eq!(found(engine.scan(TREE, b"k")), &keys[..4]);
    assert_eq!(found(engine.scan(TREE, b"k\0")), &keys[1..3]);
    let (from, to) = (Bound::Excluded(b"k".to_vec()), Bound::Excluded(b"l".to_vec()));
    assert_eq!(found(engine.range(TREE, from, to)), &keys[1..4]);
    assert_eq!(engine.scan(OTHER, b"k").count(), 0);
}

fn the_right_to_write_is_exclusive(engine: &dyn RowEngine) {
    let count = |view: &dyn RowView| -> Result<(), StoreError> {
        let old = view.get(OTHER, b"count")?.map_or(0, |row| row[0]);
        view.put(OTHER, b"count".to_vec(), vec![old + 1]);
        Ok(())
    };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..20 {
                    let writer = engine.writer().unwrap();
                    let before = engine.get(OTHER, b"count").unwrap().map_or(0, |row| row[0]);
                    writer.transact(Purpose::Rows, &mut |view| count(view)).unwrap();
                    let after = engine.get(OTHER, b"count").unwrap().map_or(0, |row| row[0]);
                    assert_eq!(after, before + 1);
                    drop(writer);
                    engine.transact(Purpose::Rows, &mut |view| count(view)).unwrap();
                }
            });
        }
    });

    assert_eq!(engine.get(OTHER, b"count").unwrap().as_deref(), Some(&[80][..]));
}

fn no_row_changes_while_the_rows_are_held_still(engine: &dyn RowEngine) {
    let (began, has_changed) = (Barrier::new(2), AtomicBool::new(false));
    let write = || {
        began.wait();
        let put = &mut |view: &dyn RowView| -> Result<(), StoreError> {
            view.put(OTHER, b"still".to_vec(), Vec::new());
            Ok(())
        };
        engine.transact(Purpose::Rows, put).unwrap();
        has_changed.store(true, Ordering::SeqCst);
    };
    std::thread::scope(|scope| {
        let still = engine.hold_still();
        scope.spawn(write);
        began.wait();
        for _ in 0..1000 {
            assert!(!engine.has(OTHER, b"still").unwrap());
            assert!(!has_changed.load(Ordering::SeqCst));
        }
        drop(still);
    });

    assert!(engine.has(OTHER, b"still").unwrap());
}

fn rows_without_damage_are_proven_and_complete(engine: &dyn RowEngine) {
    engine.set_proof_timeout(Duration::from_mins(1));
    assert!(engine.wait_for_proof() && engine.is_proven());
    assert!(engine.are_complete());
    assert!(!engine.has_loss().unwrap());
    engine.clear_loss().unwrap();
    engine.check_writable().unwrap();

    let check = engine.check().unwrap();

    assert!(check.index_is_right && check.damaged.is_empty(), "{check:?}");
}

fn a_listener_gets_the_earlier_and_the_later_notices(engine: &dyn RowEngine) {
    let notice = |files| Notice::Quarantined { files };
    let (sender, received) = mpsc::channel();
    engine.note(notice(1));

    engine.listen(Box::new(move |notice| sender.send(notice.clone()).unwrap()));
    engine.note(notice(2));

    assert_eq!(received.try_iter().collect::<Vec<_>>(), [notice(1), notice(2)]);
}

fn proven_rows_can_be_written_until_the_end(engine: &dyn RowEngine) {
    engine.stop_soon();

    let last = &mut |view: &dyn RowView| -> Result<(), StoreError> {
        view.put(TREE, b"last".to_vec(), Vec::new());
        Ok(())
    };
    engine.transact(Purpose::Rows, last).unwrap();

    assert!(engine.has(TREE, b"last").unwrap());
}
