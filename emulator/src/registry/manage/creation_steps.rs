//! Creates a registry with its key, identity and permission step by step, and undoes the steps if one fails.
//!
//! An intent records the identities that the creation makes before the registry is stored. If the registry is not stored,
//! they are removed again, also after a kill. A newer identity of the same name, made by another request, stays.

use serde::{Deserialize, Serialize};

use super::error::{ManageError, Warning};
use super::new_registry::{Encryption, NewRegistry, own_key};
use super::registries::{Registries, run_to_completion};
use crate::keys::{KeyId, VaultName};
use crate::names::RegistryName;
use crate::registry::error::Error;
use crate::registry::intents::{Intent, Kind};
use crate::registry::parts::Registry;
use crate::registry::resources::{IdentityOf, IdentityRef, IdentityResource, Principal, Tags};

/// The data that is needed to undo the creation of a registry.
#[derive(Clone, Serialize, Deserialize)]
struct Creation {
    registry: String,
    /// Its resource id.
    resource: String,
    has_system_identity: bool,
    /// The identity with the registry's name, if the registry needs one.
    identity: Option<OwnIdentity>,
}

/// The identity with a new registry's name, and the vault whose keys it may use.
#[derive(Clone, Serialize, Deserialize)]
struct OwnIdentity {
    identity: String,
    vault: String,
    /// The client id of the identity that the creation has made: it deletes no other one of this name. `None`: it has made
    /// none so far.
    #[serde(default)]
    client_id: Option<String>,
}

impl Creation {
    /// The creation of a registry that needs no identity with its name.
    fn without_identity(new: &NewRegistry) -> Self {
        Self {
            registry: new.name.as_str().to_owned(),
            resource: new.group.registry_id(&new.name),
            has_system_identity: new.system_identity,
            identity: None,
        }
    }
}

impl Registries {
    /// Creates a registry with a customer-managed key. If the caller names no key or identity, this first creates them with
    /// the registry's name, the key in the vault `local`, and lets the identity use the key.
    ///
    /// If the registry is not created, an identity that was made for it is deleted again, also after a kill. A key stays: the
    /// next attempt uses it. Continues if the caller is dropped.
    pub async fn create_with_dependencies(
        &self,
        new: NewRegistry,
        key: Option<KeyId>,
        identity: Option<IdentityRef>,
    ) -> Result<(Registry, Vec<Warning>), ManageError> {
        self.intents().refuse_in_reset()?;
        let this = self.clone();
        run_to_completion(
            async move { this.create_with_dependencies_now(new, key, identity).await },
        )
        .await
    }

    async fn create_with_dependencies_now(
        &self,
        mut new: NewRegistry,
        key: Option<KeyId>,
        identity: Option<IdentityRef>,
    ) -> Result<(Registry, Vec<Warning>), ManageError> {
        let key_is_given = key.is_some();
        let key = match key {
            Some(key) => key,
            None => own_key(&new.name).map_err(Error::internal)?,
        };
        let named = match &identity {
            None | Some(IdentityRef::System) => None,
            Some(IdentityRef::Resource(resource)) => Some(resource.clone()),
            Some(IdentityRef::ClientId(id)) => Some(self.identity_of_client(id).await?.resource),
            Some(IdentityRef::Name(name)) => {
                let listed =
                    new.identities.iter().find(|own| own.name().eq_ignore_ascii_case(name));
                match listed {
                    Some(_) => None,
                    None => Some(IdentityResource::new(new.group.clone(), name)?),
                }
            }
        };
        if let Some(named) = named.filter(|named| !new.identities.contains(named)) {
            new.identities.push(named);
        }
        let needs_identity =
            new.identities.is_empty() && !new.system_identity && identity.is_none();
        if needs_identity {
            let name = new.name.as_str();
            new.identities.push(IdentityResource::new(new.group.clone(), name)?);
        }
        new.encryption = Some(Encryption { key: key.clone(), identity });
        // The checks that need no vault come first, so that a refusal leaves nothing behind.
        new.check()?;
        self.check_name(&new.name).await?;
        if !key_is_given {
            self.platform().ensure_key(&key).await?;
        }
        if !needs_identity {
            // Named identities have the permissions that their owner gave them, but none yet for a key that was just made.
            if !key_is_given {
                for resource in &new.identities {
                    let identity = self.identity(resource).await?;
                    self.platform().allow(key.vault(), &identity.principal).await?;
                }
            }
            return self.create(new).await;
        }
        let own = IdentityResource::new(new.group.clone(), new.name.as_str())?;
        // With the lock, each creation of the same name sees whether an earlier one has made the identity.
        let alone = self.lock().await;
        let mut intent = self.begin_with_identity(&new, &own, key.vault()).await?;
        if let Err(error) = self.own_identity(&new, own, key.vault(), &mut intent).await {
            self.undo_creation(intent).await;
            return Err(error);
        }
        drop(alone);
        intent.passed().await?;
        self.create_now(new, Some(intent)).await
    }

