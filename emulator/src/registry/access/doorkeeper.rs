//! Authenticates requests, determines their permissions, and issues tokens for them.
//!
//! `acr/` calls it: for every request to a registry that requires a login, and for the token endpoints. It does not
//! know HTTP. Permissions are looked up when a token is requested or a password is used; an access token is trusted.

use std::fmt;
use std::sync::Arc;

use azure_emulator_core::clock::Clock;
use zeroize::Zeroizing;

use super::action::{Action, Actions};
use super::directory::{self, Directory, Vouched};
use super::error::AccessError;
use super::jwt::{Audience, Caller, TokenKey};
use super::scope::Scope;
use super::tokens::{AccessName, scope_map_named};
use super::{admin, password, scope_map};
use crate::names::RepositoryName;
use crate::registry::{Error, Registry};
use crate::store::Store;

/// The user name for a client that sends a token of the registry instead of a password.
const TOKEN_USER: &str = "00000000-0000-0000-0000-000000000000";

/// The credentials of a request.
#[derive(Clone)]
pub enum Credentials {
    /// Nothing.
    None,
    /// A user name and a password.
    Basic {
        /// The user name.
        user: String,
        /// The password, or a token of the registry.
        password: Zeroizing<String>,
    },
    /// An access token.
    Bearer(Zeroizing<String>),
}

/// The credentials of a token request.
#[derive(Clone)]
pub enum Proof {
    /// None.
    None,
    /// With a user name and a password.
    Password {
        /// The user name.
        user: String,
        /// The password, or a token of the registry.
        password: Zeroizing<String>,
    },
    /// With a refresh token.
    Refresh(Zeroizing<String>),
}

