//! The stored rows of role assignments: one for each assignment and one for its description, all below 4 KiB.
//!
//! Called by [`super::Authorization`] on blocking threads. A change is durable when the call returns. No other module of
//! this folder knows the rows.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::assignment::{PrincipalType, RoleAssignment};
use super::builtin;
use crate::disk_space::Purpose;
use crate::durable::{self, View};

/// The key of the row that the first start writes. It prevents a later start from assigning the owner's role again.
const BEGUN: &[u8] = b"begun";
/// The first byte of the key of every assignment. It is part of the stored format and must not change.
const ASSIGNMENT: u8 = b'a';
/// The first byte of the key of every description. Descriptions have rows of their own because they can be long.
const DESCRIPTION: u8 = b'd';

#[derive(Debug)]
pub(super) struct Rows {
    rows: Arc<durable::Rows>,
    tree: u8,
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
    /// Accesses the rows of role assignments in this tree.
    pub(super) fn new(rows: &Arc<durable::Rows>, tree: u8) -> Self {
        Self { rows: Arc::clone(rows), tree }
    }

    pub(super) fn is_begun(&self) -> io::Result<bool> {
        self.rows.has(self.tree, BEGUN)
    }

    /// Stores the first assignment, and the row that says so.
    pub(super) fn begin(&self, first: &RoleAssignment) -> io::Result<()> {
        self.rows.change(Purpose::Rows, |view| {
            view.put(self.tree, BEGUN, b"1");
            self.write(view, first)
        })
    }

    pub(super) fn put(&self, assignment: &RoleAssignment) -> io::Result<()> {
        self.rows.change(Purpose::Rows, |view| self.write(view, assignment))
    }

    pub(super) fn remove(&self, names: &[Uuid]) -> io::Result<()> {
        self.rows.change(Purpose::Removal, |view| {
            for name in names {
                view.remove(self.tree, key(ASSIGNMENT, *name));
                view.remove(self.tree, key(DESCRIPTION, *name));
            }
            Ok(())
        })
    }

    pub(super) fn load(&self) -> io::Result<BTreeMap<Uuid, RoleAssignment>> {
        let mut found = BTreeMap::new();
        for entry in self.rows.scan_prefix(self.tree, &[ASSIGNMENT]) {
            let (at, value) = entry?;
            // The row `BEGUN` starts with another letter, and is not a name.
            let Ok(name) = Uuid::from_slice(at.get(1..).unwrap_or_default()) else { continue };
            let row: Row = serde_json::from_slice(&value).map_err(damaged)?;
            let description = match self.rows.get(self.tree, &key(DESCRIPTION, name))? {
                None => None,
                Some(text) => Some(String::from_utf8(text.to_vec()).map_err(damaged)?),
            };
            found.insert(name, row.into_assignment(name, description)?);
        }
        Ok(found)
    }

    fn write(&self, view: &View<'_>, assignment: &RoleAssignment) -> io::Result<()> {
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
        view.put(self.tree, key(ASSIGNMENT, assignment.name), serde_json::to_vec(&row)?);
        let description = key(DESCRIPTION, assignment.name);
        match &assignment.description {
            // A thousand characters at most, of four bytes at most: one row is enough.
            Some(text) => view.put(self.tree, description, text.as_bytes()),
            None => view.remove(self.tree, description),
        }
        Ok(())
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
            principal_type: PrincipalType::parse(&self.principal_type).unwrap_or_default(),
            description,
            created: self.created,
            updated: self.updated,
            created_by: self.created_by,
            updated_by: self.updated_by,
        })
    }
}

fn key(kind: u8, name: Uuid) -> Vec<u8> {
    let mut key = vec![kind];
    key.extend_from_slice(name.as_bytes());
    key
}

fn damaged(error: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("a role assignment is damaged: {error}"))
}
