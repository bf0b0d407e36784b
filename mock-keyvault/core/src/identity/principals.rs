//! All who may hold a token: the two well-known principals, and any number that are made and removed.
//!
//! Called by the issuer. Each principal that was made is a file of its own in the folder `principals`, for its owner
//! alone; it holds hashes of secrets, never a secret. Invariant: what a method returned is on disk, and what memory shows
//! was on disk before. Changes are made one at a time; readers never wait for the disk.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use fs_err as fs;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::principal::{NewPrincipal, Principal, PrincipalError, PrincipalKind};
use super::secret::{Secret, SecretHash};
use super::well_known::{
    MANAGED_IDENTITY_CLIENT_ID, MANAGED_IDENTITY_OBJECT_ID, MANAGED_IDENTITY_RESOURCE_ID,
    OWNER_CLIENT_ID, OWNER_OBJECT_ID, WellKnown,
};
use crate::changes::{ChangeKind, Changes};
use crate::durable::{make_dir_durably, sync_dir};
use crate::files::{Access, write_whole};

/// A principal and how it proves itself.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) principal: Arc<Principal>,
    proofs: Proofs,
}

#[derive(Clone)]
enum Proofs {
    /// It is one of the two that stay, with a secret that is known in text.
    WellKnown(Secret),
    /// It was made.
    Made(Vec<KeptSecret>),
}

/// What is kept of one secret of an application.
#[derive(Clone, Serialize, Deserialize)]
struct KeptSecret {
    id: Uuid,
    #[serde(flatten)]
    hash: SecretHash,
}

/// The file of a principal.
#[derive(Serialize, Deserialize)]
struct Kept {
    #[serde(flatten)]
    principal: Principal,
    secrets: Vec<KeptSecret>,
}

/// A secret that was made, shown this once.
#[derive(Clone, Debug)]
pub struct MadeSecret {
    /// Names the secret, to remove it.
    pub id: String,
    /// The secret itself.
    pub secret: Secret,
}

/// A principal that was made.
#[derive(Clone, Debug)]
pub struct MadePrincipal {
    /// The principal.
    pub principal: Arc<Principal>,
    /// Its secret, if it is an application. It cannot be read again.
    pub secret: Option<MadeSecret>,
}

pub(super) struct Principals {
    folder: PathBuf,
    /// By client id, in lower case.
    entries: RwLock<HashMap<String, Entry>>,
    /// Held over each change, from the check to the moment memory shows it.
    changing: Mutex<()>,
    /// Told of every change of `entries`.
    changes: Changes,
}

impl Entry {
    /// Whether a guess is one of the secrets. Managed identities that were made have none.
    pub(super) fn proves(&self, guess: &str) -> bool {
        match &self.proofs {
            Proofs::WellKnown(secret) => secret.is(guess),
            Proofs::Made(secrets) => {
                // All are compared, so that the time does not tell which one was right.
                secrets.iter().fold(false, |right, kept| right | kept.hash.is(guess))
            }
        }
    }
}