/// The permission that a request needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// Any authenticated caller.
    Login,
    /// The list of all repositories.
    Catalog,
    /// Any of some actions on a repository.
    Repository {
        /// The repository.
        name: RepositoryName,
        /// One of these is enough.
        any: Actions,
        /// The actions that the client is told to request, for example the usual pair for a push.
        ask: Actions,
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

/// Authenticates callers and determines their permissions. Clones share it.
#[derive(Clone)]
pub struct Doorkeeper(Arc<Inner>);

struct Inner {
    key: TokenKey,
    directory: Arc<dyn Directory>,
    clock: Clock,
}

impl Need {
    /// One action on a repository.
    pub fn action(name: RepositoryName, action: Action) -> Self {
        let any = Actions::from_iter([action]);
        Self::Repository { name, any, ask: any }
    }

    /// The scope that a client must request. `None`: any login is enough.
    pub fn scope(&self) -> Option<Scope> {
        match self {
            Self::Login => None,
            Self::Catalog => Some(Scope::Catalog),
            Self::Repository { name, ask, .. } => {
                Some(Scope::Repository { name: name.clone(), actions: *ask })
            }
        }
    }
}

impl Access {
    /// Whether the need is allowed.
    pub fn meets(&self, need: &Need) -> bool {
        let Self::Granted(scopes) = self else { return true };
        match need {
            Need::Login => true,
            Need::Catalog => scopes.contains(&Scope::Catalog),
            Need::Repository { name, any, .. } => scopes.iter().any(|scope| match scope {
                Scope::Repository { name: granted, actions } => {
                    granted == name && !actions.and(*any).is_empty()
                }
                Scope::Catalog => false,
            }),
        }
    }

    /// Whether blobs of a repository may be mounted into another one: that needs the right to pull from it. Without a
    /// repository, they may come from any.
    pub fn may_mount(&self, from: Option<&RepositoryName>) -> bool {
        match from {
            Some(name) => self.meets(&Need::action(name.clone(), Action::Pull)),
            None => *self == Self::Everything,
        }
    }
}

impl Doorkeeper {
    /// Opens the doorkeeper of a data folder. Blocks.
    pub fn open(store: &Store, directory: Arc<dyn Directory>, clock: Clock) -> Result<Self, Error> {
        let key = TokenKey::open(store)?;
        Ok(Self(Arc::new(Inner { key, directory, clock })))
    }

    /// The permissions of a request to a registry that requires a login, limited to these scopes.
    pub async fn admit(
        &self,
        registry: &Registry,
        credentials: Credentials,
        scopes: Vec<Scope>,
    ) -> Result<Access, AccessError> {
        self.look_up(registry, move |this, registry| match credentials {
            Credentials::None => Err(AccessError::Nobody),
            Credentials::Bearer(token) => {
                let now = this.clock.unix_now();
                Ok(Access::Granted(this.key.verify_access(&token, &registry.audience(), now)?))
            }
            Credentials::Basic { user, password } => {
                if user == TOKEN_USER {
                    let now = this.clock.unix_now();
                    if let Ok(granted) =
                        this.key.verify_access(&password, &registry.audience(), now)
                    {
                        return Ok(Access::Granted(granted));
                    }
                }
                let caller = this.caller(registry, &user, &password)?;
                Ok(Access::Granted(this.granted(registry, &caller, &scopes)?.scopes))
            }
        })
        .await
    }

    /// An access token for the allowed part of these scopes. `service` is the client's name for the registry.
    pub async fn access_token(
        &self,
        registry: &Registry,
        service: String,
        proof: Proof,
        scopes: Vec<Scope>,
    ) -> Result<Zeroizing<String>, AccessError> {
        self.look_up(registry, move |this, registry| {
            let now = this.clock.unix_now();
            let caller = match &proof {
                // An open registry ignores any login that a client still has.
                _ if registry.is_open() => Caller::Anyone,
                Proof::None => Caller::Anyone,
                Proof::Password { user, password } => {
                    // An access token from a login, sent as a password, gives the same permissions again.
                    let audience = registry.audience();
                    if user == TOKEN_USER
                        && let Ok(granted) = this.key.verify_access(password, &audience, now)
                    {
                        let granted = both(&granted, &scopes);
                        return this.issue(&audience, &service, &Caller::Anyone, &granted, &scopes);
                    }
                    this.caller(registry, user, password)?
                }
                Proof::Refresh(token) => this.refreshed(registry, token)?,
            };
            let Granted { scopes: granted, open } = this.granted(registry, &caller, &scopes)?;
            // The registry may have been closed since: a token for everything must not outlive that.
            let audience = Audience { open, ..registry.audience() };
            this.issue(&audience, &service, &caller, &granted, &scopes)
        })
        .await
    }

    /// A refresh token for the principal of a Microsoft Entra access token.
    pub async fn exchange(
        &self,
        registry: &Registry,
        service: String,
        entra_token: Zeroizing<String>,
    ) -> Result<Zeroizing<String>, AccessError> {
        self.look_up(registry, move |this, registry| {
            let Vouched { client_id, object_id } =
                this.directory.of_token(&entra_token).map_err(AccessError::Entra)?;
            let caller = Caller::Principal { client_id, object_id };
            let now = this.clock.unix_now();
            Ok(this.key.refresh_token(&registry.audience(), &service, &caller, now)?)
        })
        .await
    }

    async fn look_up<T: Send + 'static>(
        &self,
        registry: &Registry,
        work: impl FnOnce(&Inner, &Registry) -> Result<T, AccessError> + Send + 'static,
    ) -> Result<T, AccessError> {
        let (this, registry) = (Arc::clone(&self.0), registry.clone());
        tokio::task::spawn_blocking(move || work(&this, &registry)).await.map_err(Error::from)?
    }
}

impl Registry {
    /// The audience of its tokens.
    fn audience(&self) -> Audience {
        let profile = self.profile();
        Audience { name: self.name().to_owned(), id: profile.id.clone(), open: profile.anonymous }
    }
}

impl Inner {
    /// The caller with this name and this password.
    fn caller(&self, registry: &Registry, user: &str, given: &str) -> Result<Caller, AccessError> {
        let parts = &registry.0;
        if user == TOKEN_USER {
            return self.refreshed(registry, given);
        }
        if user.eq_ignore_ascii_case(registry.name()) {
            if !admin::settings(parts)?.admin_enabled {
                return Err(AccessError::AdminDisabled);
            }
            let right = admin::is_password(parts, given)?;
            return if right { Ok(Caller::Admin) } else { Err(AccessError::WrongPassword) };
        }
        if let Ok(name) = user.parse::<AccessName>()
            && let Some(row) = parts.store.login_token(&parts.name, name.as_str())?
        {
            let now = self.clock.unix_now();
            let mut proven = None;
            // Both are compared, so that the time does not reveal the right one.
            for row in row.passwords.iter().flatten() {
                if password::proves(row, given) {
                    proven = Some(row.expiry.is_none_or(|expiry| now < expiry));
                }
            }
            return match proven {
                None => Err(AccessError::WrongPassword),
                Some(false) => Err(AccessError::PasswordExpired(name.to_string())),
                Some(true) if !row.enabled => Err(AccessError::TokenDisabled(name.to_string())),
                Some(true) => Ok(Caller::Token(name.to_string())),
            };
        }
        match self.directory.of_secret(user, given) {
            Some(Vouched { client_id, object_id }) => {
                Ok(Caller::Principal { client_id, object_id })
            }
            None => Err(AccessError::WrongPassword),
        }
    }

