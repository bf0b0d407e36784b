use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use fs_err as fs;

use super::*;

const MIB: u64 = 1 << 20;

/// A device with a full reserve, whatever the state of the real device.
fn opened() -> (tempfile::TempDir, DiskSpace) {
    let folder = tempfile::tempdir().unwrap();
    let disk_space = DiskSpace::open(folder.path());
    assert_eq!(disk_space.space().unwrap().reserved, RESERVED);
    (folder, disk_space)
}

fn kind(refused: io::Result<()>) -> Option<io::ErrorKind> {
    refused.err().map(|error| error.kind())
}

#[test]
fn a_small_device_keeps_less_free_than_a_large_one_but_never_less_than_two_segments() {
    let limits = |mebibytes: u64| {
        (FOR_CONTENT.scaled_to(mebibytes * MIB), FOR_ROWS.scaled_to(mebibytes * MIB))
    };

    assert_eq!(limits(1 << 20), (64 * MIB, 4 * MIB));
    assert_eq!(limits(64), (4 * MIB, 2 * MIB));
    assert_eq!(limits(4), (2 * MIB, MIB));
}

#[test]
fn content_is_refused_before_rows_are_and_rows_before_deletions() {
    let (_folder, disk_space) = opened();
    let decisions = |free| {
        use Purpose::{Audit, Content, Maintenance, Removal, Rows, SmallFile};
        disk_space.simulate_free(free);
        [Content, Rows, Removal, Maintenance, SmallFile, Audit]
            .map(|purpose| disk_space.spend(1, purpose).is_ok())
    };

    assert_eq!(decisions(Some(0)), [false, false, true, true, true, true]);
    // The reserve has released some of its bytes. They are free now, but not for rows.
    assert_eq!(decisions(Some(FOR_ROWS.bytes)), [false, false, true, true, true, true]);
    assert!(disk_space.is_low());
    assert!(decisions(Some(FOR_ROWS.bytes + RESERVED + 1))[1]);
    assert_eq!(decisions(Some(u64::MAX - 1)), [true; 6]);
    assert!(!disk_space.is_low());
}

#[test]
fn two_programs_start_at_the_same_time_only_if_each_can_fill_its_reserve_and_write_its_rows() {
    let (_folder, disk_space) = opened();
    let with = |free| {
        disk_space.simulate_free(Some(free));
        disk_space.has_space_for_two_starts().unwrap()
    };

    // Otherwise one start would count the space that the other releases from its reserve.
    assert!(!with(0));
    assert!(!with(FOR_REMOVAL));
    assert!(!with(2 * (RESERVED + FOR_REMOVAL) - 1));
    assert!(with(2 * (RESERVED + FOR_REMOVAL)));
}

#[test]
fn the_reserve_is_really_allocated_for_its_owner_only_and_the_same_after_a_restart() {
    let (folder, disk_space) = opened();
    drop(disk_space);

    let again = DiskSpace::open(folder.path());

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

    let disk_space = DiskSpace::open(folder.path());

    assert_eq!(disk_space.space().unwrap().reserved, RESERVED);
    assert!(sparse.metadata().unwrap().blocks() * 512 >= 3 * MIB);
}

#[test]
fn deletions_go_on_while_the_reserve_lasts_and_leave_the_reserve_of_the_audit_log() {
    let (_folder, disk_space) = opened();
    let mut deletions = 0;
    loop {
        // The deletion or another program uses the released bytes.
        disk_space.simulate_free(Some(0));
        match disk_space.spend(4096, Purpose::Removal) {
            Ok(()) => deletions += 1,
            Err(error) => break assert_eq!(error.kind(), io::ErrorKind::StorageFull),
        }
    }

    assert!(deletions > 0);
    for _ in 0..4 {
        disk_space.simulate_free(Some(0));
        disk_space.spend(1000, Purpose::Audit).unwrap();
    }
    disk_space.simulate(SimulatedDisk::UsedUp);
    assert_eq!(kind(disk_space.spend(1, Purpose::Audit)), Some(io::ErrorKind::StorageFull));
    assert_eq!(kind(disk_space.spend(1, Purpose::Maintenance)), Some(io::ErrorKind::StorageFull));
}

#[test]
fn a_small_file_fits_into_the_space_that_a_refilled_reserve_leaves_free() {
    let (_folder, disk_space) = opened();
    disk_space.simulate(SimulatedDisk::Full);
    disk_space.spend(0, Purpose::Maintenance).unwrap();
    disk_space.refill();
    let before = disk_space.space().unwrap().reserved;
    assert!(before < RESERVED);

    disk_space.spend(1000, Purpose::SmallFile).unwrap();

    assert!(before <= disk_space.space().unwrap().reserved);
}

#[test]
fn a_refused_deletion_takes_nothing_from_the_reserve() {
    let (_folder, disk_space) = opened();
    disk_space.simulate(SimulatedDisk::Full);

    disk_space.spend(100 * MIB, Purpose::Removal).unwrap_err();

    assert_eq!(disk_space.space().unwrap().reserved, RESERVED);
}

#[test]
fn the_reserve_is_refilled_without_a_restart_when_there_is_space() {
    let (_folder, disk_space) = opened();
    disk_space.simulate(SimulatedDisk::UsedUp);
    assert_eq!(disk_space.space().unwrap().reserved, 0);

    // This is less than must always stay free, so the reserve takes none of it.
    let free = LEFT_BY_RESERVE;
    disk_space.simulate_free(Some(free));
    disk_space.refill();
    assert_eq!(disk_space.space().unwrap(), Space { free, reserved: 0, reserve_size: RESERVED });
    disk_space.simulate_free(Some(2 * MIB + LEFT_BY_RESERVE));
    disk_space.refill();
    assert_eq!(disk_space.space().unwrap().reserved, 2 * MIB);
    disk_space.simulate(SimulatedDisk::Off);
    disk_space.spend(1, Purpose::Rows).unwrap();

    assert_eq!(disk_space.space().unwrap().reserved, RESERVED);
}

#[test]
fn a_folder_without_a_reserve_refuses_writes_without_space() {
    let folder = tempfile::tempdir().unwrap();
    let disk_space = DiskSpace::without_reserve(folder.path());

    disk_space.simulate(SimulatedDisk::Full);

    assert_eq!(kind(disk_space.spend(1, Purpose::Audit)), Some(io::ErrorKind::StorageFull));
    assert_eq!(kind(disk_space.spend(1, Purpose::Rows)), Some(io::ErrorKind::StorageFull));
}
