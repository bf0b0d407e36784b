//! All principals: the two well-known ones, and any number that can be created and removed.
//!
//! Called by the issuer. Each created principal has a file in the folder `principals`, which only its owner can read. It
//! holds hashes of secrets, never a secret. Invariant: a change is on disk before it is in memory and before its method
//! returns. Changes are made one at a time, and readers never wait for the disk.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use crate::disk_calls as fs;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::principal::{NewPrincipal, Principal, PrincipalError, PrincipalKind};
use super::secret::{Secret, SecretHash};
use super::well_known::{
    MANAGED_IDENTITY_CLIENT_ID, MANAGED_IDENTITY_OBJECT_ID, MANAGED_IDENTITY_RESOURCE_ID,
    OWNER_CLIENT_ID, OWNER_OBJECT_ID, WellKnown,
};
use crate::changes::{ChangeKind, Changes};
use crate::files::{Access, write_whole};
use crate::folders::{make_dir_durably, sync_dir};

/// A principal and its secrets.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) principal: Arc<Principal>,
    proofs: Proofs,
}

#[derive(Clone)]
enum Proofs {
    /// It is a well-known principal, whose secret is held as text.
    WellKnown(Secret),
    /// It was created.
    Made(Vec<StoredSecret>),
}

/// The stored form of one secret of an application.
#[derive(Clone, Serialize, Deserialize)]
struct StoredSecret {
    id: Uuid,
    #[serde(flatten)]
    hash: SecretHash,
}

/// The file of a principal.
#[derive(Serialize, Deserialize)]
struct StoredPrincipal {
    #[serde(flatten)]
    principal: Principal,
    secrets: Vec<StoredSecret>,
}

/// A new secret, which is only shown this once.
#[derive(Clone, Debug)]
pub struct CreatedSecret {
    /// The id by which the secret can be removed.
    pub id: String,
    /// The secret itself.
    pub secret: Secret,
}

/// A new principal.
#[derive(Clone, Debug)]
pub struct CreatedPrincipal {
    /// The principal.
    pub principal: Arc<Principal>,
    /// Its secret, if it is an application. It cannot be read again.
    pub secret: Option<CreatedSecret>,
}

pub(super) struct Principals {
    folder: PathBuf,
    /// The principals by client id, in lower case.
    entries: RwLock<HashMap<String, Entry>>,
    /// Held during each change, from the check until the change is in memory.
    changing: Mutex<()>,
    /// Notified of every change of `entries`.
    changes: Changes,
}

impl Entry {
    /// Whether a guess is one of the secrets. Created managed identities have none.
    pub(super) fn proves(&self, guess: &str) -> bool {
        match &self.proofs {
            Proofs::WellKnown(secret) => secret.is(guess),
            Proofs::Made(secrets) => {
                // All are compared, so that the time does not reveal which one matches.
                secrets.iter().fold(false, |right, stored| right | stored.hash.is(guess))
            }
        }
    }
}