    /// Records that a registry is created with an identity of its name. It takes over the identity that another unfinished
    /// creation has made. Any other existing identity stays, even if this creation fails.
    async fn begin_with_identity(
        &self,
        new: &NewRegistry,
        own: &IdentityResource,
        vault: &VaultName,
    ) -> Result<Intent, ManageError> {
        let client_id = match self.identity(own).await {
            Ok(identity) => Some(identity.principal.client_id).filter(|id| self.has_made(id, None)),
            Err(ManageError::NoIdentity(_)) => None,
            Err(error) => return Err(error),
        };
        let identity =
            OwnIdentity { identity: own.to_string(), vault: vault.to_string(), client_id };
        let creation = Creation { identity: Some(identity), ..Creation::without_identity(new) };
        let intent = self.intents().begin(Kind::CreateRegistry, &creation).await?;
        let is_replaced = |earlier: Creation| {
            earlier.registry.eq_ignore_ascii_case(new.name.as_str())
                // Otherwise no operation would remove the system-assigned identity of the earlier creation.
                && (new.system_identity || !earlier.has_system_identity)
        };
        let replaced = self.intents().replace_those(&[Kind::CreateRegistry], |parameters| {
            serde_json::from_value(parameters.clone()).is_ok_and(is_replaced)
        });
        replaced.await?;
        Ok(intent)
    }

    /// Creates the identity with the registry's name, unless it exists, and lets it use the keys of the vault. The caller
    /// must hold the lock.
    async fn own_identity(
        &self,
        new: &NewRegistry,
        resource: IdentityResource,
        vault: &VaultName,
        intent: &mut Intent,
    ) -> Result<(), ManageError> {
        let noted = |principal: &Principal| {
            let mut creation: Creation = intent.parameters()?;
            if let Some(own) = &mut creation.identity {
                own.client_id = Some(principal.client_id.clone());
            }
            intent.note(&creation).map(Some)
        };
        let (location, tags) = (new.location.clone(), Tags::default());
        let made = self.create_identity_for(resource.clone(), location, tags, noted).await;
        let identity = match made {
            Ok((identity, note)) => {
                if let Some(note) = note {
                    intent.noted(note);
                }
                identity
            }
            Err(ManageError::IdentityTaken(_)) => self.identity(&resource).await?,
            Err(error) => return Err(error),
        };
        Ok(self.platform().allow(vault, &identity.principal).await?)
    }

    /// Records that a registry is created. It needs no identity with its name.
    pub(super) async fn begin_creation(&self, new: &NewRegistry) -> Result<Intent, ManageError> {
        Ok(self.intents().begin(Kind::CreateRegistry, &Creation::without_identity(new)).await?)
    }

    /// Removes the identities that were made for a registry that is not stored. If that fails, the runner tries again. The
    /// caller must hold the lock.
    pub(super) async fn undo_creation(&self, intent: Intent) {
        let undone = self.undo_creation_locked(&intent).await;
        if let Err(error) = self.end_without_row(intent, undone).await {
            tracing::warn!(%error, "cannot yet remove everything that was created for a registry");
        }
    }

    /// Continues an interrupted creation: undoes it, unless the registry exists.
    pub(super) async fn resume_creation(&self, intent: Intent) -> Result<(), ManageError> {
        let _lock = self.lock().await;
        if intent.is_replaced() {
            return Ok(());
        }
        let undone = self.undo_creation_locked(&intent).await;
        self.end_without_row(intent, undone).await
    }

    async fn undo_creation_locked(&self, intent: &Intent) -> Result<(), ManageError> {
        let creation: Creation = intent.parameters()?;
        let name: RegistryName = creation.registry.parse().map_err(Error::from)?;
        match self.check_name(&name).await {
            Ok(()) => (),
            // The registry was stored after all, or another one has its name.
            Err(ManageError::NameTaken(_)) => {
                let registry = self.get(name.as_str());
                let has_it =
                    registry.is_none_or(|registry| registry.profile().system_identity.is_some());
                if creation.has_system_identity && !has_it {
                    self.drop_principal(IdentityOf::Registry(creation.resource)).await?;
                }
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        if creation.has_system_identity {
            self.drop_principal(IdentityOf::Registry(creation.resource)).await?;
        }
        let Some(own) = creation.identity else { return Ok(()) };
        // This creation has made no identity, so an existing one of the name belongs to another request.
        let Some(client_id) = own.client_id else { return Ok(()) };
        // Another creation has taken the identity over, and keeps or removes it.
        if self.has_made(&client_id, Some(intent)) {
            return Ok(());
        }
        let resource: IdentityResource = own.identity.parse()?;
        let identity = match self.identity(&resource).await {
            // The identity was deleted since, and another one of its name was created.
            Ok(identity) if identity.principal.client_id != client_id => return Ok(()),
            Ok(identity) => identity,
            // The intent of the identity's own creation or deletion removes the principal.
            Err(ManageError::NoIdentity(_)) => return Ok(()),
            Err(error) => return Err(error),
        };
        // A registry uses the identity by now: it stays, with its permission.
        if !self.users_of(&resource).is_empty() {
            return Ok(());
        }
        let vault: VaultName = own.vault.parse().map_err(Error::internal)?;
        if let Err(error) = self.platform().disallow(&vault, &identity.principal).await {
            // The permission has no effect once the principal is removed.
            tracing::warn!(identity = %resource, %error, "a permission could not be removed");
        }
        self.delete_identity_locked(&resource, false).await
    }

    /// Whether an unfinished creation of a registry, other than `except`, has made the identity with this client id.
    fn has_made(&self, client_id: &str, except: Option<&Intent>) -> bool {
        let all = self.intents().parameters::<Creation>(Kind::CreateRegistry).into_iter();
        let others = all.filter(|(id, _)| except.is_none_or(|except| except.id() != *id));
        let mut made = others.filter_map(|(_, other)| other.identity?.client_id);
        made.any(|made| made == client_id)
    }
}
