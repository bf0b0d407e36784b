//! Opens all parts of a data folder.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use time::OffsetDateTime;

use super::error::StartError;
use crate::audit::AuditLog;
use crate::folder::Folder;
use crate::model::names::VaultName;
use crate::model::permission::KeyPermission;
use crate::store::Store;
use crate::vault::Vaults;
use azure_emulator_core::changes::Changes;
use azure_emulator_core::clock::{Clock, SavedClock};
use azure_emulator_core::durable::Durability;
use azure_emulator_core::events::EventLog;
use azure_emulator_core::files::read_if_there;
use azure_emulator_core::identity::{Issuer, MANAGED_IDENTITY_OBJECT_ID, OWNER_OBJECT_ID, Secrets};
use azure_emulator_core::sealing::SealingKey;
use azure_emulator_core::tls::LocalAuthority;

/// The parts of an opened data folder.
pub(super) struct Opened {
    pub(super) folder: Folder,
    pub(super) vaults: Vaults,
    pub(super) issuer: Issuer,
    pub(super) audit: AuditLog,
    pub(super) authority: LocalAuthority,
    pub(super) clock: Clock,
    pub(super) clock_file: Option<PathBuf>,
    pub(super) changes: Changes,
}

/// Opens a data folder, or creates it. Blocks.
pub(super) fn open(
    data_dir: Option<&Path>,
    clock: Option<Clock>,
    durability: Durability,
    secrets: Secrets,
) -> Result<Opened, StartError> {
    let folder = data_dir.map_or_else(Folder::temporary, Folder::open)?;
    let (clock, clock_file) = match clock {
        Some(clock) => (clock, None),
        None => (own_clock(&folder)?, Some(folder.clock())),
    };
    // A new key in its place would seem to work until a client uses an existing key.
    if folder.has_rows() && !folder.sealing_key().exists() {
        return Err(StartError::NoSealingKey { file: folder.sealing_key() });
    }
    let sealing = Arc::new(SealingKey::open(&folder.sealing_key())?);
    let changes = Changes::default();
    // Finding primes takes by far the longest, so everything else runs in parallel.
    let (issuer, rest) = std::thread::scope(|scope| {
        let issuer =
            scope.spawn(|| Issuer::open(&folder.identity(), secrets, &sealing, &clock, &changes));
        let rest = open_beside(&folder, durability, &sealing, &clock, &changes);
        (issuer.join(), rest)
    });
    let issuer = issuer.map_err(|_| {
        StartError::CutShort("the thread that opens the issuer panicked".to_owned())
    })??;
    let (vaults, authority, audit) = rest?;
    folder.make_private()?;
    folder.disk_space().refill();
    Ok(Opened { folder, vaults, issuer, audit, authority, clock, clock_file, changes })
}

fn open_beside(
    folder: &Folder,
    durability: Durability,
    sealing: &Arc<SealingKey>,
    clock: &Clock,
    changes: &Changes,
) -> Result<(Vaults, LocalAuthority, AuditLog), StartError> {
    let events = EventLog::open(&folder.events(), Arc::clone(folder.disk_space()))?;
    let vaults = Vaults::open(
        Store::open(folder.path(), durability, Arc::clone(folder.disk_space()))?,
        Arc::clone(sealing),
        clock,
        events,
        OWNER_OBJECT_ID,
        changes,
    )?;
    vaults.ensure_vault(
        &VaultName::local(),
        &[
            (OWNER_OBJECT_ID, KeyPermission::ALL),
            (MANAGED_IDENTITY_OBJECT_ID, KeyPermission::FOR_ENCRYPTION),
        ],
    )?;
    let authority = LocalAuthority::open(&folder.tls(), clock)?;
    let audit = AuditLog::open(&folder.audit(), Arc::clone(folder.disk_space()))?;
    Ok((vaults, authority, audit))
}

fn own_clock(folder: &Folder) -> Result<Clock, StartError> {
    let clock = Clock::system();
    if let Some(text) = read_if_there(&folder.clock())? {
        let saved = std::str::from_utf8(&text).ok().and_then(parse_saved_clock);
        clock.restore(saved.ok_or_else(|| {
            let message = format!("{} is not a valid clock setting", folder.clock().display());
            io::Error::new(io::ErrorKind::InvalidData, message)
        })?);
    }
    Ok(clock)
}

/// Parses `OFFSET`, or `OFFSET FROZEN-AT`, both in seconds.
fn parse_saved_clock(text: &str) -> Option<SavedClock> {
    let mut fields = text.split_whitespace();
    let offset = time::Duration::seconds(fields.next()?.parse().ok()?);
    let frozen_at = match fields.next() {
        Some(at) => Some(OffsetDateTime::from_unix_timestamp(at.parse().ok()?).ok()?),
        None => None,
    };
    fields.next().is_none().then_some(SavedClock { offset, frozen_at })
}