impl Principals {
    /// Reads the principals in `folder`, which is made if it is not there.
    pub(super) fn open(
        folder: PathBuf,
        well_known: &WellKnown,
        changes: &Changes,
    ) -> io::Result<Self> {
        make_dir_durably(&folder)?;
        let mut entries = HashMap::new();
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            // Anything else is what a write left that was cut short.
            if path.extension() == Some(OsStr::new("json")) {
                let kept = read(&path)?;
                entries.insert(kept.principal.client_id.clone(), Entry::made(kept));
            } else {
                fs::remove_file(path)?;
            }
        }
        for entry in of_well_known(well_known) {
            entries.insert(entry.principal.client_id.clone(), entry);
        }
        let (entries, changing) = (RwLock::new(entries), Mutex::new(()));
        Ok(Self { folder, entries, changing, changes: changes.clone() })
    }

    /// The principal of this client id.
    pub(super) fn find(&self, client_id: &str) -> Option<Entry> {
        self.read(|entries| entries.get(&client_id.to_ascii_lowercase()).cloned())
    }

    /// The first principal that a predicate takes.
    pub(super) fn find_by(&self, is_it: impl Fn(&Principal) -> bool) -> Option<Arc<Principal>> {
        self.read(|entries| {
            let mut all = entries.values().map(|entry| &entry.principal);
            all.find(|principal| is_it(principal)).cloned()
        })
    }

    /// All of them, by name and then client id.
    pub(super) fn all(&self) -> Vec<Arc<Principal>> {
        let mut all: Vec<Arc<Principal>> = self
            .read(|entries| entries.values().map(|entry| Arc::clone(&entry.principal)).collect());
        all.sort_by(|a, b| (&a.display_name, &a.client_id).cmp(&(&b.display_name, &b.client_id)));
        all
    }

    /// Makes a principal, with a secret if it is an application. Blocks.
    pub(super) fn add(&self, new: NewPrincipal) -> Result<MadePrincipal, PrincipalError> {
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
            let (kept, made) = new_secret()?;
            (vec![kept], Some(made))
        };
        let principal = self.keep(Kept { principal, secrets })?;
        Ok(MadePrincipal { principal, secret })
    }

    /// Gives an application a further secret. Blocks.
    pub(super) fn add_secret(&self, client_id: &str) -> Result<MadeSecret, PrincipalError> {
        let _changing = self.change();
        let (principal, mut secrets) = self.changeable(client_id)?;
        if principal.kind.is_managed_identity() {
            return Err(PrincipalError::HasNoSecrets(client_id.to_owned()));
        }
        let (kept, made) = new_secret()?;
        secrets.push(kept);
        self.keep(Kept { principal, secrets })?;
        Ok(made)
    }

    /// Takes a secret away. Tokens that it was good for go on until they end, as in Entra. Blocks.
    pub(super) fn remove_secret(&self, client_id: &str, id: &str) -> Result<(), PrincipalError> {
        let _changing = self.change();
        let (principal, mut secrets) = self.changeable(client_id)?;
        let before = secrets.len();
        secrets.retain(|kept| !kept.id.to_string().eq_ignore_ascii_case(id));
        if secrets.len() == before {
            return Err(PrincipalError::SecretNotFound(id.to_owned()));
        }
        self.keep(Kept { principal, secrets })?;
        Ok(())
    }

    /// The ids of the secrets of an application that was made.
    pub(super) fn secret_ids(&self, client_id: &str) -> Vec<String> {
        match self.find(client_id).map(|entry| entry.proofs) {
            Some(Proofs::Made(kept)) => kept.iter().map(|one| one.id.to_string()).collect(),
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

    /// A principal that is not a well-known one, and what is kept of its secrets.
    fn changeable(&self, client_id: &str) -> Result<(Principal, Vec<KeptSecret>), PrincipalError> {
        let entry =
            self.find(client_id).ok_or_else(|| PrincipalError::NotFound(client_id.to_owned()))?;
        match entry.proofs {
            Proofs::WellKnown(_) => Err(PrincipalError::WellKnown(client_id.to_owned())),
            Proofs::Made(secrets) => Ok((Principal::clone(&entry.principal), secrets)),
        }
    }

    fn keep(&self, kept: Kept) -> io::Result<Arc<Principal>> {
        let path = self.file(&kept.principal.client_id);
        write_whole(&path, &serde_json::to_vec(&kept)?, Access::Private)?;
        let entry = Entry::made(kept);
        let principal = Arc::clone(&entry.principal);
        self.write(|entries| entries.insert(principal.client_id.clone(), entry));
        Ok(principal)
    }

    /// The file of a principal. Client ids are made here, so they are plain names.
    fn file(&self, client_id: &str) -> PathBuf {
        self.folder.join(format!("{client_id}.json"))
    }

    // Nothing panics while one of these locks is held; what they guard is whole even if they are poisoned.

    fn change(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T>(&self, see: impl FnOnce(&HashMap<String, Entry>) -> T) -> T {
        see(&self.entries.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The only way to change what is in memory: whoever listens is told.
    fn write<T>(&self, change: impl FnOnce(&mut HashMap<String, Entry>) -> T) -> T {
        let guard = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut self.changes.telling(guard, ChangeKind::Principal, None))
    }
}

impl Entry {
    fn made(kept: Kept) -> Self {
        Self { principal: Arc::new(kept.principal), proofs: Proofs::Made(kept.secrets) }
    }
}

fn of_well_known(well_known: &WellKnown) -> [Entry; 2] {
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

fn new_secret() -> io::Result<(KeptSecret, MadeSecret)> {
    let (id, secret) = (Uuid::new_v4(), Secret::random()?);
    let kept = KeptSecret { id, hash: SecretHash::of(&secret)? };
    Ok((kept, MadeSecret { id: id.to_string(), secret }))
}

fn read(path: &Path) -> io::Result<Kept> {
    serde_json::from_slice(&fs::read(path)?).map_err(|error| {
        let words = format!("the principal in {} cannot be read: {error}", path.display());
        io::Error::new(io::ErrorKind::InvalidData, words)
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
    fn an_application_outlives_a_restart_with_all_of_its_secrets_until_they_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let principals = opened(folder.path());

        let made = principals.add(NewPrincipal::application("app").unwrap()).unwrap();
        let (id, first) = (made.principal.client_id(), made.secret.unwrap());
        let second = principals.add_secret(id).unwrap();
        let again = opened(folder.path());
        let proves = |made: &MadeSecret| again.find(id).unwrap().proves(made.secret.expose());

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
    fn what_a_write_that_was_cut_short_left_is_cleared_away() {
        let folder = tempfile::tempdir().unwrap();
        drop(opened(folder.path()));
        let left = folder.path().join("principals/.tmp123");
        fs::write(&left, b"{").unwrap();

        assert_eq!(opened(folder.path()).all().len(), 2);
        assert!(!left.exists());
    }

    #[test]
    fn the_well_known_principals_stay() {
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
