//! Updates a registry to a description in one step: its whole set of identities, and its key.
//!
//! A description often names a key and an identity that the registry has already. These are not touched, so that a
//! registry whose key cannot be used now can still be described; any difference is a manual rotation.
//!
//! Invariant: identities are added before the rotation that may need them, and removed after it. If the key does not
//! change, everything stays as it was.

use azure_emulator_core::disk_space::Purpose;

use super::change::Change;
use super::error::{ManageError, Warning};
use super::registries::{Registries, run_to_completion};
use super::rotation::KeyChange;
use super::update_steps::UpdateSteps;
use crate::names::RegistryName;
use crate::registry::error::Error;
use crate::registry::intents::{Intent, Kind};
use crate::registry::parts::Registry;
use crate::registry::resources::{AssignedIdentity, IdentityRef, IdentityResource, Profile};
use crate::store::End;

/// The target of an update. Omitted properties stay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Update {
    /// Everything but the key.
    pub change: Change,
    /// All user-assigned identities; they replace the old ones.
    pub identities: Option<Vec<IdentityResource>>,
    /// The key and its identity. If they are unchanged, they are not touched.
    pub key: KeyChange,
    /// Whether to check a key without a version for a newer version, if the key is named unchanged and nothing else
    /// changes.
    pub refresh: bool,
}

impl Registries {
    /// Updates a registry, or leaves it as it was. Continues if the caller is dropped.
    pub async fn update(
        &self,
        name: &RegistryName,
        update: Update,
    ) -> Result<(Registry, Vec<Warning>), ManageError> {
        let (this, name) = (self.clone(), name.clone());
        run_to_completion(async move {
            let _lock = this.lock().await;
            this.end_waiting_update(&name).await?;
            this.update_now(&name, update).await
        })
        .await
    }

    async fn update_now(
        &self,
        name: &RegistryName,
        update: Update,
    ) -> Result<(Registry, Vec<Warning>), ManageError> {
        let registry = self.open_one(name)?;
        let old = registry.profile();
        let Update { mut change, identities, key, refresh } = update;
        change.check(name, &old)?;
        if let Some(identities) = &identities {
            self.name_differences(&old, identities, &mut change).await?;
        }
        let names_a_key = key.key.is_some();
        let key = self.differences(&registry, key);
        if key == KeyChange::default() {
            let before = registry.profile();
            let registry = self.change_now(name, change, Purpose::Rows).await?;
            let follows = registry.key_ring().describe().automatic;
            if refresh && names_a_key && follows && registry.profile() == before {
                let (registry, _, warnings) = self.rotate_now(name, KeyChange::default()).await?;
                return Ok((registry, warnings));
            }
            return Ok((registry, Vec::new()));
        }
        let (first, then) = split(change);
        let key_before = registry.key_ring().describe().configured;
        let steps = UpdateSteps::new(name, &old, key_before, &key, &then);
        let intent = self.intents().begin(Kind::UpdateRegistry, &steps).await?;
        if let Err(error) = self.change_now(name, first, Purpose::Rows).await {
            intent.end().await?;
            return Err(error);
        }
        intent.passed().await?;
        let warnings = match self.rotate_now(name, key).await {
            Ok((_, _, warnings)) => {
                self.intents().replace(&[Kind::RotateKey], name.as_str()).await?;
                warnings
            }
            Err(error) => {
                let undone = self.roll_back(name, &registry, &old).await;
                self.end_without_row(intent, undone).await?;
                return Err(error);
            }
        };
        intent.passed().await?;
        let changed = self.change_now(name, then, Purpose::Rows).await;
        self.end_without_row(intent, changed.map(drop)).await?;
        Ok((registry, warnings))
    }

    /// Continues an interrupted update: finishes it if the key was rotated, undoes it otherwise.
    pub(super) async fn resume_update(&self, intent: Intent) -> Result<(), ManageError> {
        let _lock = self.lock().await;
        if intent.is_replaced() {
            return Ok(());
        }
        let done = async { self.finish_update(intent.parameters()?).await };
        let done = done.await;
        self.end_without_row(intent, done).await
    }

