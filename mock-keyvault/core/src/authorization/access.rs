//! The role assignments of one data folder, and the decisions about access.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use uuid::Uuid;

use super::action::Action;
use super::assignment::{AssignmentQuery, NewRoleAssignment, PrincipalType, RoleAssignment};
use super::builtin::{self, RoleDefinition};
use super::error::AuthorizationError;
use super::rows::Rows;
use super::scope::Scope;
use crate::changes::{ChangeKind, Changes, NotifyingGuard};
use crate::clock::Clock;
use crate::durable;

/// The most assignments that can exist: Azure's limit for a subscription.
const MAX_ASSIGNMENTS: usize = 4000;
/// The name of the assignment that gives the owner the role Owner, made at the first start.
const OWNER_ASSIGNMENT: Uuid = Uuid::from_u128(0x0000_0000_0000_4000_8000_0000_0000_a0b3);

/// Whether an assignment was made or existed already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assigned {
    /// It is new.
    Created,
    /// The same assignment existed under the same name; at most its description has changed.
    Unchanged,
}

/// The role assignments of one data folder.
pub struct Authorization {
    rows: Rows,
    clock: Clock,
    /// The assignments by name.
    assignments: RwLock<BTreeMap<Uuid, RoleAssignment>>,
    /// Held during each change, from the check until the change is in memory.
    changing: Mutex<()>,
    /// Notified of every change of `assignments`.
    changes: Changes,
}

impl Authorization {
    /// Opens the assignments in a tree of the rows. At the first start `owner` becomes the owner of `subscription`.
    pub fn open(
        rows: &Arc<durable::Rows>,
        tree: u8,
        clock: &Clock,
        owner: &str,
        subscription: &Scope,
        changes: &Changes,
    ) -> io::Result<Self> {
        let rows = Rows::new(rows, tree);
        let assignments = rows.load()?;
        let opened = Self {
            rows,
            clock: clock.clone(),
            assignments: RwLock::new(assignments),
            changing: Mutex::new(()),
            changes: changes.clone(),
        };
        if !opened.rows.is_begun()? {
            let now = clock.unix_now();
            let first = RoleAssignment {
                name: OWNER_ASSIGNMENT,
                scope: subscription.clone(),
                role: builtin::OWNER,
                principal_id: owner.to_ascii_lowercase(),
                principal_type: PrincipalType::ServicePrincipal,
                description: None,
                created: now,
                updated: now,
                created_by: owner.to_ascii_lowercase(),
                updated_by: owner.to_ascii_lowercase(),
            };
            opened.rows.begin(&first)?;
            opened.write().insert(first.name, first);
        }
        Ok(opened)
    }

    /// The assignment that allows a principal an action at a scope, if there is one.
    pub fn decide(&self, principal_id: &str, action: Action<'_>, at: &Scope) -> Option<Uuid> {
        let assignments = self.read();
        let found = assignments.values().find(|assignment| {
            assignment.principal_id.eq_ignore_ascii_case(principal_id)
                && assignment.scope.contains(at)
                && assignment.role.allows(action)
        });
        found.map(|assignment| assignment.name)
    }

    /// Makes an assignment, or keeps the existing one of this name.
    pub fn assign(
        &self,
        new: NewRoleAssignment,
        by: &str,
    ) -> Result<(RoleAssignment, Assigned), AuthorizationError> {
        let _changing = self.change();
        let now = self.clock.unix_now();
        let wanted = new.into_assignment(by, now)?;
        let (assignment, assigned) = {
            let assignments = self.read();
            match assignments.get(&wanted.name) {
                Some(found) if !found.grants_the_same(&wanted) => {
                    return Err(AuthorizationError::UpdateNotPermitted);
                }
                Some(found) => {
                    let updated = if found.description == wanted.description {
                        found.clone()
                    } else {
                        RoleAssignment {
                            created: found.created,
                            created_by: found.created_by.clone(),
                            ..wanted
                        }
                    };
                    (updated, Assigned::Unchanged)
                }
                None => {
                    if let Some(found) =
                        assignments.values().find(|found| found.grants_the_same(&wanted))
                    {
                        return Err(AuthorizationError::Exists(found.name));
                    }
                    if assignments.len() >= MAX_ASSIGNMENTS {
                        return Err(AuthorizationError::TooMany(MAX_ASSIGNMENTS));
                    }
                    (wanted, Assigned::Created)
                }
            }
        };
        self.rows.put(&assignment)?;
        self.write().insert(assignment.name, assignment.clone());
        Ok((assignment, assigned))
    }

    /// Removes an assignment. Returns `None` if there was none of this name at this scope.
    pub fn remove(
        &self,
        scope: &Scope,
        name: Uuid,
    ) -> Result<Option<RoleAssignment>, AuthorizationError> {
        let _changing = self.change();
        let Some(found) = self.assignment(scope, name) else { return Ok(None) };
        self.rows.remove(&[name])?;
        self.write().remove(&name);
        Ok(Some(found))
    }

    /// Removes every assignment of this role to a principal at exactly this scope.
    pub fn remove_grant(
        &self,
        scope: &Scope,
        role: &RoleDefinition,
        principal_id: &str,
    ) -> Result<(), AuthorizationError> {
        self.remove_where(|assignment| {
            assignment.scope == *scope
                && assignment.role.id == role.id
                && assignment.principal_id.eq_ignore_ascii_case(principal_id)
        })
    }

    /// Removes every assignment at this scope and below it, as Azure does when a resource is deleted.
    pub fn remove_under(&self, scope: &Scope) -> Result<(), AuthorizationError> {
        self.remove_where(|assignment| scope.contains(&assignment.scope))
    }

    /// Whether there is an assignment at this scope or below it.
    pub fn has_assignment_under(&self, scope: &Scope) -> bool {
        self.read().values().any(|assignment| scope.contains(&assignment.scope))
    }

    /// The assignment of this name at this scope.
    pub fn assignment(&self, scope: &Scope, name: Uuid) -> Option<RoleAssignment> {
        self.read().get(&name).filter(|found| found.scope == *scope).cloned()
    }

    /// The assignments that a query asks for, by name.
    pub fn assignments(&self, query: &AssignmentQuery) -> Vec<RoleAssignment> {
        self.read().values().filter(|assignment| query.matches(assignment)).cloned().collect()
    }

    fn remove_where(
        &self,
        goes: impl Fn(&RoleAssignment) -> bool,
    ) -> Result<(), AuthorizationError> {
        let _changing = self.change();
        let names: Vec<Uuid> =
            self.read().values().filter(|found| goes(found)).map(|found| found.name).collect();
        if names.is_empty() {
            return Ok(());
        }
        self.rows.remove(&names)?;
        let mut assignments = self.write();
        for name in &names {
            assignments.remove(name);
        }
        Ok(())
    }

    // No code panics while it holds one of these locks, so a poisoned lock still guards a whole value.

    fn change(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<Uuid, RoleAssignment>> {
        self.assignments.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks the assignments for a change, and notifies the listeners afterwards. All changes go through here.
    fn write(&self) -> NotifyingGuard<'_, BTreeMap<Uuid, RoleAssignment>> {
        let guard = self.assignments.write().unwrap_or_else(PoisonError::into_inner);
        self.changes.notifying(guard, ChangeKind::Role, None)
    }
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorization").finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
