//! Records of the templates that were deployed to a resource group, in the order of time.
//!
//! `arm/` deploys; this module keeps the records. A group has at most [`MAX_DEPLOYMENTS`]: the oldest is deleted first,
//! as in Azure. The resources of a deleted deployment remain.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;
use time::OffsetDateTime;

use super::error::ManageError;
use super::registries::Registries;
use crate::registry::blocking::blocking;
use crate::registry::resources::{DeploymentName, ResourceGroup};
use crate::store::{DeploymentRow, End, Store, StoreError};

/// The maximum number of deployments in a group, as in Azure.
const MAX_DEPLOYMENTS: usize = 800;

/// The state of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeploymentState {
    /// It is running, or the emulator stopped while it was.
    Running,
    /// All its resources were made.
    Succeeded,
    /// Some of its resources were not made.
    Failed,
    /// It was canceled.
    Canceled,
}

/// A deployment.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// The group of its resources.
    pub group: ResourceGroup,
    /// Its name.
    pub name: DeploymentName,
    /// Its state.
    pub state: DeploymentState,
    /// When it began.
    pub begun: OffsetDateTime,
    /// When it ended.
    pub ended: Option<OffsetDateTime>,
    /// The control plane's other data about it. Only `arm/` reads it.
    pub report: Value,
}

impl Registries {
    /// The current time of the emulator's clock.
    pub fn moment(&self) -> OffsetDateTime {
        self.common().clock.now()
    }

    /// Stores a new deployment, replacing one of the same name. True: there was none.
    pub async fn begin_deployment(
        &self,
        deployment: &Deployment,
        template: String,
    ) -> Result<bool, ManageError> {
        let (store, row) = (self.store(), DeploymentRow::try_from(deployment)?);
        Ok(blocking(move || {
            let is_new = store.deployment(&row.group, &row.name)?.is_none();
            store.put_deployment(&row, &template)?;
            remove_oldest(&store, &row.group)?;
            Ok::<_, StoreError>(is_new)
        })
        .await?)
    }

    /// Stores the result of a deployment, and ends its operation.
    pub async fn end_deployment(
        &self,
        deployment: &Deployment,
        end: End,
    ) -> Result<(), ManageError> {
        let (store, row) = (self.store(), DeploymentRow::try_from(deployment)?);
        // Its group may be deleted by now, and the deployment with it.
        blocking(move || store.replace_deployment(&row, &end)).await?;
        Ok(())
    }

    /// The deployment of this name.
    pub async fn deployment(
        &self,
        group: &ResourceGroup,
        name: &DeploymentName,
    ) -> Result<Deployment, ManageError> {
        let (store, group, key) = (self.store(), group.clone(), name.clone());
        let row = blocking(move || store.deployment(group.as_str(), key.as_str())).await?;
        let row = row.ok_or_else(|| ManageError::NoDeployment(name.clone()))?;
        Ok(row.try_into()?)
    }

    /// The template of a deployment, as JSON text.
    pub async fn deployment_template(
        &self,
        group: &ResourceGroup,
        name: &DeploymentName,
    ) -> Result<String, ManageError> {
        let (store, group, key) = (self.store(), group.clone(), name.clone());
        let text =
            blocking(move || store.deployment_template(group.as_str(), key.as_str())).await?;
        text.ok_or_else(|| ManageError::NoDeployment(name.clone()))
    }

    /// The deployments of a group, newest first.
    pub async fn deployments(&self, group: &ResourceGroup) -> Result<Vec<Deployment>, ManageError> {
        let (store, group) = (self.store(), group.clone());
        let rows = blocking(move || rows_of(&store, group.as_str())).await?;
        let all: Result<Vec<Deployment>, StoreError> =
            rows.into_iter().map(Deployment::try_from).collect();
        let mut all = all?;
        all.sort_by_key(|deployment| std::cmp::Reverse(deployment.begun));
        Ok(all)
    }

    /// Deletes the record of a deployment. False: there is none.
    pub async fn delete_deployment(
        &self,
        group: &ResourceGroup,
        name: &DeploymentName,
    ) -> Result<bool, ManageError> {
        let (store, group, name) = (self.store(), group.clone(), name.clone());
        Ok(blocking(move || store.delete_deployment(group.as_str(), name.as_str())).await?)
    }

