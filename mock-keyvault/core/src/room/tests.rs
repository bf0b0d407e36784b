use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use fs_err as fs;

use super::*;

const MIB: u64 = 1 << 20;

/// A room with a full reserve, whatever the state of the real device.
fn opened() -> (tempfile::TempDir, Room) {
    let folder = tempfile::tempdir().unwrap();
    let room = Room::open(folder.path());
    assert_eq!(room.space().unwrap().reserved, RESERVED);
    (folder, room)
}

fn kind(refused: io::Result<()>) -> Option<io::ErrorKind> {
    refused.err().map(|error| error.kind())
}

#[test]
fn a_small_device_keeps_less_free_than_a_large_one_but_never_less_than_two_segments() {
    let of = |mebibytes: u64| (FOR_CONTENT.of(mebibytes * MIB), FOR_ROWS.of(mebibytes * MIB));

    assert_eq!(of(1 << 20), (64 * MIB, 4 * MIB));
    assert_eq!(of(64), (4 * MIB, 2 * MIB));
    assert_eq!(of(4), (2 * MIB, MIB));
}

#[test]
fn content_is_refused_before_rows_are_and_rows_before_deletions() {
    let (_folder, room) = opened();
    let asked = |free| {
        use Purpose::{Audit, Content, Removal, Rows, SmallFile, Upkeep};
        room.pretend_free(free);
        [Content, Rows, Removal, Upkeep, SmallFile, Audit]
            .map(|purpose| room.spend(1, purpose).is_ok())
    };

    assert_eq!(asked(Some(0)), [false, false, true, true, true, true]);
    // The reserve has released some of its bytes. They are free now, but not for rows.
    assert_eq!(asked(Some(FOR_ROWS.bytes)), [false, false, true, true, true, true]);
    assert!(room.is_tight());
    assert!(asked(Some(FOR_ROWS.bytes + RESERVED + 1))[1]);
    assert_eq!(asked(Some(u64::MAX - 1)), [true; 6]);
    assert!(!room.is_tight());
}

#[test]
fn two_programs_start_at_the_same_time_only_if_each_can_fill_its_reserve_and_write_its_rows() {
    let (_folder, room) = opened();
    let with = |free| {
        room.pretend_free(Some(free));
        room.has_space_for_two_starts().unwrap()
    };

    // Otherwise one start would count the space that the other releases from its reserve.
    assert!(!with(0));
    assert!(!with(FOR_REMOVAL));
    assert!(!with(2 * (RESERVED + FOR_REMOVAL) - 1));
    assert!(with(2 * (RESERVED + FOR_REMOVAL)));
}

#[test]
fn the_reserve_is_really_allocated_for_its_owner_only_and_the_same_after_a_restart() {
    let (folder, room) = opened();
    drop(room);

    let again = Room::open(folder.path());

    assert_eq!(again.space().unwrap().reserved, RESERVED);
    let mut sum = 0;
    for name in [REMOVAL_FILE, AUDIT_FILE] {
        let found = fs::metadata(folder.path().join(name)).unwrap();
        assert_eq!(found.permissions().mode() & 0o777, 0o600);
        sum += found.blocks() * 512;
    }
    assert!(sum >= RESERVED, "{sum}");
}

#[test]
fn a_reserve_that_lost_its_blocks_in_a_copy_is_allocated_again() {
    let folder = tempfile::tempdir().unwrap();
    let sparse = fs::File::create(folder.path().join(REMOVAL_FILE)).unwrap();
    sparse.set_len(3 * MIB).unwrap();

    let room = Room::open(folder.path());

    assert_eq!(room.space().unwrap().reserved, RESERVED);
    assert!(sparse.metadata().unwrap().blocks() * 512 >= 3 * MIB);
}

#[test]
fn deletions_go_on_while_the_reserve_lasts_and_leave_the_reserve_of_the_audit_log() {
    let (_folder, room) = opened();
    let mut deletions = 0;
    loop {
        // The deletion or another program uses the released bytes.
        room.pretend_free(Some(0));
        match room.spend(4096, Purpose::Removal) {
            Ok(()) => deletions += 1,
            Err(error) => break assert_eq!(error.kind(), io::ErrorKind::StorageFull),
        }
    }

    assert!(deletions > 0);
    for _ in 0..4 {
        room.pretend_free(Some(0));
        room.spend(1000, Purpose::Audit).unwrap();
    }
    room.pretend(Pretended::UsedUp);
    assert_eq!(kind(room.spend(1, Purpose::Audit)), Some(io::ErrorKind::StorageFull));
    assert_eq!(kind(room.spend(1, Purpose::Upkeep)), Some(io::ErrorKind::StorageFull));
}

#[test]
fn a_small_file_fits_into_the_space_that_a_refilled_reserve_leaves_free() {
    let (_folder, room) = opened();
    room.pretend(Pretended::Full);
    room.spend(0, Purpose::Upkeep).unwrap();
    room.refill();
    let before = room.space().unwrap().reserved;
    assert!(before < RESERVED);

    room.spend(1000, Purpose::SmallFile).unwrap();

    assert!(before <= room.space().unwrap().reserved);
}

#[test]
fn a_refused_deletion_takes_nothing_from_the_reserve() {
    let (_folder, room) = opened();
    room.pretend(Pretended::Full);

    room.spend(100 * MIB, Purpose::Removal).unwrap_err();

    assert_eq!(room.space().unwrap().reserved, RESERVED);
}

#[test]
fn the_reserve_is_refilled_without_a_restart_when_there_is_space() {
    let (_folder, room) = opened();
    room.pretend(Pretended::UsedUp);
    assert_eq!(room.space().unwrap().reserved, 0);

    // This is less than must always stay free, so the reserve takes none of it.
    let free = LEFT_BY_RESERVE;
    room.pretend_free(Some(free));
    room.refill();
    assert_eq!(room.space().unwrap(), Space { free, reserved: 0, reserve_size: RESERVED });
    room.pretend_free(Some(2 * MIB + LEFT_BY_RESERVE));
    room.refill();
    assert_eq!(room.space().unwrap().reserved, 2 * MIB);
    room.pretend(Pretended::Nothing);
    room.spend(1, Purpose::Rows).unwrap();

    assert_eq!(room.space().unwrap().reserved, RESERVED);
}

#[test]
fn a_folder_without_a_reserve_refuses_writes_without_space() {
    let folder = tempfile::tempdir().unwrap();
    let room = Room::of(folder.path());

    room.pretend(Pretended::Full);

    assert_eq!(kind(room.spend(1, Purpose::Audit)), Some(io::ErrorKind::StorageFull));
    assert_eq!(kind(room.spend(1, Purpose::Rows)), Some(io::ErrorKind::StorageFull));
}
