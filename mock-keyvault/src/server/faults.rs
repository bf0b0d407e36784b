//! The handle's methods that make the vault fail: outages, a full disk, faults and throttling.

use super::handle::MockKeyVault;
use crate::throttle::Throttling;
use azure_emulator_core::disk_space::SimulatedDisk;
use azure_emulator_core::faults::{FaultError, FaultKind, FaultReport, FaultRule};

impl MockKeyVault {
    /// Starts or ends an outage, in which every vault answers 503: a fault called `outage`. The issuer keeps working.
    pub fn set_outage(&self, outage: bool) {
        self.set_outage_of("keys", "outage", outage);
    }

    /// Starts or ends an outage in which the issuer answers 503: a fault called `issuer-outage`. The vaults keep working.
    pub fn set_issuer_outage(&self, outage: bool) {
        self.set_outage_of("issuer", "issuer-outage", outage);
    }

    /// Starts or ends the simulation of a full disk. The vault answers a change with 507; deletions and uses of keys still work,
    /// because the reserve is there for them.
    pub fn set_disk_full(&self, full: bool) {
        self.set_disk(if full { SimulatedDisk::Full } else { SimulatedDisk::Off });
    }

    /// Simulates this state of the disk. With [`SimulatedDisk::UsedUp`] the vault refuses deletions and uses of keys as well.
    pub fn set_disk(&self, disk: SimulatedDisk) {
        self.app.folder.disk_space().simulate(disk);
    }

    /// Adds a fault, or replaces the fault with the same name. Returns the id with which it can be removed.
    pub fn add_fault(&self, rule: FaultRule) -> Result<String, FaultError> {
        self.app.faults.add(rule)
    }

    /// Removes a fault. Returns whether the fault existed.
    pub fn remove_fault(&self, id: &str) -> bool {
        self.app.faults.remove(id)
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.app.faults.clear();
    }

    /// The active faults.
    pub fn faults(&self) -> Vec<FaultReport> {
        self.app.faults.rules()
    }

    /// Sets the limits of each vault; `None`, which is the default, removes them.
    pub fn set_throttling(&self, limits: Option<Throttling>) {
        self.app.throttle.set(limits);
    }

    fn set_outage_of(&self, class: &str, name: &str, outage: bool) {
        if outage {
            let rule = FaultRule::new(class, FaultKind::Outage).named(name);
            if let Err(error) = self.app.faults.add(rule) {
                tracing::error!(%error, "cannot set an outage");
            }
        } else {
            self.app.faults.remove(name);
        }
    }
}