    /// Deletes the records of a group's deployments.
    pub(super) async fn remove_deployments(
        &self,
        group: &ResourceGroup,
    ) -> Result<(), ManageError> {
        let (store, group) = (self.store(), group.clone());
        Ok(blocking(move || remove_all(&store, group.as_str())).await?)
    }

    fn store(&self) -> Arc<Store> {
        Arc::clone(&self.common().store)
    }
}

/// Deletes the records of a group's deployments, because the group is deleted.
pub(super) fn remove_all(store: &Store, group: &str) -> Result<(), StoreError> {
    for name in store.deployment_names(group)? {
        store.delete_deployment(group, &name)?;
    }
    Ok(())
}

/// Deletes the oldest deployments of a group while there are too many.
fn remove_oldest(store: &Store, group: &str) -> Result<(), StoreError> {
    if store.deployment_names(group)?.len() <= MAX_DEPLOYMENTS {
        return Ok(());
    }
    let mut rows = rows_of(store, group)?;
    rows.sort_by_key(|row| std::cmp::Reverse(row.begun));
    for row in rows.iter().skip(MAX_DEPLOYMENTS) {
        store.delete_deployment(group, &row.name)?;
    }
    Ok(())
}

fn rows_of(store: &Store, group: &str) -> Result<Vec<DeploymentRow>, StoreError> {
    let names = store.deployment_names(group)?;
    // A deployment that is deleted meanwhile is missing here.
    names.iter().filter_map(|name| store.deployment(group, name).transpose()).collect()
}

impl DeploymentState {
    const ALL: [Self; 4] = [Self::Running, Self::Succeeded, Self::Failed, Self::Canceled];

    /// Azure's term.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Canceled => "Canceled",
        }
    }
}

impl Deployment {
    /// The resource id.
    pub fn id(&self) -> String {
        Self::id_of(&self.group, &self.name)
    }

    /// The resource id of a deployment, whether it exists or not.
    pub fn id_of(group: &ResourceGroup, name: &DeploymentName) -> String {
        format!("{}/providers/Microsoft.Resources/deployments/{name}", group.id())
    }
}

impl TryFrom<&Deployment> for DeploymentRow {
    type Error = StoreError;

    fn try_from(deployment: &Deployment) -> Result<Self, StoreError> {
        let millis = |moment: OffsetDateTime| {
            i64::try_from(moment.unix_timestamp_nanos() / 1_000_000)
                .map_err(|error| StoreError::Damaged(error.to_string()))
        };
        Ok(Self {
            group: deployment.group.to_string(),
            name: deployment.name.to_string(),
            state: deployment.state.as_str().to_owned(),
            begun: millis(deployment.begun)?,
            ended: deployment.ended.map(millis).transpose()?,
            report: deployment.report.clone(),
        })
    }
}

impl TryFrom<DeploymentRow> for Deployment {
    type Error = StoreError;

    fn try_from(row: DeploymentRow) -> Result<Self, StoreError> {
        let damaged = |error: &dyn fmt::Display| StoreError::Damaged(error.to_string());
        let moment = |millis: i64| {
            OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000)
                .map_err(|error| damaged(&error))
        };
        let mut states = DeploymentState::ALL.into_iter();
        let state = states.find(|state| state.as_str() == row.state);
        Ok(Self {
            group: row.group.parse().map_err(|error| damaged(&error))?,
            name: row.name.parse().map_err(|error| damaged(&error))?,
            state: state.ok_or_else(|| damaged(&"a deployment has no known state"))?,
            begun: moment(row.begun)?,
            ended: row.ended.map(moment).transpose()?,
            report: row.report,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_forgets_its_oldest_deployments() {
        let folder = tempfile::tempdir().unwrap();
        let durability = crate::store::Durability::Relaxed;
        let store = Store::open(folder.path(), durability).unwrap();
        let row = |at: i64| DeploymentRow {
            group: "g".to_owned(),
            name: format!("d{at}"),
            state: "Succeeded".to_owned(),
            begun: at,
            ended: Some(at),
            report: Value::Null,
        };
        let last = i64::try_from(MAX_DEPLOYMENTS).unwrap();
        for at in 0..=last {
            store.put_deployment(&row(last - at), "{}").unwrap();
        }

        remove_oldest(&store, "G").unwrap();

        assert_eq!(store.deployment_names("g").unwrap().len(), MAX_DEPLOYMENTS);
        assert!(store.deployment("g", "d0").unwrap().is_none());
        assert!(store.deployment("g", "d1").unwrap().is_some());
    }
}
