//! The permissions of a caller in a registry, and the part of the requested scopes that they allow.

use super::action::{Action, Actions};
use super::admin;
use super::caller::Caller;
use super::directory::{self, Directory, VerifiedPrincipal};
use super::error::AccessError;
use super::scope::Scope;
use super::scope_map_actions;
use super::scope_maps::scope_map_named;
use crate::names::RepositoryName;
use crate::registry::{Error, Registry};

/// The allowed part of the requested scopes.
pub(super) struct GrantedScopes {
    pub(super) scopes: Vec<Scope>,
    /// Whether they are allowed because the registry is open.
    pub(super) is_open: bool,
}

/// The permissions of a caller in a registry.
enum Permissions<'a> {
    /// The registry is open: everything, and no login was checked.
    Open,
    Pull,
    All,
    Map {
        actions: Vec<scope_map_actions::ScopeMapAction>,
        catalog: bool,
    },
    Roles {
        directory: &'a dyn Directory,
        object_id: String,
        resource_id: String,
    },
}

/// The part of these scopes that a caller is allowed in a registry. Blocks.
pub(super) fn granted_scopes(
    directory: &dyn Directory,
    registry: &Registry,
    caller: &Caller,
    scopes: &[Scope],
) -> Result<GrantedScopes, AccessError> {
    let permissions = Permissions::look_up(directory, registry, caller)?;
    let scopes = scopes.iter().filter_map(|scope| permissions.allowed_part(scope)).collect();
    Ok(GrantedScopes { scopes, is_open: matches!(permissions, Permissions::Open) })
}

impl<'a> Permissions<'a> {
    fn look_up(
        directory: &'a dyn Directory,
        registry: &Registry,
        caller: &Caller,
    ) -> Result<Self, AccessError> {
        let parts = &registry.0;
        if registry.is_open() {
            return Ok(Self::Open);
        }
        Ok(match caller {
            Caller::Anyone if admin::settings(parts)?.anonymous_pull => Self::Pull,
            Caller::Anyone => return Err(AccessError::LoginRequired),
            Caller::Admin if admin::settings(parts)?.admin_enabled => Self::All,
            Caller::Admin => return Err(AccessError::AdminDisabled),
            Caller::Token(name) => {
                let row = parts.store.login_token(&parts.name, name)?;
                let row = row.ok_or(AccessError::WrongPassword)?;
                if !row.enabled {
                    return Err(AccessError::TokenDisabled(name.clone()));
                }
                let map = scope_map_named(parts, &row.scope_map)
                    .map_err(|error| AccessError::Registry(Error::internal(error)))?;
                let actions = map.map(|map| map.actions).unwrap_or_default();
                Self::Map { actions, catalog: row.scope_map == scope_map_actions::ADMIN }
            }
            Caller::Principal { client_id, object_id } => {
                let (client_id, object_id) = (client_id.clone(), object_id.clone());
                let principal = VerifiedPrincipal { client_id, object_id: object_id.clone() };
                if !directory.has(&principal) {
                    return Err(AccessError::Entra(
                        "its principal does not exist any more".to_owned(),
                    ));
                }
                Self::Roles { directory, object_id, resource_id: registry.resource_id() }
            }
        })
    }

    /// The allowed part of a scope, if there is one.
    fn allowed_part(&self, scope: &Scope) -> Option<Scope> {
        match scope {
            Scope::Catalog => self.allow_catalog().then_some(Scope::Catalog),
            Scope::Repository { name, actions } => {
                let actions = actions.and(self.actions_on(name));
                (!actions.is_empty()).then(|| Scope::Repository { name: name.clone(), actions })
            }
        }
    }

    fn allow_catalog(&self) -> bool {
        match self {
            // No action of a scope map covers the catalog: only the scope map for administrators opens it
            // (Azure/acr#675).
            Self::Map { catalog, .. } => *catalog,
            Self::Open | Self::Pull | Self::All => true,
            Self::Roles { directory, object_id, resource_id } => {
                directory.allows(object_id, directory::CATALOG, resource_id)
            }
        }
    }

    fn actions_on(&self, name: &RepositoryName) -> Actions {
        match self {
            Self::Pull => [Action::Pull, Action::MetadataRead].into_iter().collect(),
            Self::Open | Self::All => Actions::all(),
            Self::Map { actions, .. } => scope_map_actions::allowed(actions, name),
            Self::Roles { directory, object_id, resource_id } => Action::ALL
                .into_iter()
                .filter(|action| {
                    directory.allows(object_id, directory::operation(*action), resource_id)
                })
                .collect(),
        }
    }
}

/// The intersection of both lists.
pub(super) fn intersection(granted: &[Scope], requested: &[Scope]) -> Vec<Scope> {
    let common = requested.iter().filter_map(|requested| match requested {
        Scope::Catalog => granted.contains(requested).then(|| requested.clone()),
        Scope::Repository { name, actions } => granted.iter().find_map(|granted| match granted {
            Scope::Repository { name: known, actions: known_actions } if known == name => {
                let actions = actions.and(*known_actions);
                (!actions.is_empty()).then(|| Scope::Repository { name: name.clone(), actions })
            }
            Scope::Repository { .. } | Scope::Catalog => None,
        }),
    });
    common.collect()
}
