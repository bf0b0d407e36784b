use time::macros::datetime;

use super::*;
use crate::disk_space::DiskSpace;
use crate::durable::key::RowsKey;
use crate::durable::{Durability, OpenOptions};

const OWNER: &str = "00000000-0000-4000-8000-00000000a0a3";
const OTHER: &str = "11111111-0000-4000-8000-000000000001";
const SUBSCRIPTION: &str = "/subscriptions/00000000-0000-4000-8000-00000000a002";

fn scope(below: &str) -> Scope {
    format!("{SUBSCRIPTION}{below}").parse().unwrap()
}

fn open(folder: &std::path::Path) -> Authorization {
    let key = RowsKey::from_root(&zeroize::Zeroizing::new([1; 32]));
    let options = OpenOptions {
        folder,
        trees: &["authorization"],
        key: Arc::new(key),
        durability: Durability::Relaxed,
        disk_space: Arc::new(DiskSpace::without_reserve(folder)),
        is_new: true,
        repair: "repair",
        remembered: &[],
        superseded: None,
        restore: None,
    };
    let rows = Arc::new(durable::Rows::open(&options).unwrap());
    let clock = Clock::manual(datetime!(2026-01-01 00:00 UTC));
    Authorization::open(&rows, 0, &clock, OWNER, &scope(""), &Changes::default()).unwrap()
}

fn new(role: &'static RoleDefinition, at: &Scope) -> NewRoleAssignment {
    NewRoleAssignment {
        name: Uuid::new_v4(),
        scope: at.clone(),
        role: role.id,
        principal_id: OTHER.to_owned(),
        principal_type: PrincipalType::ServicePrincipal,
        description: None,
    }
}

#[test]
fn only_the_owner_owns_the_subscription_at_first() {
    let folder = tempfile::tempdir().unwrap();
    let roles = open(folder.path());
    let at = scope("/resourceGroups/g/providers/Microsoft.KeyVault/vaults/v");
    let write = Action::Control("Microsoft.KeyVault/vaults/write");

    assert!(roles.decide(OWNER, write, &at).is_some());
    assert!(roles.decide(OTHER, write, &at).is_none());
    // Owner is a role of the control plane: it reads no keys.
    assert!(
        roles.decide(OWNER, Action::Data("Microsoft.KeyVault/vaults/keys/read"), &at).is_none()
    );
}

#[test]
fn a_role_applies_at_its_scope_and_below_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let roles = open(folder.path());
    let group = scope("/resourceGroups/G");
    let read = Action::Control("Microsoft.KeyVault/vaults/read");

    let (made, assigned) = roles.assign(new(builtin::READER, &group), OWNER).unwrap();

    assert_eq!(assigned, Assigned::Created);
    let below = scope("/resourcegroups/g/providers/microsoft.keyvault/vaults/v");
    assert_eq!(roles.decide(OTHER, read, &below), Some(made.name));
    assert_eq!(roles.decide(OTHER, read, &scope("")), None);
    assert_eq!(roles.decide(OTHER, read, &scope("/resourceGroups/g2")), None);
}

#[test]
fn assignments_and_removals_survive_a_restart_and_the_owner_is_assigned_only_once() {
    let folder = tempfile::tempdir().unwrap();
    let roles = open(folder.path());
    let at = scope("/resourceGroups/g");
    let (made, _) = roles.assign(new(builtin::READER, &at), OWNER).unwrap();
    assert!(roles.remove(&scope(""), OWNER_ASSIGNMENT).unwrap().is_some());
    drop(roles);

    let roles = open(folder.path());

    let all = AssignmentQuery { at: scope(""), at_or_above: false, principal: None };
    assert_eq!(roles.assignments(&all), vec![made]);
}

#[test]
fn a_duplicate_under_another_name_is_refused_and_one_under_the_same_name_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let roles = open(folder.path());
    let at = scope("/resourceGroups/g");
    let first = new(builtin::READER, &at);
    let (made, _) = roles.assign(first.clone(), OWNER).unwrap();

    let again = roles.assign(first.clone(), OWNER).unwrap();
    let twice = roles.assign(new(builtin::READER, &scope("/resourcegroups/G")), OWNER);
    let other = NewRoleAssignment { role: builtin::OWNER.id, ..first };
    let changed = roles.assign(other, OWNER);

    assert_eq!(again, (made.clone(), Assigned::Unchanged));
    assert!(matches!(twice, Err(AuthorizationError::Exists(name)) if name == made.name));
    assert!(matches!(changed, Err(AuthorizationError::UpdateNotPermitted)));
}

#[test]
fn removal_under_a_scope_leaves_the_assignments_above_it() {
    let folder = tempfile::tempdir().unwrap();
    let roles = open(folder.path());
    let vault = scope("/resourceGroups/g/providers/Microsoft.KeyVault/vaults/v");
    let key = scope("/resourceGroups/g/providers/Microsoft.KeyVault/vaults/v/keys/k");
    roles.assign(new(builtin::READER, &vault), OWNER).unwrap();
    roles.assign(new(builtin::READER, &key), OWNER).unwrap();
    let (above, _) =
        roles.assign(new(builtin::READER, &scope("/resourceGroups/g")), OWNER).unwrap();

    roles.remove_under(&vault).unwrap();

    let of_other =
        AssignmentQuery { at: scope(""), at_or_above: false, principal: Some(OTHER.into()) };
    assert_eq!(roles.assignments(&of_other), vec![above]);
}
