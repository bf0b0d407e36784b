//! The rows of role assignments in the shared database: one each, and one for its description, all below 4 KiB.
//!
//! Called by [`super::Authorization`] on blocking threads. What returned is durable. This is the only place of this
//! folder that knows the database.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sled::{Batch, Tree};
use uuid::Uuid;

use super::assignment::{PrincipalType, RoleAssignment};
use super::builtin;
use crate::durable::DurableDb;

/// Is there from the first start on: what the owner removed is not made again.
const BEGUN: &[u8] = b"begun";
/// Begins the key of every assignment. It must stay.
const ASSIGNMENT: u8 = b'a';
/// Begins the key of every description, which alone may be long.
const DESCRIPTION: u8 = b'd';

#[derive(Debug)]
pub(super) struct Rows {
    db: Arc<DurableDb>,
    tree: Tree,
}

#[derive(Serialize, Deserialize)]
struct Row {
    scope: String,
    role: Uuid,
    principal_id: String,
    principal_type: String,
    created: i64,
    updated: i64,
    created_by: String,
    updated_by: String,
}

impl Rows {
    pub(super) fn open(db: &Arc<DurableDb>) -> io::Result<Self> {
        Ok(Self { db: Arc::clone(db), tree: db.tree("authorization")? })
    }

    pub(super) fn is_begun(&self) -> io::Result<bool> {
        Ok(self.tree.contains_key(BEGUN)?)
    }

    /// Keeps the first assignment, and that it was made.
    pub(super) fn begin(&self, first: &RoleAssignment) -> io::Result<()> {
        let change = self.db.change()?;
        let mut batch = Batch::default();
        batch.insert(BEGUN, &b"1"[..]);
        into_batch(&mut batch, first)?;
        change.apply(&self.tree, batch)?;
        change.commit()
    }

    pub(super) fn put(&self, assignment: &RoleAssignment) -> io::Result<()> {
        let change = self.db.change()?;
        let mut batch = Batch::default();
        into_batch(&mut batch, assignment)?;
        change.apply(&self.tree, batch)?;
        change.commit()
    }

    pub(super) fn remove(&self, names: &[Uuid]) -> io::Result<()> {
        let change = self.db.change()?;
        let mut batch = Batch::default();
        for name in names {
            batch.remove(key(ASSIGNMENT, *name));
            batch.remove(key(DESCRIPTION, *name));
        }
        change.apply(&self.tree, batch)?;
        change.commit()
    }

    pub(super) fn load(&self) -> io::Result<BTreeMap<Uuid, RoleAssignment>> {
        let mut found = BTreeMap::new();
        for entry in self.tree.scan_prefix([ASSIGNMENT]) {
            let (at, value) = entry?;
            // The row that says that all has begun starts with another letter, and is no name.
            let Ok(name) = Uuid::from_slice(at.get(1..).unwrap_or_default()) else { continue };
            let row: Row = serde_json::from_slice(&value).map_err(damaged)?;
            let description = match self.tree.get(key(DESCRIPTION, name))? {
                None => None,
                Some(text) => Some(String::from_utf8(text.to_vec()).map_err(damaged)?),
            };
            found.insert(name, row.into_assignment(name, description)?);
        }
        Ok(found)
    }
}

impl Row {
    fn into_assignment(
        self,
        name: Uuid,
        description: Option<String>,
    ) -> io::Result<RoleAssignment> {
        Ok(RoleAssignment {
            name,
            scope: self.scope.parse().map_err(damaged)?,
            role: builtin::by_id(self.role)
                .ok_or_else(|| damaged(format!("there is no role {}", self.role)))?,
            principal_id: self.principal_id,
            principal_type: PrincipalType::of(&self.principal_type).unwrap_or_default(),
            description,
            created: self.created,
            updated: self.updated,
            created_by: self.created_by,
            updated_by: self.updated_by,
        })
    }
}

fn into_batch(batch: &mut Batch, assignment: &RoleAssignment) -> io::Result<()> {
    let row = Row {
        scope: assignment.scope.as_str().to_owned(),
        role: assignment.role.id,
        principal_id: assignment.principal_id.clone(),
        principal_type: assignment.principal_type.to_string(),
        created: assignment.created,
        updated: assignment.updated,
        created_by: assignment.created_by.clone(),
        updated_by: assignment.updated_by.clone(),
    };
    batch.insert(key(ASSIGNMENT, assignment.name), serde_json::to_vec(&row)?);
    match &assignment.description {
        // A thousand characters at most, of four bytes at most: one row is enough.
        Some(text) => batch.insert(key(DESCRIPTION, assignment.name), text.as_bytes()),
        None => batch.remove(key(DESCRIPTION, assignment.name)),
    }
    Ok(())
}

fn key(kind: u8, name: Uuid) -> Vec<u8> {
    let mut key = vec![kind];
    key.extend_from_slice(name.as_bytes());
    key
}

fn damaged(error: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("a role assignment is damaged: {error}"))
}
