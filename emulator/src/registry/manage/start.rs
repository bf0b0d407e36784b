//! Opens the registries of a data folder at the start.

use std::sync::Arc;
use std::time::Duration;

use super::error::ManageError;
use super::new_registry::NewRegistry;
use super::opening::Opening;
use super::registries::{Common, Registries};
use crate::names::RegistryName;
use crate::registry::audit::AuditLog;
use crate::registry::blocking::blocking;
use crate::registry::content::sweep_after_start;
use crate::registry::intents::Intents;
use crate::registry::parts::Registry;
use crate::registry::resources::{AssignedIdentity, Identity, Location, Platform, Profile, Tags};
use crate::registry::settings::Settings;
use crate::store::{End, Store};

/// How long a change waits for the check of the stored rows once the registries are open. Clients then retry.
const PROOF_LIMIT: Duration = Duration::from_secs(5);

impl Registries {
    /// Opens all registries of a data folder. If `local` does not exist, it is created from the last argument.
    ///
    /// A registry whose vault does not answer opens dark. A registry that cannot be opened is logged and skipped,
    /// unless it is `local`; its name stays taken.
    pub async fn open(
        store: Arc<Store>,
        platform: Arc<dyn Platform>,
        settings: Settings,
        intents: Intents,
        local: NewRegistry,
    ) -> Result<Self, ManageError> {
        let audit = Arc::new(AuditLog::open(&store)?);
        let clock = intents.clock().clone();
        let (events, time) = (settings.events.clone(), clock.clone());
        let tell = move |notice: &_| events.noticed(time.now(), "registry", notice);
        store.listen_to_notices(Box::new(tell));
        let common = Common { store, audit, clock, settings, platform, intents };
        let registries = Self::new(common);
        registries.note_start_identity().await?;
        let store = Arc::clone(&registries.common().store);
        let records = blocking(move || store.registries()).await?;
        let mut has_local = false;
        for record in records {
            let (name, profile) = match Profile::from_record(record) {
                Ok(read) => read,
                Err(error) => {
                    tracing::error!(%error, "cannot read the row of a registry; skipping it");
                    continue;
                }
            };
            has_local |= name.is_local();
            match Registry::open(Opening::stored(registries.common(), name.clone(), profile)).await
            {
                Ok(registry) => registries.insert(registry),
                Err(error) if name.is_local() => return Err(error.into()),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(registry.name = %name, error, "cannot open a registry; skipping it");
                }
            }
        }
        if !has_local {
            registries.make_local(local).await?;
        }
        registries.ensure_groups().await?;
        registries.adopt_old_deletions().await?;
        let store = Arc::clone(&registries.common().store);
        store.set_proof_timeout(PROOF_LIMIT);
        tokio::spawn(sweep_after_start(store));
        Ok(registries)
    }

    /// The emulator itself creates `local` at a start, so no problem of the vault refuses it.
    async fn make_local(&self, local: NewRegistry) -> Result<(), ManageError> {
        let profile = self.profile_of(&local).await?;
        let store = Arc::clone(&self.common().store);
        // A data folder from before registries had rows has the ring already.
        let has_ring = {
            let store = Arc::clone(&store);
            blocking(move || store.ring(&RegistryName::local())).await?.is_some()
        };
        if has_ring {
            let record = profile.record(&local.name);
            blocking(move || store.create_registry(&record.into(), None)).await?;
        }
        let (key_identity, identity) = self.key_identity_of(&local, &profile)?;
        let opening = Opening {
            key_identity,
            is_new: !has_ring,
            ..Opening::stored(self.common(), local.name.clone(), profile)
        };
        let opened = Registry::open(opening).await;
        self.insert(opened.map_err(|error| self.opening_error(error, &local.name, &identity))?);
        Ok(())
    }

    /// Stores the start identity as a resource like the others.
    async fn note_start_identity(&self) -> Result<(), ManageError> {
        let AssignedIdentity { resource, principal } = self.platform().start_identity().clone();
        let known = self.identity(&resource).await.ok();
        if known.as_ref().is_some_and(|known| known.principal == principal) {
            return Ok(());
        }
        if let Some(known) = known {
            self.remove_identity_row(&known.resource, End::Nothing).await?;
        }
        let identity = Identity {
            resource,
            location: Location::default(),
            created: self.now(),
            tenant: self.platform().tenant().to_owned(),
            principal,
            tags: Tags::default(),
        };
        self.store_identity(&identity, End::Nothing, None).await.map(drop)
    }
}
