//! Reads and writes the mirrors in the data folder.

use std::io;
use std::path::{Path, PathBuf};

use azure_emulator_core::disk_calls as fs;
use azure_emulator_core::disk_space::Purpose;
use azure_emulator_core::durable::{Durability, sync_dir};

use super::format::RingMirror;
use crate::names::RegistryName;
use crate::store::database::Writer;
use crate::store::disk::make_dir;
use crate::store::disk::{remove_if_there, replace_file};
use crate::store::encoding::{key, last_part, registry_or_skip};
use crate::store::error::StoreError;
use crate::store::handle::Store;
use crate::store::layout::Layout;
use crate::store::registry_rows::RegistryRecord;
use crate::store::rows::RingRow;
use crate::store::tables::Table;

/// The longest mirror that is read, in bytes. A ring of ten thousand data keys stays far below.
const MAX_LEN: u64 = 64 << 20;

/// A mirror that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct DamagedMirror {
    /// The file.
    pub path: PathBuf,
    /// The reason why it cannot be read.
    pub reason: String,
}

impl Store {
    /// The mirrors in the data folder, in the order of their files. A damaged mirror is an error with its path.
    pub fn ring_mirrors(&self) -> Result<Vec<Result<RingMirror, DamagedMirror>>, StoreError> {
        Ok(self.mirror_paths()?.iter().map(|path| read(path)).collect())
    }

    /// Writes missing mirrors, as in a folder of an older version. Existing mirrors stay as they
    /// are, since the rows may be damaged. Waits for the check of the rows if a mirror is missing, and writes nothing if the
    /// rows are damaged.
    pub fn mirror_missing_rings(&self) -> Result<(), StoreError> {
        if !self.lacks_a_mirror()? || !self.database.integrity().wait_for_proof() {
            return Ok(());
        }
        let writer = self.database.writer()?;
        self.mirror(&writer, |path, _| Ok(path.try_exists()?))
    }

    /// Makes the mirrors agree with the rows. Waits for the check of the rows. Does nothing unless [`Store::is_whole`]:
    /// otherwise a good mirror could be replaced by a damaged ring, or removed although its registry was lost.
    pub fn mirror_rings(&self) -> Result<(), StoreError> {
        self.database.integrity().wait_for_proof();
        if !self.is_whole()? {
            return Ok(());
        }
        let writer = self.database.writer()?;
        for path in self.mirror_paths()? {
            let registry = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            // Left by a registry whose creation failed.
            if !self.database.has(Table::Rings, &key(&[&registry]))? {
                remove_if_there(&path)?;
            }
        }
        self.mirror(&writer, |path, mirror| Ok(read(path).is_ok_and(|found| found == *mirror)))
    }