    /// Ends the update of a registry that waits for its next attempt, before a newer operation on the registry:
    /// finishes or undoes it. So the rest of the update is neither lost nor done after the newer change. The caller
    /// must hold the lock.
    ///
    /// An error means that the update cannot end now. Then no newer operation may run either.
    pub(super) async fn end_waiting_update(&self, name: &RegistryName) -> Result<(), ManageError> {
        let waiting = self.intents().parameters::<UpdateSteps>(Kind::UpdateRegistry).into_iter();
        let is_its = |steps: &UpdateSteps| steps.registry.eq_ignore_ascii_case(name.as_str());
        for (_, steps) in waiting.filter(|(_, steps)| is_its(steps)) {
            match self.finish_update(steps).await {
                Ok(()) => (),
                Err(error @ (ManageError::Registry(_) | ManageError::Platform(_))) => {
                    return Err(error);
                }
                Err(error) => {
                    // A rule refuses it, and would refuse it at every attempt.
                    tracing::warn!(registry.name = %name, %error, "cannot make the rest of an update");
                }
            }
        }
        Ok(self.intents().replace(&[Kind::UpdateRegistry], name.as_str()).await?)
    }

    async fn finish_update(&self, steps: UpdateSteps) -> Result<(), ManageError> {
        let name: RegistryName = steps.registry.parse().map_err(Error::from)?;
        let Ok(registry) = self.open_one(&name) else { return Ok(()) };
        let profile = registry.profile();
        if !steps.is_wanted(&registry, &profile) {
            // Another registry has the name, or the key was changed since: the current state is newer than the update.
            return Ok(());
        }
        if steps.is_rotated(&registry, &profile)? {
            return self
                .change_now(&name, steps.remaining_changes(&profile)?, Purpose::Rows)
                .await
                .map(drop);
        }
        let old = steps.before(&name, &profile)?;
        self.roll_back(&name, &registry, &old).await
    }

    /// Turns a whole set of identities into those to add and those to remove. A deleted identity may stay if it is
    /// listed.
    async fn name_differences(
        &self,
        profile: &Profile,
        wanted: &[IdentityResource],
        change: &mut Change,
    ) -> Result<(), ManageError> {
        for resource in wanted {
            let own = profile.assigned(resource);
            match self.identity(resource).await.map(AssignedIdentity::from) {
                Ok(identity) if own.is_some_and(|own| own.principal == identity.principal) => (),
                Ok(_) => change.assign.push(resource.clone()),
                Err(ManageError::NoIdentity(_)) if own.is_some() => (),
                Err(error) => return Err(error),
            }
        }
        let gone = profile.identities.iter().filter(|own| !wanted.contains(&own.resource));
        change.remove.extend(gone.map(|own| IdentityRef::Resource(own.resource.clone())));
        Ok(())
    }

    /// The parts of a key and an identity that differ from the current ones.
    fn differences(&self, registry: &Registry, named: KeyChange) -> KeyChange {
        let now = registry.key_ring().describe();
        let start = &self.platform().start_identity().principal.client_id;
        let key_identity =
            now.identity.as_ref().map_or(start.as_str(), |identity| identity.as_str());
        let profile = registry.profile();
        let is_key_identity = |named: &IdentityRef| match named {
            IdentityRef::System => key_identity == "system",
            IdentityRef::ClientId(client_id) => client_id.eq_ignore_ascii_case(key_identity),
            _ => profile
                .user_assigned(named)
                .is_some_and(|own| own.principal.client_id.eq_ignore_ascii_case(key_identity)),
        };
        KeyChange {
            key: named.key.filter(|key| now.configured.as_ref() != Some(key)),
            identity: named.identity.filter(|named| !is_key_identity(named)),
        }
    }

    /// Restores a registry after a failed rotation.
    async fn roll_back(
        &self,
        name: &RegistryName,
        registry: &Registry,
        old: &Profile,
    ) -> Result<(), ManageError> {
        let now = registry.profile();
        let mut old = old.clone();
        if let Some(former) = &old.former_identity
            && self.was_deleted(&former.identity).await?
        {
            old.former_identity = None;
        }
        if *now == old {
            return Ok(());
        }
        let drops_system = now.system_identity.is_some() && old.system_identity.is_none();
        let intent = if drops_system {
            Some(self.begin_system_identity(&old.group, name, true).await?)
        } else {
            None
        };
        self.store_profile(name, &old, End::Nothing, Purpose::Rows).await?;
        if let Some(intent) = intent {
            self.finish_system_identity(intent).await;
        }
        registry.set_profile(old);
        self.notify();
        registry.key_ring().check().await;
        Ok(())
    }
}

/// Splits a change into the part before a rotation and the part after it.
fn split(mut change: Change) -> (Change, Change) {
    let comes = change.system_identity.filter(|comes| *comes);
    let assign = std::mem::take(&mut change.assign);
    let first = Change { assign, system_identity: comes, ..Change::default() };
    if comes.is_some() {
        change.system_identity = None;
    }
    (first, change)
}
