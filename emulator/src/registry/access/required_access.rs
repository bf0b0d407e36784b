//! The access that a request needs, and the access that its caller has.

use super::action::{Action, Actions};
use super::scope::Scope;
use crate::names::RepositoryName;

/// The access that a request needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequiredAccess {
    /// Any authenticated caller.
    Login,
    /// The list of all repositories.
    Catalog,
    /// Any of some actions on a repository.
    Repository {
        /// The repository.
        name: RepositoryName,
        /// One of these is enough.
        any_of: Actions,
        /// The actions that the client is told to request, for example the usual pair for a push.
        challenge: Actions,
    },
}

/// The permissions of a request. They stay with the request, because a handler may check a second repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everything: the registry needs no login.
    Everything,
    /// The listed scopes.
    Granted(Vec<Scope>),
}

impl RequiredAccess {
    /// One action on a repository.
    pub fn action(name: RepositoryName, action: Action) -> Self {
        let any_of = Actions::from_iter([action]);
        Self::Repository { name, any_of, challenge: any_of }
    }

    /// The scope that a client must request. `None`: any login is enough.
    pub fn scope(&self) -> Option<Scope> {
        match self {
            Self::Login => None,
            Self::Catalog => Some(Scope::Catalog),
            Self::Repository { name, challenge, .. } => {
                Some(Scope::Repository { name: name.clone(), actions: *challenge })
            }
        }
    }
}

impl Access {
    /// Whether this access is allowed.
    pub fn allows(&self, required: &RequiredAccess) -> bool {
        let Self::Granted(scopes) = self else { return true };
        match required {
            RequiredAccess::Login => true,
            RequiredAccess::Catalog => scopes.contains(&Scope::Catalog),
            RequiredAccess::Repository { name, any_of, .. } => {
                scopes.iter().any(|scope| match scope {
                    Scope::Repository { name: granted, actions } => {
                        granted == name && !actions.and(*any_of).is_empty()
                    }
                    Scope::Catalog => false,
                })
            }
        }
    }

    /// Whether blobs of a repository may be mounted into another one: that needs the right to pull from it. Without a
    /// repository, they may come from any.
    pub fn may_mount(&self, from: Option<&RepositoryName>) -> bool {
        match from {
            Some(name) => self.allows(&RequiredAccess::action(name.clone(), Action::Pull)),
            None => *self == Self::Everything,
        }
    }
}
