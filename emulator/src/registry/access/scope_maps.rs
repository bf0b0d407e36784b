//! Manages the scope maps of a registry: the predefined ones and its own.

use time::OffsetDateTime;

use super::access_name::AccessName;
use super::error::AccessChangeError;
use super::manage::moment;
use super::scope_map_actions::{self, ScopeMapAction};
use crate::registry::{Parts, Registry};
use crate::store::{DeletedScopeMap, ScopeMapRow};

/// The maximum number of actions in a scope map: five for each of ACR's 500 repositories.
const MAX_ACTIONS: usize = 2500;

/// A scope map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeMap {
    /// Its name.
    pub name: String,
    /// Its description.
    pub description: String,
    /// When it was created; `None` if it is predefined.
    pub created: Option<OffsetDateTime>,
    /// Its actions.
    pub actions: Vec<ScopeMapAction>,
}

impl ScopeMap {
    /// Whether it is predefined.
    pub fn is_system_defined(&self) -> bool {
        self.created.is_none()
    }
}

impl Registry {
    /// The scope maps by name, including the predefined ones.
    pub async fn scope_maps(&self) -> Result<Vec<ScopeMap>, AccessChangeError> {
        self.manage(|parts| {
            let own = parts.store.scope_maps(&parts.name)?;
            let system = scope_map_actions::system_names().map(str::to_owned);
            let mut names: Vec<String> = own.into_iter().chain(system).collect();
            names.sort();
            names.iter().filter_map(|name| scope_map_named(parts, name).transpose()).collect()
        })
        .await
    }

    /// A scope map by its name.
    pub async fn scope_map(&self, name: &str) -> Result<ScopeMap, AccessChangeError> {
        let name = name.to_owned();
        self.manage(move |parts| {
            scope_map_named(parts, &name)?.ok_or(AccessChangeError::ScopeMapUnknown(name))
        })
        .await
    }

    /// Creates a scope map, or replaces the description and the actions of an existing one.
    pub async fn put_scope_map(
        &self,
        name: &AccessName,
        description: &str,
        actions: &[String],
    ) -> Result<ScopeMap, AccessChangeError> {
        if scope_map_actions::system(name.as_str()).is_some() {
            return Err(AccessChangeError::SystemScopeMap(name.to_string()));
        }
        if actions.len() > MAX_ACTIONS {
            return Err(AccessChangeError::TooManyActions(MAX_ACTIONS));
        }
        let actions: Vec<ScopeMapAction> =
            actions.iter().map(|action| action.parse()).collect::<Result<_, _>>()?;
        let (name, description) = (name.to_string(), description.to_owned());
        self.manage(move |parts| {
            let texts: Vec<String> =
                actions.iter().map(|action| action.as_str().to_owned()).collect();
            let row = ScopeMapRow { description, created: parts.clock.unix_now() };
            parts.store.put_scope_map(&parts.name, &name, &row, &texts)?;
            scope_map_named(parts, &name)?.ok_or(AccessChangeError::ScopeMapUnknown(name))
        })
        .await
    }

    /// Deletes a scope map that no token uses.
    pub async fn delete_scope_map(&self, name: &str) -> Result<(), AccessChangeError> {
        if scope_map_actions::system(name).is_some() {
            return Err(AccessChangeError::SystemScopeMap(name.to_owned()));
        }
        let name = name.to_owned();
        self.manage(move |parts| match parts.store.delete_scope_map(&parts.name, &name)? {
            DeletedScopeMap::Removed => Ok(()),
            DeletedScopeMap::Unknown => Err(AccessChangeError::ScopeMapUnknown(name)),
            DeletedScopeMap::Used(token) => {
                Err(AccessChangeError::ScopeMapUsed { scope_map: name, token })
            }
        })
        .await
    }
}

/// A scope map by its name, predefined or the registry's own. Blocks.
pub(super) fn scope_map_named(
    parts: &Parts,
    name: &str,
) -> Result<Option<ScopeMap>, AccessChangeError> {
    let name = name.to_owned();
    if let Some((description, actions)) = scope_map_actions::system(&name) {
        let description = description.to_owned();
        return Ok(Some(ScopeMap { name, description, created: None, actions }));
    }
    let Some((row, actions)) = parts.store.scope_map(&parts.name, &name)? else {
        return Ok(None);
    };
    let actions = actions.iter().map(|action| action.parse()).collect::<Result<_, _>>()?;
    let created = Some(moment(row.created));
    Ok(Some(ScopeMap { name, description: row.description, created, actions }))
}
