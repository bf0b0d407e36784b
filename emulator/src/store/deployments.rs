//! Deployments: the report and the template of each, by resource group and name in lower case.
//!
//! Both may be longer than a row, so they are stored in pieces. A deployment is replaced as a whole: readers never see a
//! mix of two.

use azure_emulator_core::disk_space::Purpose;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::database::Database;
use super::encoding::{decode, key, nth_part, prefix};
use super::error::StoreError;
use super::handle::Store;
use super::intents::End;
use super::tables::Table;
use super::view::View;

/// The length of a piece. Each is below the limit of a row.
const PIECE: usize = 3500;

/// A deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentRow {
    /// Its resource group, as it was written.
    pub group: String,
    /// Its name, as it was written.
    pub name: String,
    /// Its state.
    pub state: String,
    /// When it began: milliseconds since 1970, emulator time.
    pub begun: i64,
    /// When it ended: milliseconds since 1970, emulator time.
    pub ended: Option<i64>,
    /// The control plane's report about it, opaque to the store.
    pub report: Value,
}

impl Store {
    /// Stores a deployment, and replaces a deployment of the same group and name. Durable on return.
    pub fn put_deployment(&self, row: &DeploymentRow, template: &str) -> Result<(), StoreError> {
        let record =
            serde_json::to_vec(row).map_err(|error| StoreError::Damaged(error.to_string()))?;
        let name = Name::new(&row.group, &row.name);
        let writer = self.database.writer()?;
        let old = name.keys(&self.database)?;
        writer.transact(|view| {
            old.iter().try_for_each(|(table, at)| view.remove(*table, at.clone()))?;
            name.write(view, Table::Deployments, &record)?;
            name.write(view, Table::DeploymentTemplates, template.as_bytes())
        })?;
        drop(writer);
        self.database.commit()
    }

    /// Replaces the report of a deployment, and ends its operation; its template stays. Durable on return. Returns false if there
    /// is no such deployment; then only the operation ended.
    pub fn replace_deployment(&self, row: &DeploymentRow, end: &End) -> Result<bool, StoreError> {
        let record =
            serde_json::to_vec(row).map_err(|error| StoreError::Damaged(error.to_string()))?;
        let name = Name::new(&row.group, &row.name);
        let writer = self.database.writer()?;
        let old = name.keys_in(&self.database, Table::Deployments)?;
        writer.transact(|view| {
            old.iter().try_for_each(|at| view.remove(Table::Deployments, at.clone()))?;
            if !old.is_empty() {
                name.write(view, Table::Deployments, &record)?;
            }
            view.end(end)
        })?;
        drop(writer);
        self.database.commit()?;
        Ok(!old.is_empty())
    }

    /// The deployment of this group and name.
    pub fn deployment(&self, group: &str, name: &str) -> Result<Option<DeploymentRow>, StoreError> {
        let bytes = Name::new(group, name).read(&self.database, Table::Deployments)?;
        bytes.map(|bytes| decode(&bytes)).transpose()
    }

    /// The template of the deployment of this group and name.
    pub fn deployment_template(
        &self,
        group: &str,
        name: &str,
    ) -> Result<Option<String>, StoreError> {
        let bytes = Name::new(group, name).read(&self.database, Table::DeploymentTemplates)?;
        let text = bytes.map(String::from_utf8).transpose();
        text.map_err(|_| {
            StoreError::Damaged("the template of a deployment is not UTF-8".to_owned())
        })
    }

    /// The names of the deployments of a group, in lower case and in their order.
    pub fn deployment_names(&self, group: &str) -> Result<Vec<String>, StoreError> {
        let _still = self.database.hold_still();
        let rows = self.database.scan(Table::Deployments, &prefix(&[&group.to_lowercase()]));
        let names = rows.map(|row| nth_part(&row?.0, 1));
        let mut names: Vec<String> = names.collect::<Result<_, _>>()?;
        names.dedup();
        Ok(names)
    }