    /// The caller of this refresh token.
    fn refreshed(&self, registry: &Registry, token: &str) -> Result<Caller, AccessError> {
        Ok(self.key.verify_refresh(token, &registry.audience(), self.clock.unix_now())?)
    }

    /// The allowed part of these scopes.
    fn granted(
        &self,
        registry: &Registry,
        caller: &Caller,
        scopes: &[Scope],
    ) -> Result<Granted, AccessError> {
        let rights = self.rights(registry, caller)?;
        let scopes = scopes.iter().filter_map(|scope| rights.of(scope)).collect();
        Ok(Granted { scopes, open: matches!(rights, Rights::Open) })
    }

    fn rights<'a>(
        &'a self,
        registry: &'a Registry,
        caller: &'a Caller,
    ) -> Result<Rights<'a>, AccessError> {
        let parts = &registry.0;
        if registry.is_open() {
            return Ok(Rights::Open);
        }
        Ok(match caller {
            Caller::Anyone if admin::settings(parts)?.anonymous_pull => Rights::Pull,
            Caller::Anyone => return Err(AccessError::Nobody),
            Caller::Admin if admin::settings(parts)?.admin_enabled => Rights::All,
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
                Rights::Map { actions, catalog: row.scope_map == scope_map::ADMIN }
            }
            Caller::Principal { client_id, object_id } => {
                let (client_id, object_id) = (client_id.clone(), object_id.clone());
                if !self.directory.has(&Vouched { client_id, object_id: object_id.clone() }) {
                    return Err(AccessError::Entra(
                        "its principal does not exist any more".to_owned(),
                    ));
                }
                let resource_id = registry.resource_id();
                Rights::Roles { directory: &*self.directory, object_id, resource_id }
            }
        })
    }

    /// Issues a token, unless scopes were requested and none is allowed.
    fn issue(
        &self,
        audience: &Audience,
        service: &str,
        caller: &Caller,
        granted: &[Scope],
        asked: &[Scope],
    ) -> Result<Zeroizing<String>, AccessError> {
        if granted.is_empty() && !asked.is_empty() {
            return Err(AccessError::NothingGranted);
        }
        let now = self.clock.unix_now();
        Ok(self.key.access_token(audience, service, caller, granted, now)?)
    }
}

/// The allowed part of the requested scopes.
struct Granted {
    scopes: Vec<Scope>,
    /// Whether they are allowed because the registry is open.
    open: bool,
}

/// The rights of a caller in a registry.
enum Rights<'a> {
    /// The registry is open: everything, and no login was checked.
    Open,
    Pull,
    All,
    Map {
        actions: Vec<scope_map::ScopeMapAction>,
        catalog: bool,
    },
    Roles {
        directory: &'a dyn Directory,
        object_id: String,
        resource_id: String,
    },
}

impl Rights<'_> {
    /// The allowed part of a scope, if there is one.
    fn of(&self, scope: &Scope) -> Option<Scope> {
        match scope {
            Scope::Catalog => self.catalog().then_some(Scope::Catalog),
            Scope::Repository { name, actions } => {
                let actions = actions.and(self.in_repository(name));
                (!actions.is_empty()).then(|| Scope::Repository { name: name.clone(), actions })
            }
        }
    }

    fn catalog(&self) -> bool {
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

    fn in_repository(&self, name: &RepositoryName) -> Actions {
        match self {
            Self::Pull => [Action::Pull, Action::MetadataRead].into_iter().collect(),
            Self::Open | Self::All => Actions::all(),
            Self::Map { actions, .. } => scope_map::allowed(actions, name),
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
fn both(granted: &[Scope], asked: &[Scope]) -> Vec<Scope> {
    let common = asked.iter().filter_map(|asked| match asked {
        Scope::Catalog => granted.contains(asked).then(|| asked.clone()),
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

impl fmt::Debug for Doorkeeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Doorkeeper").finish_non_exhaustive()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Basic { .. } => "Basic(..)",
            Self::Bearer(_) => "Bearer(..)",
        })
    }
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Password { .. } => "Password(..)",
            Self::Refresh(_) => "Refresh(..)",
        })
    }
}
