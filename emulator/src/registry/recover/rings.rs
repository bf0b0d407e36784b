//! The rings that open sealed files: from the rows, and from the mirrors where the rows have none or an older one.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use azure_emulator_core::clock::Clock;

use super::recovered::Recovered;
use crate::keys::{KeyRing, RingConfig, VaultAccess};
use crate::names::RegistryName;
use crate::registry::blocking::blocking;
use crate::registry::error::Error;
use crate::registry::events::RegistrySink;
use crate::registry::manage::StoredRings;
use crate::registry::resources::{
    CurrentProfile, IdentityResource, Platform, Profile, RegistryVaults,
};
use crate::registry::service_key::service_key;
use crate::registry::{Events, audit};
use crate::store::{End, IdentityRow, NewRegistryRows, RegistryRecord, RingMirror, RingRow, Store};
use sealed_envelope::DataKeyId;

/// The rings of all registries, by the data keys in them.
pub(super) struct Rings {
    rings: Vec<OpenRing>,
    by_data_key: HashMap<DataKeyId, usize>,
}

/// The ring of one registry.
pub(super) struct OpenRing {
    registry: RegistryName,
    /// The error says why it could not be opened.
    ring: Result<KeyRing, String>,
}

impl OpenRing {
    pub(super) fn registry(&self) -> &RegistryName {
        &self.registry
    }

    pub(super) fn open(&self) -> Result<&KeyRing, &str> {
        self.ring.as_ref().map_err(String::as_str)
    }
}

impl Rings {
    /// Copies rings from the mirrors into the rows where the mirrors have more, and opens the rings that the files
    /// need.
    pub(super) async fn restore(
        store: &Arc<Store>,
        platform: &Arc<dyn Platform>,
        clock: &Clock,
        needed: HashSet<DataKeyId>,
        all_strict: bool,
        recovered: &mut Recovered,
    ) -> Result<Self, Error> {
        let tenant = platform.tenant().to_owned();
        let start = platform.start_identity().resource.clone();
        let (registries, notes, records) = blocking({
            let (store, needed) = (Arc::clone(store), needed.clone());
            move || from_mirrors(&store, &needed, &tenant, &start)
        })
        .await?;
        recovered.registries = registries;
        recovered.notes = notes;
        let mut rings = Self { rings: Vec::new(), by_data_key: HashMap::new() };
        let mut log: Option<Arc<audit::AuditLog>> = None;
        for (registry, record, ids) in records {
            if !ids.iter().any(|id| needed.contains(id)) {
                continue;
            }
            let log = match &log {
                Some(log) => Arc::clone(log),
                None => Arc::clone(log.insert(Arc::new(audit::AuditLog::open(store)?))),
            };
            let ring = open(store, platform, clock, record, all_strict, log).await;
            let place = rings.rings.len();
            rings.by_data_key.extend(ids.into_iter().map(|id| (id, place)));
            rings.rings.push(OpenRing { registry, ring: ring.map_err(|error| error.to_string()) });
        }
        Ok(rings)
    }

    /// The ring with this data key.
    pub(super) fn ring_with(&self, data_key: DataKeyId) -> Option<&OpenRing> {
        self.rings.get(*self.by_data_key.get(&data_key)?)
    }
}

/// Opens a ring for reading: it follows no newer version of its key.
async fn open(
    store: &Arc<Store>,
    platform: &Arc<dyn Platform>,
    clock: &Clock,
    record: RegistryRecord,
    all_strict: bool,
    audit: Arc<audit::AuditLog>,
) -> Result<KeyRing, Error> {
    let (name, profile) = Profile::from_record(record)?;
    let service_key = blocking({
        let store = Arc::clone(store);
        move || service_key(&store)
    })
    .await?;
    let config = RingConfig {
        registry: name.as_str().to_owned(),
        configured: profile.made_with.clone(),
        follows: false,
        ..RingConfig::default()
    };
    let access = config.configured.is_some().then(|| {
        let profile = CurrentProfile::new(profile);
        let platform = Arc::clone(platform);
        let vaults = RegistryVaults {
            registry: name.clone(),
            profile,
            platform,
            all_strict,
            clock: clock.clone(),
        };
        Arc::new(vaults) as Arc<dyn VaultAccess>
    });
    let registry = name.as_str().to_owned();
    let sink = Arc::new(RegistrySink { registry, audit, events: Events::default() });
    let rows = Arc::new(StoredRings::new(Arc::clone(store), &name, None));
    Ok(KeyRing::open(config, access, service_key, rows, sink, clock.clone()).await?)
}

/// The recovered registries, the notes for the user, and all registries with their data keys.
type Restored = (Vec<String>, Vec<String>, Vec<(RegistryName, RegistryRecord, Vec<DataKeyId>)>);