    /// Deletes a deployment. Durable on return. Returns false if there is none.
    pub fn delete_deployment(&self, group: &str, name: &str) -> Result<bool, StoreError> {
        let writer = self.database.writer()?;
        let keys = Name::new(group, name).keys(&self.database)?;
        writer.transact_for(Purpose::Removal, |view| {
            keys.iter().try_for_each(|(table, at)| view.remove(*table, at.clone()))
        })?;
        drop(writer);
        self.database.commit()?;
        Ok(!keys.is_empty())
    }
}

/// The parts of the keys of one deployment.
struct Name {
    group: String,
    name: String,
}

impl Name {
    fn new(group: &str, name: &str) -> Self {
        Self { group: group.to_lowercase(), name: name.to_lowercase() }
    }

    /// The pieces joined in order. `None` if there are none.
    fn read(&self, database: &Database, table: Table) -> Result<Option<Vec<u8>>, StoreError> {
        // No other thread replaces some of them meanwhile.
        let _still = database.hold_still();
        let mut whole = None;
        for piece in database.scan(table, &self.prefix()) {
            whole.get_or_insert_with(Vec::new).extend_from_slice(&piece?.1);
        }
        Ok(whole)
    }

    fn write(&self, view: &View<'_>, table: Table, bytes: &[u8]) -> Result<(), StoreError> {
        bytes.chunks(PIECE).enumerate().try_for_each(|(at, piece)| {
            // Zero-padded, so that keys sort by number.
            let at = key(&[&self.group, &self.name, &format!("{at:06}")]);
            view.put_bytes(table, at, piece.to_vec())
        })
    }

    fn keys(&self, database: &Database) -> Result<Vec<(Table, Vec<u8>)>, StoreError> {
        let mut keys = Vec::new();
        for table in [Table::Deployments, Table::DeploymentTemplates] {
            keys.extend(self.keys_in(database, table)?.into_iter().map(|at| (table, at)));
        }
        Ok(keys)
    }

    fn keys_in(&self, database: &Database, table: Table) -> Result<Vec<Vec<u8>>, StoreError> {
        database.scan(table, &self.prefix()).map(|row| Ok(row?.0.to_vec())).collect()
    }

    fn prefix(&self) -> Vec<u8> {
        prefix(&[&self.group, &self.name])
    }
}

#[cfg(test)]
mod tests {
    use azure_emulator_core::durable::Durability;
    use serde_json::json;

    use super::*;

    fn row(name: &str, report: Value) -> DeploymentRow {
        let (group, state) = ("Team".to_owned(), "Running".to_owned());
        DeploymentRow { group, name: name.to_owned(), state, begun: 1, ended: None, report }
    }

    #[test]
    fn a_deployment_of_any_length_is_replaced_as_a_whole_and_survives_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Durability::Full).unwrap();
        let long = row("First", json!({"text": "é".repeat(20_000)}));
        let short = row("first", json!({"text": "x"}));
        let template = "ü".repeat(10_001);

        store.put_deployment(&long, &template).unwrap();
        store.put_deployment(&row("firs", json!(1)), "").unwrap();
        let read = store.deployment("team", "FIRST").unwrap();
        let read_template = store.deployment_template("TEAM", "first").unwrap();
        let replaced = store.replace_deployment(&short, &End::Nothing).unwrap();
        let absent = store.replace_deployment(&row("other", Value::Null), &End::Nothing).unwrap();
        drop(store);
        let store = Store::open(folder.path(), Durability::Full).unwrap();

        assert_eq!(read, Some(long));
        assert_eq!(read_template, Some(template.clone()));
        assert!(replaced && !absent);
        assert_eq!(store.deployment("team", "first").unwrap(), Some(short));
        assert_eq!(store.deployment_template("team", "first").unwrap(), Some(template));
        assert_eq!(store.deployment_names("TEAM").unwrap(), ["firs", "first"]);
        assert!(store.delete_deployment("team", "FIRST").unwrap());
        assert!(!store.delete_deployment("team", "first").unwrap());
        assert_eq!(store.deployment_names("team").unwrap(), ["firs"]);
        assert_eq!(store.deployment_template("team", "first").unwrap(), None);
    }
}