impl Principals {
    /// Reads the principals in `folder`, which is created if it is missing.
    pub(super) fn open(
        folder: PathBuf,
        well_known: &WellKnown,
        changes: &Changes,
    ) -> io::Result<Self> {
        make_dir_durably(&folder)?;
        let mut entries = HashMap::new();
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            // Any other file was left by an interrupted write.
            if path.extension() == Some(OsStr::new("json")) {
                let stored = read(&path)?;
                entries.insert(stored.principal.client_id.clone(), Entry::made(stored));
            } else {
                fs::remove_file(path)?;
            }
        }
        for entry in well_known_entries(well_known) {
            entries.insert(entry.principal.client_id.clone(), entry);
        }
        let (entries, changing) = (RwLock::new(entries), Mutex::new(()));
        Ok(Self { folder, entries, changing, changes: changes.clone() })
    }

    /// The principal of this client id.
    pub(super) fn find(&self, client_id: &str) -> Option<Entry> {
        self.read(|entries| entries.get(&client_id.to_ascii_lowercase()).cloned())
    }

    /// The first principal that a predicate accepts.
    pub(super) fn find_by(&self, is_it: impl Fn(&Principal) -> bool) -> Option<Arc<Principal>> {
        self.read(|entries| {
            let mut all = entries.values().map(|entry| &entry.principal);
            all.find(|principal| is_it(principal)).cloned()
        })
    }

    /// All principals, by name and then client id.
    pub(super) fn all(&self) -> Vec<Arc<Principal>> {
        let mut all: Vec<Arc<Principal>> = self
            .read(|entries| entries.values().map(|entry| Arc::clone(&entry.principal)).collect());
        all.sort_by(|a, b| (&a.display_name, &a.client_id).cmp(&(&b.display_name, &b.client_id)));
        all
    }

    /// Creates a principal, with a secret if it is an application. Blocks.
    pub(super) fn add(&self, new: NewPrincipal) -> Result<CreatedPrincipal, PrincipalError> {
        let _changing = self.change();
        if let Some(resource_id) = &new.resource_id
            && self.find_by(|one| one.kind == new.kind && one.is_of(resource_id)).is_some()
        {
            return Err(PrincipalError::ResourceTaken(resource_id.clone()));
        }
        let principal = Principal {
            client_id: Uuid::new_v4().to_string(),
            object_id: Uuid::new_v4().to_string(),
            kind: new.kind,
            display_name: new.display_name,
            resource_id: new.resource_id,
        };
        let (secrets, secret) = if new.kind.is_managed_identity() {
            (Vec::new(), None)
        } else {
            let (stored, made) = new_secret()?;
            (vec![stored], Some(made))
        };
        let principal = self.save(StoredPrincipal { principal, secrets })?;
        Ok(CreatedPrincipal { principal, secret })
    }

    /// Adds a secret to an application. Blocks.
    pub(super) fn add_secret(&self, client_id: &str) -> Result<CreatedSecret, PrincipalError> {
        let _changing = self.change();
        let (principal, mut secrets) = self.changeable(client_id)?;
        if principal.kind.is_managed_identity() {
            return Err(PrincipalError::HasNoSecrets(client_id.to_owned()));
        }
        let (stored, made) = new_secret()?;
        secrets.push(stored);
        self.save(StoredPrincipal { principal, secrets })?;
        Ok(made)
    }

    /// Removes a secret. Tokens that it was used for stay valid until they expire, as in Entra. Blocks.
    pub(super) fn remove_secret(&self, client_id: &str, id: &str) -> Result<(), PrincipalError> {
        let _changing = self.change();
        let (principal, mut secrets) = self.changeable(client_id)?;
        let before = secrets.len();
        secrets.retain(|stored| !stored.id.to_string().eq_ignore_ascii_case(id));
        if secrets.len() == before {
            return Err(PrincipalError::SecretNotFound(id.to_owned()));
        }
        self.save(StoredPrincipal { principal, secrets })?;
        Ok(())
    }

    /// The ids of the secrets of an application, other than a well-known one.
    pub(super) fn secret_ids(&self, client_id: &str) -> Vec<String> {
        match self.find(client_id).map(|entry| entry.proofs) {
            Some(Proofs::Made(stored)) => stored.iter().map(|one| one.id.to_string()).collect(),
            Some(Proofs::WellKnown(_)) | None => Vec::new(),
        }
    }

    /// Removes a principal. Its tokens are refused from now on. Blocks.
    pub(super) fn remove(&self, client_id: &str) -> Result<(), PrincipalError> {
        let _changing = self.change();
        let (principal, _) = self.changeable(client_id)?;
        fs::remove_file(self.file(&principal.client_id))?;
        sync_dir(&self.folder)?;
        self.write(|entries| entries.remove(&principal.client_id));
        Ok(())
    }

    /// A principal that is not a well-known one, and its stored secrets.
    fn changeable(
        &self,
        client_id: &str,
    ) -> Result<(Principal, Vec<StoredSecret>), PrincipalError> {
        let entry =
            self.find(client_id).ok_or_else(|| PrincipalError::NotFound(client_id.to_owned()))?;
        match entry.proofs {
            Proofs::WellKnown(_) => Err(PrincipalError::WellKnown(client_id.to_owned())),
            Proofs::Made(secrets) => Ok((Principal::clone(&entry.principal), secrets)),
        }
    }

    fn save(&self, stored: StoredPrincipal) -> io::Result<Arc<Principal>> {
        let path = self.file(&stored.principal.client_id);
        write_whole(&path, &serde_json::to_vec(&stored)?, Access::Private)?;
        let entry = Entry::made(stored);
        let principal = Arc::clone(&entry.principal);
        self.write(|entries| entries.insert(principal.client_id.clone(), entry));
        Ok(principal)
    }

    /// The file of a principal. This module makes the client ids, so they are safe as file names.
    fn file(&self, client_id: &str) -> PathBuf {
        self.folder.join(format!("{client_id}.json"))
    }

    // No code panics while it holds one of these locks, so a poisoned lock still guards a whole value.

    fn change(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T>(&self, see: impl FnOnce(&HashMap<String, Entry>) -> T) -> T {
        see(&self.entries.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the principals in memory, and notifies the listeners afterwards. All changes go through here.
    fn write<T>(&self, change: impl FnOnce(&mut HashMap<String, Entry>) -> T) -> T {
        let guard = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut self.changes.notifying(guard, ChangeKind::Principal, None))
    }
}

impl Entry {
    fn made(stored: StoredPrincipal) -> Self {
        Self { principal: Arc::new(stored.principal), proofs: Proofs::Made(stored.secrets) }
    }
}

fn well_known_entries(well_known: &WellKnown) -> [Entry; 2] {
    let owner = Principal {
        client_id: OWNER_CLIENT_ID.to_owned(),
        object_id: OWNER_OBJECT_ID.to_owned(),
        kind: PrincipalKind::Application,
        display_name: "owner".to_owned(),
        resource_id: None,
    };
    let managed_identity = Principal {
        client_id: MANAGED_IDENTITY_CLIENT_ID.to_owned(),
        object_id: MANAGED_IDENTITY_OBJECT_ID.to_owned(),
        kind: PrincipalKind::UserAssignedIdentity,
        display_name: "sealyard".to_owned(),
        resource_id: Some(MANAGED_IDENTITY_RESOURCE_ID.to_owned()),
    };
    [(owner, &well_known.owner), (managed_identity, &well_known.managed_identity)].map(
        |(principal, credentials)| Entry {
            principal: Arc::new(principal),
            proofs: Proofs::WellKnown(credentials.secret.clone()),
        },
    )
}

fn new_secret() -> io::Result<(StoredSecret, CreatedSecret)> {
    let (id, secret) = (Uuid::new_v4(), Secret::random()?);
    let stored = StoredSecret { id, hash: SecretHash::new(&secret)? };
    Ok((stored, CreatedSecret { id: id.to_string(), secret }))
}

fn read(path: &Path) -> io::Result<StoredPrincipal> {
    serde_json::from_slice(&fs::read(path)?).map_err(|error| {
        let message = format!("the principal in {} cannot be read: {error}", path.display());
        io::Error::new(io::ErrorKind::InvalidData, message)
    })
}

#[cfg(test)]
mod tests {
    use super::super::well_known::Secrets;
    use super::*;

    fn opened(folder: &Path) -> Principals {
        let well_known = WellKnown::open(folder, Secrets::WellKnown).unwrap();
        Principals::open(folder.join("principals"), &well_known, &Changes::default()).unwrap()
    }

    #[test]
    fn an_application_survives_a_restart_with_all_secrets_that_were_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let principals = opened(folder.path());

        let made = principals.add(NewPrincipal::application("app").unwrap()).unwrap();
        let (id, first) = (made.principal.client_id(), made.secret.unwrap());
        let second = principals.add_secret(id).unwrap();
        let again = opened(folder.path());
        let proves = |made: &CreatedSecret| again.find(id).unwrap().proves(made.secret.expose());

        assert!(proves(&first) && proves(&second));
        assert!(!again.find(id).unwrap().proves("sealyard"));
        again.remove_secret(id, &first.id).unwrap();
        assert!(!proves(&first) && proves(&second));
        assert_eq!(again.secret_ids(id), std::slice::from_ref(&second.id));
        assert!(matches!(
            again.remove_secret(id, &first.id),
            Err(PrincipalError::SecretNotFound(_))
        ));
    }

    #[test]
    fn a_removed_principal_is_gone_after_a_restart_too() {
        let folder = tempfile::tempdir().unwrap();
        let principals = opened(folder.path());
        let made = principals.add(NewPrincipal::application("app").unwrap()).unwrap();

        principals.remove(&made.principal.client_id().to_ascii_uppercase()).unwrap();

        assert!(principals.find(made.principal.client_id()).is_none());
        assert_eq!(opened(folder.path()).all().len(), 2);
    }

    #[test]
    fn a_file_that_an_interrupted_write_left_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        drop(opened(folder.path()));
        let left = folder.path().join("principals/.tmp123");
        fs::write(&left, b"{").unwrap();

        assert_eq!(opened(folder.path()).all().len(), 2);
        assert!(!left.exists());
    }

    #[test]
    fn the_well_known_principals_cannot_be_changed() {
        let folder = tempfile::tempdir().unwrap();
        let principals = opened(folder.path());

        for id in [OWNER_CLIENT_ID, MANAGED_IDENTITY_CLIENT_ID] {
            assert!(matches!(principals.remove(id), Err(PrincipalError::WellKnown(_))));
            assert!(matches!(principals.add_secret(id), Err(PrincipalError::WellKnown(_))));
        }
    }

    #[test]
    fn a_resource_has_one_managed_identity_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let principals = opened(folder.path());
        let id = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/app";
        let new = |id: &str| NewPrincipal::system_assigned_identity(id).unwrap();

        let made = principals.add(new(id)).unwrap();

        let second = principals.add(new(&id.to_ascii_uppercase().replace("/SUB", "/sub")));
        assert!(matches!(second, Err(PrincipalError::ResourceTaken(_))));
        assert!(made.secret.is_none());
        assert!(!principals.find(made.principal.client_id()).unwrap().proves(""));
        let secret = principals.add_secret(made.principal.client_id());
        assert!(matches!(secret, Err(PrincipalError::HasNoSecrets(_))));
    }
}
