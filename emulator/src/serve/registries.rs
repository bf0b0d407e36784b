//! Opens the registries, and the key of `local`.

use std::sync::Arc;
use std::time::Duration;

use super::error::StartError;
use crate::config::Config;
use crate::platform::LocalPlatform;
use crate::registry::{
    Encryption, Intents, NewRegistry, Platform as _, PlatformError, Registries, RegistryName,
    Settings,
};
use crate::store::Store;
use crate::vault::{ChangeFeed, SubscribeError, Subscription};

/// How long a start waits until the vault reports its changes.
const FEED_LIMIT: Duration = Duration::from_secs(1);

/// Opens the registries. The first start makes `local`, and its key if the vault is a mock vault. The subscription to the
/// vault's changes begins before the registries open: they have seen everything that happened before it.
pub(super) async fn open_registries(
    config: &Config,
    store: Arc<Store>,
    platform: LocalPlatform,
    settings: Settings,
    intents: Intents,
    feed: Option<&ChangeFeed>,
) -> Result<(Registries, Option<Subscription>), StartError> {
    let key = platform.key_of_local(&config.key_name)?;
    let local = NewRegistry {
        identities: vec![platform.start_identity().resource.clone()],
        encryption: Some(Encryption { key: key.clone(), identity: None }),
        ..NewRegistry::named(RegistryName::local())
    };
    let platform = Arc::new(platform);
    let ensure_key = async {
        // If the vault is down at a later start, the emulator still starts: the registry refuses its content until the vault is
        // back.
        match platform.ensure_key(&key).await {
            Ok(()) | Err(PlatformError::NotOurs { .. }) => (),
            Err(error) => {
                tracing::warn!(key = %key, %error, "the key could not be looked up in the vault");
            }
        }
    };
    let stored = Arc::clone(&store);
    let has_local = tokio::task::spawn_blocking(move || stored.registry(&RegistryName::local()));
    let has_local = has_local.await.map_err(std::io::Error::other)?.is_ok_and(|row| row.is_some());
    let open = async {
        // If the vault is down or slow, its changes are followed later.
        let subscription = match feed {
            Some(feed) => tokio::time::timeout(FEED_LIMIT, feed.subscribe()).await,
            None => Ok(Err(SubscribeError::NotAMock)),
        };
        let platform = Arc::clone(&platform);
        let registries = Registries::open(store, platform, settings, intents, local).await;
        registries.map(|registries| (registries, subscription.ok().and_then(Result::ok)))
    };
    let (registries, subscription) = if has_local {
        // Only a new registry needs the key before it opens.
        tokio::join!(open, ensure_key).0?
    } else {
        ensure_key.await;
        open.await?
    };
    let used = registries
        .get(RegistryName::LOCAL)
        .and_then(|local| local.key_ring().describe().configured);
    if let Some(used) = used.filter(|used| used.unversioned() != key) {
        tracing::warn!(key = %used, asked = %key, "the registry keeps the key that it has; rotate to change it");
    }
    Ok((registries, subscription))
}
