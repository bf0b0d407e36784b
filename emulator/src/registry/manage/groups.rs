//! Resource groups: `arm/` creates, shows and deletes them, and every resource is in one.
//!
//! A caller of the admin API may name a missing group for a new registry or identity: then the group is created too.
//! The control plane checks first. The group of the start's resources always exists.

use std::sync::Arc;

use super::deployments;
use super::error::ManageError;
use super::registries::{Registries, run_to_completion};
use crate::registry::blocking::blocking;
use crate::registry::resources::{Location, ResourceGroup, Tags};
use crate::store::{End, GroupRow, StoreError};

/// A resource group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name, as first written.
    pub name: ResourceGroup,
    /// The location of the group. Its resources may be elsewhere.
    pub location: Location,
    /// The tags that users gave it.
    pub tags: Tags,
}

impl Registries {
    /// All groups, by name.
    pub async fn groups(&self) -> Result<Vec<Group>, ManageError> {
        let store = Arc::clone(&self.common().store);
        let rows = blocking(move || store.groups()).await?;
        let all: Result<_, StoreError> = rows.into_iter().map(Group::try_from).collect();
        Ok(all?)
    }

    /// The group of this name.
    pub async fn group(&self, name: &ResourceGroup) -> Result<Group, ManageError> {
        let (store, key) = (Arc::clone(&self.common().store), name.clone());
        let row = blocking(move || store.group(key.as_str())).await?;
        let row = row.ok_or_else(|| ManageError::NoGroup(name.clone()))?;
        Ok(row.try_into()?)
    }

    /// Creates a group. False: one of this name exists, and nothing was changed.
    pub async fn create_group(&self, group: &Group) -> Result<bool, ManageError> {
        self.intents().refuse_in_reset()?;
        self.store_group(group).await
    }

    async fn store_group(&self, group: &Group) -> Result<bool, ManageError> {
        let (store, row) = (Arc::clone(&self.common().store), GroupRow::from(group.clone()));
        Ok(blocking(move || store.create_group(&row)).await?)
    }

    /// Replaces the tags of a group.
    pub async fn tag_group(&self, name: &ResourceGroup, tags: Tags) -> Result<Group, ManageError> {
        let known = self.group(name).await?;
        if known.tags == tags {
            return Ok(known);
        }
        let group = Group { tags, ..known };
        let (store, row) = (Arc::clone(&self.common().store), GroupRow::from(group.clone()));
        if blocking(move || store.replace_group_tags(&row.name, &row.tags)).await? {
            Ok(group)
        } else {
            Err(ManageError::NoGroup(name.clone()))
        }
    }

    /// Whether a group may be deleted: the group of the start's resources may not.
    pub async fn check_group_deletion(&self, name: &ResourceGroup) -> Result<(), ManageError> {
        let group = self.group(name).await?;
        if group.name == ResourceGroup::default() {
            return Err(ManageError::GroupStays(group.name));
        }
        Ok(())
    }

    /// Deletes a group that has no more resources here, and ends an operation. Continues if the caller is dropped.
    pub async fn delete_group(&self, name: &ResourceGroup, end: End) -> Result<(), ManageError> {
        let (this, name) = (self.clone(), name.clone());
        run_to_completion(async move {
            // The lock keeps resources from being added meanwhile.
            let _lock = this.lock().await;
            this.check_group_deletion(&name).await?;
            let has_registry = this.all().iter().any(|registry| registry.profile().group == name);
            let has_identity =
                this.identities().await?.iter().any(|one| *one.resource.group() == name);
            if has_registry || has_identity {
                return Err(ManageError::GroupInUse(name));
            }
            let store = Arc::clone(&this.common().store);
            let forget = move || {
                deployments::remove_all(&store, name.as_str())?;
                store.delete_group(name.as_str(), &end)
            };
            Ok(blocking(forget).await?)
        })
        .await
    }

    /// Creates the group of a new resource, if it does not exist.
    pub(super) async fn ensure_group(
        &self,
        name: &ResourceGroup,
        location: &Location,
    ) -> Result<(), ManageError> {
        let (name, location) = (name.clone(), location.clone());
        self.store_group(&Group { name, location, tags: Tags::default() }).await.map(drop)
    }

    /// Creates the groups of all existing resources: a folder from before groups had rows has none.
    pub(super) async fn ensure_groups(&self) -> Result<(), ManageError> {
        self.ensure_group(&ResourceGroup::default(), &Location::default()).await?;
        for registry in self.all() {
            let profile = registry.profile();
            self.ensure_group(&profile.group, &profile.location).await?;
        }
        for identity in self.identities().await? {
            self.ensure_group(identity.resource.group(), &identity.location).await?;
        }
        Ok(())
    }
}

impl From<Group> for GroupRow {
    fn from(group: Group) -> Self {
        Self {
            name: group.name.to_string(),
            location: group.location.to_string(),
            tags: group.tags.as_map().clone(),
        }
    }
}

impl TryFrom<GroupRow> for Group {
    type Error = StoreError;

    fn try_from(row: GroupRow) -> Result<Self, StoreError> {
        let damaged = |error: &dyn std::fmt::Display| StoreError::Damaged(error.to_string());
        Ok(Self {
            name: row.name.parse().map_err(|error| damaged(&error))?,
            location: row.location.parse().map_err(|error| damaged(&error))?,
            tags: row.tags.try_into().map_err(|error| damaged(&error))?,
        })
    }
}
