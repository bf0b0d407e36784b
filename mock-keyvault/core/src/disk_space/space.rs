//! The free space of one data folder, and the limits for each purpose.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::purpose::Purpose;
use super::reserve::Reserve;

/// The file of the reserve for deletions and for a start, and the file of the reserve for the audit log.
const REMOVAL_FILE: &str = "reserve";
const AUDIT_FILE: &str = "reserve.audit";
/// Bytes of both reserves together, at most a quarter of a small device; a quarter of them is for the audit log.
const RESERVED: u64 = 4 << 20;
const RESERVED_SHARE: u64 = 4;
const AUDIT_SHARE: u64 = 4;

/// The space that new content must leave free.
const FOR_CONTENT: Limit = Limit { bytes: 64 << 20, share: 16, least: 2 << 20 };
/// The space that changes of rows must leave free: a few segments of sled's log, since sled does not recover from a write
/// that finds no space.
const FOR_ROWS: Limit = Limit { bytes: 4 << 20, share: 32, least: 1 << 20 };
/// The space that a deletion or a start must leave free: two segments of sled's log.
const FOR_REMOVAL: u64 = 1 << 20;
/// The space that a record of the audit log or a small file must leave free.
const FOR_FILE: u64 = 64 << 10;
/// The space for two starts at the same time: two full reserves, and the rows that each start writes.
const FOR_TWO_STARTS: u64 = 2 * (RESERVED + FOR_REMOVAL);
/// The space that the reserve leaves free when it grows outside of a write.
const LEFT_BY_RESERVE: u64 = 128 << 10;
/// A reserve shrinks by whole blocks of this size.
const STEP: u64 = 64 << 10;

/// A state of the device that a test simulates, since it cannot fill a real device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SimulatedDisk {
    /// No simulation: the device as it is.
    Off,
    /// A full device, with the reserve untouched.
    Full,
    /// A full device whose reserve is used up.
    UsedUp,
}

/// The bytes of a device and of the reserve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Bytes that are free.
    pub free: u64,
    /// Bytes that the reserve occupies.
    pub reserved: u64,
    /// Bytes that the reserve occupies when it is full.
    pub reserve_size: u64,
}

/// The device of one data folder, and the reserve in it.
#[derive(Debug)]
pub struct DiskSpace {
    folder: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    removal: Reserve,
    audit: Reserve,
    /// The bytes that are free, if a test simulates them.
    simulated: Option<u64>,
}

/// A limit of `bytes`, but at most one part in `share` of a small device, and never less than `least`.
struct Limit {
    bytes: u64,
    share: u64,
    least: u64,
}

