//! The access to the vault over HTTPS: as the registry's identity, which may only use its key, and as the owner, who may change it.
//!
//! [`VaultConnection`] has the addresses of the vault and the issuer, and makes the clients: [`VaultClient`](client::VaultClient) implements
//! [`KeyVault`](crate::keys::KeyVault) for the ring in `keys/`, [`OwnerVault`] is for the `key` commands, the first start and
//! the methods of revocation. All use the REST protocols of Key Vault and of Azure's resource providers, whether the vault is
//! embedded, in another process or in Azure. Only a mock vault has an owner here, an admin API, and a stream of its changes.
//!
//! `keys/` knows nothing of this area.

mod answers;
mod changes;
mod client;
mod connection;
mod credential;
mod http;
mod identities;
mod keys;
mod management;
mod owner;
mod resources;
mod wire;

pub(crate) use self::changes::{ChangeFeed, SubscribeError, Subscription, VaultChange};
pub(crate) use self::connection::identifier;
pub use self::connection::{ConnectionError, VaultConnection};
pub use self::owner::{KeyVersionInfo, OwnerVault};
pub(crate) use self::resources::{ROLES_API, VAULTS_API};
