//! A registry that is to be as somebody describes it: its identities as a whole set, and its key, in one step.
//!
//! A description names a key and an identity that it has already as often as new ones. What is the same is left alone,
//! so that a registry whose key cannot be used at the moment can still be described; what is not is a rotation by hand.
//!
//! What holds: identities come before the rotation that may need them, and go after it. If the key does not change, all
//! of it stays as it was.

use mock_keyvault::room::Purpose;

use super::change::{Change, KeyChange};
use super::identity::AssignedIdentity;
use super::intents::{Intent, Kind};
use super::manage_error::{ManageError, Warning};
use super::names::RegistryName;
use super::profile::Profile;
use super::registries::{Registries, to_the_end};
use super::resource::{IdentityRef, IdentityResource};
use super::update_steps::UpdateSteps;
use super::{Error, Registry};
use crate::store::End;

/// What a registry is to be. What is not named stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Update {
    /// Everything but the key.
    pub change: Change,
    /// All user-assigned identities anew.
    pub identities: Option<Vec<IdentityResource>>,
    /// The key and who asks for it. As they are already, they are not touched.
    pub key: KeyChange,
    /// Whether a key without a version, named as it is, is looked up for a newer one if nothing else is changed.
    pub refresh: bool,
}

impl Registries {
    /// Makes a registry what it is to be, or leaves it as it was. It goes on if the caller is dropped.
    pub async fn update(
        &self,
        name: &RegistryName,
        update: Update,
    ) -> Result<(Registry, Vec<Warning>), ManageError> {
        let (this, name) = (self.clone(), name.clone());
        to_the_end(async move {
            let _alone = this.lock().await;
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
        let key = self.what_differs(&registry, key);
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
                let undone = self.put_back(name, &registry, &old).await;
                self.settle_by_hand(intent, undone).await?;
                return Err(error);
            }
        };
        intent.passed().await?;
        let changed = self.change_now(name, then, Purpose::Rows).await;
        self.settle_by_hand(intent, changed.map(drop)).await?;
        Ok((registry, warnings))
    }

    /// Goes on with an update that was cut short: finishes it if the key was rotated, else undoes it.
    pub(super) async fn resume_update(&self, intent: Intent) -> Result<(), ManageError> {
        let _alone = self.lock().await;
        if intent.is_replaced() {
            return Ok(());
        }
        let done = async { self.finish_update(intent.parameters()?).await };
        let done = done.await;
        self.settle_by_hand(intent, done).await
    }

    /// Ends the update of a registry that waits for its next attempt, before something newer is done to the registry: finishes or
    /// undoes it. So what is left of it is neither lost nor done after the newer change. To be called with the lock held.
    ///
    /// The error says that the update cannot end now. Then nothing newer may be done either.
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
                    tracing::warn!(registry.name = %name, %error, "the rest of an update is not made");
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
            // Another registry has the name, or another key was chosen since: what is there now is newer than the update.
            return Ok(());
        }
        if steps.is_rotated(&registry, &profile)? {
            return self.change_now(&name, steps.rest(&profile)?, Purpose::Rows).await.map(drop);
        }
        let old = steps.before(&name, &profile)?;
        self.put_back(&name, &registry, &old).await
    }

    /// Turns a whole set of identities into those that come and those that go. One that is no more may stay where it is.
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

    /// What of a key and an identity is not as it is already.
    fn what_differs(&self, registry: &Registry, named: KeyChange) -> KeyChange {
        let now = registry.key_ring().describe();
        let start = &self.platform().start_identity().principal.client_id;
        let asker = now.identity.as_ref().map_or(start.as_str(), |identity| identity.as_str());
        let profile = registry.profile();
        let is_asker = |named: &IdentityRef| match named {
            IdentityRef::System => asker == "system",
            IdentityRef::ClientId(client_id) => client_id.eq_ignore_ascii_case(asker),
            _ => profile
                .user_assigned(named)
                .is_some_and(|own| own.principal.client_id.eq_ignore_ascii_case(asker)),
        };
        KeyChange {
            key: named.key.filter(|key| now.configured.as_ref() != Some(key)),
            identity: named.identity.filter(|named| !is_asker(named)),
        }
    }

    /// Gives a registry back what it had before a rotation that was not done.
    async fn put_back(
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
        self.keep(name, &old, End::Nothing, Purpose::Rows).await?;
        if let Some(intent) = intent {
            self.settle_system_identity(intent).await;
        }
        registry.set_profile(old);
        self.tell();
        registry.key_ring().check().await;
        Ok(())
    }
}

/// What has to be there before a rotation, and the rest.
fn split(mut change: Change) -> (Change, Change) {
    let comes = change.system_identity.filter(|comes| *comes);
    let assign = std::mem::take(&mut change.assign);
    let first = Change { assign, system_identity: comes, ..Change::default() };
    if comes.is_some() {
        change.system_identity = None;
    }
    (first, change)
}