impl DiskSpace {
    /// The device of this folder, without a reserve. The folder must exist when a method is called.
    pub fn without_reserve(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), state: Mutex::default() }
    }

    /// The device of this folder, with a reserve, which is created if it is missing. The caller holds the folder's lock.
    ///
    /// It is not an error if the reserve cannot be created: the program works without one, and logs a warning. Blocks.
    pub fn open(folder: &Path) -> Self {
        let disk_space = Self::without_reserve(folder);
        {
            let mut state = disk_space.lock();
            let total = state.measure(folder).map_or(u64::MAX, |(_, total)| total);
            let size = RESERVED.min(total / RESERVED_SHARE);
            let for_audit = size / AUDIT_SHARE;
            state.removal = Reserve::open(folder.join(REMOVAL_FILE), size - for_audit);
            state.audit = Reserve::open(folder.join(AUDIT_FILE), for_audit);
        }
        disk_space.refill();
        if let Ok(Space { reserved, reserve_size, .. }) = disk_space.space()
            && reserved < reserve_size
        {
            tracing::warn!(
                folder = %folder.display(),
                reserved,
                reserve_size,
                "the disk is nearly full: the reserve for deletions and for the audit log is not full"
            );
        }
        disk_space
    }

    /// Returns [`io::ErrorKind::StorageFull`] if there is too little space for so many bytes for this purpose. A caller asks
    /// before it changes anything, and then changes nothing. Blocks for a moment.
    pub fn spend(&self, bytes: u64, purpose: Purpose) -> io::Result<()> {
        let mut state = self.lock();
        let (free, total) = state.measure(&self.folder)?;
        let needed = bytes.saturating_add(match purpose {
            Purpose::Content => FOR_CONTENT.scaled_to(total),
            Purpose::Rows => FOR_ROWS.scaled_to(total),
            Purpose::Removal | Purpose::Maintenance => FOR_REMOVAL,
            Purpose::SmallFile | Purpose::Audit => FOR_FILE,
        });
        match purpose {
            Purpose::Content | Purpose::Rows => state.ensure(free, needed)?,
            Purpose::Removal | Purpose::Maintenance | Purpose::SmallFile => {
                state.release(free, needed, |state| &mut state.removal)?;
            }
            Purpose::Audit => state.release(free, needed, |state| &mut state.audit)?,
        }
        if state.missing() > 0 {
            let (free, _) = state.measure(&self.folder)?;
            state.grow(free.saturating_sub(needed));
        }
        Ok(())
    }

    /// Whether two programs can start on this device at the same time, each with a folder of its own. With less space, one
    /// start could use the space that the other has just measured or released from its reserve.
    pub fn has_space_for_two_starts(&self) -> io::Result<bool> {
        let state = self.lock();
        let (free, _) = state.measure(&self.folder)?;
        Ok(free >= FOR_TWO_STARTS)
    }

    /// Whether changes of rows are refused now.
    pub fn is_low(&self) -> bool {
        let state = self.lock();
        state
            .measure(&self.folder)
            .is_ok_and(|(free, total)| state.ensure(free, FOR_ROWS.scaled_to(total)).is_err())
    }

    /// Refills the reserve as far as there is space. Call it after a start and after a garbage collection, when no write is
    /// waiting. Blocks for a moment.
    pub fn refill(&self) {
        let mut state = self.lock();
        if state.missing() > 0
            && let Ok((free, _)) = state.measure(&self.folder)
        {
            state.grow(free.saturating_sub(LEFT_BY_RESERVE));
        }
    }

    /// The bytes that are free, and those of the reserve.
    pub fn space(&self) -> io::Result<Space> {
        let state = self.lock();
        let (free, _) = state.measure(&self.folder)?;
        Ok(Space {
            free,
            reserved: state.removal.len() + state.audit.len(),
            reserve_size: state.removal.size() + state.audit.size(),
        })
    }

    /// Simulates this state of the device from now on, for tests.
    pub fn simulate(&self, simulated: SimulatedDisk) {
        match simulated {
            SimulatedDisk::Off => self.simulate_free(None),
            SimulatedDisk::Full => self.simulate_free(Some(0)),
            SimulatedDisk::UsedUp => {
                self.simulate_free(Some(0));
                let mut state = self.lock();
                state.removal.empty();
                state.audit.empty();
            }
        }
    }

    /// Simulates that so many bytes are free from now on, for tests. `None` ends the simulation.
    pub fn simulate_free(&self, free: Option<u64>) {
        self.lock().simulated = free;
    }

    // No code panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for DiskSpace {
    fn drop(&mut self) {
        // Refill it before another program uses the space that this one released.
        self.refill();
    }
}

impl State {
    /// Bytes that are free for this program, and all bytes of the device.
    fn measure(&self, folder: &Path) -> io::Result<(u64, u64)> {
        let disk = rustix::fs::statvfs(folder)?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        let total = disk.f_blocks.saturating_mul(disk.f_frsize);
        Ok((self.simulated.unwrap_or(free), total))
    }

    /// Bytes that are missing from the reserves.
    fn missing(&self) -> u64 {
        self.removal.missing() + self.audit.missing()
    }

    /// Refuses if less is free than is needed. Bytes that are missing from the reserve do not count as free here.
    fn ensure(&self, free: u64, needed: u64) -> io::Result<()> {
        if free.saturating_sub(self.missing()) < needed {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    /// Shortens a reserve if less is free than is needed. Refuses if the reserve is too short.
    fn release(
        &mut self,
        free: u64,
        needed: u64,
        of: impl Fn(&mut Self) -> &mut Reserve,
    ) -> io::Result<()> {
        let lacking = needed.saturating_sub(free).next_multiple_of(STEP);
        if lacking == 0 {
            return Ok(());
        }
        let released = of(self).shrink(lacking)?;
        self.simulated = self.simulated.map(|free| free.saturating_add(released));
        Ok(())
    }

    /// Refills the reserves by at most so many bytes in total. The reserve of the audit log comes first.
    fn grow(&mut self, most: u64) {
        let mut left = most;
        for reserve in [&mut self.audit, &mut self.removal] {
            left -= reserve.grow(left);
        }
        self.simulated = self.simulated.map(|free| free.saturating_sub(most - left));
    }
}

impl Limit {
    fn scaled_to(&self, total: u64) -> u64 {
        self.bytes.min((total / self.share).max(self.least))
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
