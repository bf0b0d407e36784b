//! Opens a registry: its ring, its state in memory, and its work in the background.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio_util::sync::CancellationToken;

use super::cmk::{StoredRings, drop_plaintext_on_refusal};
use super::registries::Common;
use crate::keys::{IdentityId, KeyRing, RingConfig, VaultAccess};
use crate::names::RegistryName;
use crate::registry::access::AccessSettings;
use crate::registry::blocking::blocking;
use crate::registry::content::{collect_in_background, verify_in_background};
use crate::registry::error::Error;
use crate::registry::events::RegistrySink;
use crate::registry::parts::{Activity, BrokenObjects, Gate, Parts, Recent, Registry, Sessions};
use crate::registry::resources::{CurrentProfile, Profile, RegistryVaults};
use crate::registry::service_key::service_key;
use crate::store::{End, NewRegistryRows};

/// The inputs for opening a registry.
pub(super) struct Opening<'a> {
    pub(super) common: &'a Common,
    pub(super) name: RegistryName,
    pub(super) profile: Profile,
    /// The identity for the key of a new registry. `None`: the identity that the program was started with.
    pub(super) key_identity: Option<IdentityId>,
    /// Whether to store it first.
    pub(super) is_new: bool,
    /// Its login settings, if it is new.
    pub(super) access: AccessSettings,
    /// The operation that ends when a new registry is stored.
    pub(super) end: End,
}

impl<'a> Opening<'a> {
    /// A registry that is stored already.
    pub(super) fn stored(common: &'a Common, name: RegistryName, profile: Profile) -> Self {
        Self {
            common,
            name,
            profile,
            key_identity: None,
            is_new: false,
            access: AccessSettings::default(),
            end: End::Nothing,
        }
    }
}

impl Registry {
    /// Opens a registry of a data folder. A new one is stored with its ring, or not at all.
    ///
    /// An existing registry also opens if its vault does not answer; then it is dark until the vault does.
    pub(super) async fn open(opening: Opening<'_>) -> Result<Self, Error> {
        let Opening { common, name, profile, key_identity, is_new, access, end } = opening;
        let Common { store, audit, clock, settings, platform, intents } = common.clone();
        let service_key = blocking({
            let store = Arc::clone(&store);
            move || service_key(&store)
        })
        .await?;
        let config = RingConfig {
            registry: name.as_str().to_owned(),
            configured: profile.made_with.clone(),
            identity: key_identity,
            lease: settings.key_lease,
            rotation_check: settings.rotation_check,
            ..RingConfig::default()
        };
        let new = is_new.then(|| NewRegistryRows {
            record: profile.record(&name),
            access: access.row(),
            end,
        });
        let rows = StoredRings::new(Arc::clone(&store), &name, new);
        let profile = CurrentProfile::new(profile);
        let start_identity = platform.start_identity().resource.clone();
        let access = config.configured.is_some().then(|| {
            let profile = Arc::clone(&profile);
            let vaults = RegistryVaults {
                registry: name.clone(),
                profile,
                platform,
                all_strict: settings.strict_parity,
                clock: clock.clone(),
            };
            Arc::new(vaults) as Arc<dyn VaultAccess>
        });
        let sink = Arc::new(RegistrySink {
            registry: name.as_str().to_owned(),
            audit: Arc::clone(&audit),
            events: settings.events.clone(),
        });
        let ring =
            KeyRing::open(config, access, service_key, Arc::new(rows), sink, clock.clone()).await?;
        let activity = Arc::new(Activity::new(clock.clone(), settings.key_lease));
        let ended = CancellationToken::new();
        let registry = Self(Arc::new(Parts {
            name,
            profile,
            start_identity,
            closed: AtomicBool::new(false),
            store,
            ring,
            audit,
            clock,
            settings,
            intents,
            sessions: Sessions::default(),
            recent: Recent::default(),
            broken: BrokenObjects::default(),
            gate: Gate::default(),
            activity,
            verifying: tokio::sync::Mutex::default(),
            _background: ended.clone().drop_guard(),
        }));
        tokio::spawn(drop_plaintext_on_refusal(Arc::downgrade(&registry.0), ended.clone()));
        let background = verify_in_background;
        tokio::spawn(background(Arc::downgrade(&registry.0), ended.clone()));
        tokio::spawn(collect_in_background(Arc::downgrade(&registry.0), ended));
        Ok(registry)
    }
}