    /// Rebuilds damaged mirrors, which a later repair would need. The damaged file stays in the same folder,
    /// with `.damaged` after its name. Call it when the rows are checked, even if some were lost: the mirrors that
    /// are intact stay as they are. An error of the disk is no damage.
    pub(in crate::store) fn replace_damaged_mirrors(&self) -> Result<(), StoreError> {
        let writer = self.database.writer()?;
        self.mirror(&writer, |path, _| {
            let bytes = match fs::read(path) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                Err(error) => return Err(error.into()),
            };
            if RingMirror::decode(&bytes).is_ok() {
                return Ok(true);
            }
            let mut aside = path.as_os_str().to_owned();
            aside.push(".damaged");
            fs::rename(path, PathBuf::from(aside))?;
            Ok(false)
        })
    }

    fn lacks_a_mirror(&self) -> Result<bool, StoreError> {
        for registry in self.registries_with_ring() {
            if !self.layout.ring(registry?.as_str()).try_exists()? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn registries_with_ring(
        &self,
    ) -> impl Iterator<Item = Result<RegistryName, StoreError>> + use<> {
        let rows = self.database.scan(Table::Rings, &[]).map(|row| Ok(last_part(&row?.0)));
        let names = rows.map(|row| row.map(|read| registry_or_skip(Table::Rings, read)));
        names.filter_map(Result::transpose)
    }

    fn mirror(
        &self,
        writer: &Writer<'_>,
        stands: impl Fn(&Path, &RingMirror) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        for registry in self.registries_with_ring() {
            let registry = registry?;
            let Some(ring) = self.read_ring(&registry, writer)? else { continue };
            let mirror = self.mirror_of(&registry, vec![ring])?;
            if !stands(&self.layout.ring(registry.as_str()), &mirror)? {
                self.write_mirror(&mirror, Purpose::Maintenance)?;
            }
        }
        Ok(())
    }

    /// Keeps a new ring with the ring that it replaces. Call it before the commit of the new ring.
    pub(in crate::store) fn mirror_new_ring(
        &self,
        _writer: &Writer<'_>,
        registry: &RegistryName,
        new: &RingRow,
        old: Option<RingRow>,
        purpose: Purpose,
    ) -> Result<(), StoreError> {
        let rings = [Some(new.clone()), old].into_iter().flatten().collect();
        self.write_mirror(&self.mirror_of(registry, rings)?, purpose)
    }

    /// Updates the properties of a registry. Call it before their commit. `ring` is its current ring.
    pub(in crate::store) fn mirror_record(
        &self,
        _writer: &Writer<'_>,
        record: &RegistryRecord,
        ring: Option<RingRow>,
        purpose: Purpose,
    ) -> Result<(), StoreError> {
        let Some(ring) = ring else { return Ok(()) };
        let (registry, record) = (record.name.clone(), Some(record.clone()));
        self.write_mirror(&RingMirror { registry, record, rings: vec![ring] }, purpose)
    }

    /// Removes the old ring from the mirror, unless there is a newer one. Call it after the commit of a new ring.
    /// A failure is harmless, so it is only logged.
    pub(in crate::store) fn trim_mirror(&self, registry: &RegistryName, generation: u64) {
        let trim = || {
            let writer = self.database.writer()?;
            match self.read_ring(registry, &writer)? {
                Some(ring) if ring.generation == generation => {
                    self.write_mirror(&self.mirror_of(registry, vec![ring])?, Purpose::Maintenance)
                }
                _ => Ok(()),
            }
        };
        if let Err(error) = trim() {
            tracing::warn!(registry.name = registry.as_str(), %error, "the mirror keeps a ring that was replaced");
        }
    }

    /// Removes the mirror. Call it before the last record of a leaving registry is removed. Unless [`Store::is_whole`] the mirror
    /// stays: the record may come from rows that are older than the registry. [`Store::mirror_rings`] removes it at a later start.
    pub(in crate::store) fn remove_mirror(
        &self,
        registry: &RegistryName,
    ) -> Result<(), StoreError> {
        if !self.is_whole()? {
            return Ok(());
        }
        Ok(remove_if_there(&self.layout.ring(registry.as_str()))?)
    }

    fn mirror_paths(&self) -> Result<Vec<PathBuf>, StoreError> {
        let entries = match fs::read_dir(self.layout.rings()) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let paths: Result<Vec<PathBuf>, _> =
            entries.map(|entry| Ok::<_, io::Error>(entry?.path())).collect();
        let mut paths = paths?;
        paths.retain(|path| path.extension().is_some_and(|extension| extension == Layout::RING));
        paths.sort();
        Ok(paths)
    }

    fn mirror_of(
        &self,
        registry: &RegistryName,
        rings: Vec<RingRow>,
    ) -> Result<RingMirror, StoreError> {
        Ok(RingMirror { registry: registry.to_string(), record: self.registry(registry)?, rings })
    }

    /// `purpose` decides whether the file may use the reserve, as for the rows that are committed after it.
    fn write_mirror(&self, mirror: &RingMirror, purpose: Purpose) -> Result<(), StoreError> {
        // A ring of damaged rows must not replace a good mirror.
        self.database.integrity().check_writable()?;
        let path = self.layout.ring(&mirror.registry);
        let mut mirror = mirror.clone();
        if !self.is_whole()?
            && let Ok(found) = read(&path)
        {
            mirror.keep_data_keys_of(found);
        }
        // Made with the first mirror.
        if make_dir(&self.layout.rings())? && self.durability == Durability::Full {
            sync_dir(self.layout.root())?;
        }
        let bytes = mirror.encode()?;
        // Before the file: on a full disk this releases the reserve.
        self.disk_space().spend(bytes.len() as u64, purpose)?;
        replace_file(&path, &bytes, self.durability)
    }
}

fn read(path: &Path) -> Result<RingMirror, DamagedMirror> {
    let read = || -> Result<RingMirror, String> {
        let len = fs::metadata(path).map_err(|error| error.to_string())?.len();
        if MAX_LEN < len {
            return Err(format!("it is longer than {MAX_LEN} bytes"));
        }
        let bytes = fs::read(path).map_err(|error| error.to_string())?;
        let mirror = RingMirror::decode(&bytes)?;
        let named = path.file_stem().and_then(|stem| stem.to_str());
        if named == Some(&mirror.registry) {
            Ok(mirror)
        } else {
            Err(format!("it is the mirror of the registry {}", mirror.registry))
        }
    };
    read().map_err(|reason| DamagedMirror { path: path.to_owned(), reason })
}
