//! Readers, writers and checkpoints at the same time, and copies of the folder that are made meanwhile.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::support::{Folder, all, put};

/// Each writer increments a counter in its own row and a common counter.
const WRITERS: u8 = 3;
const COPIES: usize = 6;

#[test]
fn copies_that_are_made_under_load_contain_whole_changes_and_all_earlier_commits() {
    let folder = Folder::new();
    let rows = folder.open().unwrap();
    put(&rows, b"sum", &0_u32.to_be_bytes());
    let (ended, committed) = (AtomicBool::new(false), AtomicU32::new(0));

    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (rows, ended, committed) = (&rows, &ended, &committed);
            scope.spawn(move || {
                let mut own = 0_u32;
                while !ended.load(Ordering::Relaxed) {
                    own += 1;
                    rows.transact(|view| {
                        let sum = u32::from_be_bytes(
                            (*view.get(0, b"sum")?.unwrap()).try_into().unwrap(),
                        );
                        view.put(0, b"sum", (sum + 1).to_be_bytes());
                        view.put(0, [b'w', writer], own.to_be_bytes());
                        view.put(1, [writer], vec![writer; 3000]);
                        view.put(1, [writer, own.to_be_bytes()[3]], own.to_be_bytes());
                        Ok::<_, std::io::Error>(())
                    })
                    .unwrap();
                    rows.commit().unwrap();
                    committed.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        let (rows, ended) = (&rows, &ended);
        scope.spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                let found = all(rows);
                assert!(!found.is_empty());
            }
        });
        for _ in 0..COPIES {
            let before = committed.load(Ordering::SeqCst);
            let copy = folder.copied();
            check(&copy, before);
        }
        ended.store(true, Ordering::Relaxed);
    });

    let through = committed.load(Ordering::SeqCst);
    drop(rows);
    check(&folder, through);
}

/// Asserts that the sum of the writers' counters is the common counter.
fn check(folder: &Folder, at_least: u32) {
    let rows = folder.open().unwrap();
    let count = |key: &[u8]| {
        let row = rows.get(0, key).unwrap();
        row.map_or(0, |row| u32::from_be_bytes((*row).try_into().unwrap()))
    };
    let sum = count(b"sum");
    let own: u32 = (0..WRITERS).map(|writer| count(&[b'w', writer])).sum();
    assert_eq!(sum, own);
    assert!(at_least <= sum, "{at_least} were committed, {sum} are there: {:?}", rows.notices());
    assert!(rows.wait_for_proof().is_complete());
}