fn from_mirrors(
    store: &Store,
    needed: &HashSet<DataKeyId>,
    tenant: &str,
    start: &IdentityResource,
) -> Result<Restored, Error> {
    let (mut came_back, mut notes) = (Vec::new(), Vec::new());
    for mirror in store.ring_mirrors()? {
        match mirror {
            Ok(mirror) => {
                let Some(name) = name_of(&mirror) else {
                    notes.push(format!("the mirror of {:?} is not of a registry", mirror.registry));
                    continue;
                };
                if restore_ring(store, &name, &mirror, needed)? {
                    came_back.push(mirror.registry.clone());
                }
                if let Some(record) = &mirror.record {
                    restore_identities(store, record, tenant, start)?;
                } else if store.registry(&name)?.is_none() {
                    notes.push(format!(
                        "the mirror of {} does not describe the registry: its sealed files cannot be opened",
                        mirror.registry
                    ));
                }
            }
            Err(damaged) => notes.push(format!("a mirror of a ring is damaged: {damaged}")),
        }
    }
    let mut records = Vec::new();
    for record in store.registries()? {
        let name = match record.registry_name() {
            Ok(name) => name,
            Err(error) => {
                tracing::error!(%error, "cannot read the row of a registry; skipping it");
                continue;
            }
        };
        let ring = store.ring(&name)?;
        let ids = ring.map_or_else(Vec::new, |ring| ids(&ring).collect());
        records.push((name, record, ids));
    }
    Ok((came_back, notes, records))
}

/// The name of the registry of a mirror, if it is valid and the record has it too.
fn name_of(mirror: &RingMirror) -> Option<RegistryName> {
    let name = mirror.registry.parse::<RegistryName>().ok()?;
    let names = [Some(&mirror.registry), mirror.record.as_ref().map(|record| &record.name)];
    names.into_iter().flatten().all(|found| found == name.as_str()).then_some(name)
}

/// Copies a ring from the mirror into the rows, if they lack it. True: this recovered the registry.
fn restore_ring(
    store: &Store,
    name: &RegistryName,
    mirror: &RingMirror,
    needed: &HashSet<DataKeyId>,
) -> Result<bool, Error> {
    let stored = store.ring(name)?;
    let Some(ring) = &merged(stored.as_ref(), &mirror.rings, needed) else { return Ok(false) };
    match (stored, &mirror.record) {
        (Some(stored), _) => {
            store.replace_ring(name, Some(stored.generation), ring)?;
            Ok(false)
        }
        (None, Some(record)) if store.registry(name)?.is_none() => {
            // The logins are lost with the rows: it gets those of a new registry.
            let new = NewRegistryRows { record: record.clone(), access: None, end: End::Nothing };
            store.create_registry(&new, Some(ring))?;
            Ok(true)
        }
        (None, _) => {
            store.replace_ring(name, None, ring)?;
            Ok(false)
        }
    }
}

/// The ring with every data key that rows or files need. `None`: the stored ring has them all, and is the newest.
fn merged(
    stored: Option<&RingRow>,
    mirrored: &[RingRow],
    needed: &HashSet<DataKeyId>,
) -> Option<RingRow> {
    // Several rings: a change was interrupted, or rows were lost. The ring under which most files were sealed is
    // chosen.
    let wanted = |ring: &&RingRow| ids(ring).filter(|id| needed.contains(id)).count();
    let best = mirrored.iter().rev().max_by_key(wanted)?;
    // A registry that was created again after a loss of rows counts its rings from the beginning: its ring stays the
    // base.
    let base = stored.filter(|stored| best.generation <= stored.generation);
    let mut ring = base.unwrap_or(best).clone();
    let mut known: HashSet<DataKeyId> = ids(&ring).collect();
    // The restored rows may use a data key that only the stored ring has.
    let in_use = stored.into_iter().flat_map(|stored| &stored.entries);
    let in_files = mirrored.iter().flat_map(|ring| &ring.entries);
    let in_files = in_files.filter(|(id, _)| needed.contains(&DataKeyId::from_bytes(*id)));
    let lacking: Vec<_> = in_use
        .chain(in_files)
        .filter(|(id, _)| known.insert(DataKeyId::from_bytes(*id)))
        .cloned()
        .collect();
    if base.is_some() {
        if lacking.is_empty() {
            return None;
        }
        ring.generation += 1;
    }
    // The current data key is the last one.
    ring.entries.splice(0..0, lacking);
    Some(ring)
}

/// Restores the identities of a registry, which are resources whose rows may be lost too.
fn restore_identities(
    store: &Store,
    record: &RegistryRecord,
    tenant: &str,
    start: &IdentityResource,
) -> Result<(), Error> {
    for assigned in record.identities.values() {
        let Ok(resource) = assigned.resource_id.parse::<IdentityResource>() else { continue };
        if resource == *start {
            continue;
        }
        let row = IdentityRow {
            name: resource.name().to_owned(),
            group: resource.group().to_string(),
            location: record.row.location.clone(),
            created: record.row.created,
            tenant: tenant.to_owned(),
            principal: assigned.principal.clone(),
            tags: std::collections::BTreeMap::new(),
        };
        // An existing identity stays unchanged.
        store.create_identity(&row, &End::Nothing, None)?;
    }
    Ok(())
}

fn ids(ring: &RingRow) -> impl Iterator<Item = DataKeyId> {
    ring.entries.iter().map(|(id, _)| DataKeyId::from_bytes(*id))
}
