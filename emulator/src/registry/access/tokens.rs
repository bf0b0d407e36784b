//! Manages the tokens and scope maps of a registry: names with up to two passwords, and their permissions.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use time::OffsetDateTime;

use super::error::AccessChangeError;
use super::password::Password;
use super::scope_map::{self, ScopeMapAction};
use crate::registry::{Error, Parts, Registry};
use crate::store::{DeletedScopeMap, PasswordRow, ScopeMapRow, TokenRow};

/// The maximum number of actions in a scope map: five for each of ACR's 500 repositories.
const MAX_ACTIONS: usize = 2500;

/// The name of a token or a scope map.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccessName(String);

/// One of the two passwords.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordName {
    /// The first.
    First,
    /// The second.
    Second,
}

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

/// A token, without its passwords.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginToken {
    /// Its name, and the user name that it logs in with.
    pub name: String,
    /// When it was created.
    pub created: OffsetDateTime,
    /// Its scope map.
    pub scope_map: String,
    /// Whether it may log in.
    pub enabled: bool,
    /// The passwords that it has.
    pub passwords: Vec<TokenPassword>,
}

/// A password's metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenPassword {
    /// Which of the two passwords.
    pub name: PasswordName,
    /// When it was created.
    pub created: OffsetDateTime,
    /// When it expires, if it does.
    pub expiry: Option<OffsetDateTime>,
}

/// A new password, shown only once.
#[derive(Clone, Debug)]
pub struct NewPassword {
    /// Its metadata.
    pub about: TokenPassword,
    /// The password itself.
    pub password: Password,
}

impl AccessName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AccessName {
    type Err = AccessChangeError;

    fn from_str(text: &str) -> Result<Self, AccessChangeError> {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if (5..=50).contains(&text.len()) && text.bytes().all(good) {
            return Ok(Self(text.to_owned()));
        }
        Err(AccessChangeError::Name(text.chars().take(100).collect()))
    }
}

impl fmt::Display for AccessName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PasswordName {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::First, Self::Second];

    pub(super) fn index(self) -> usize {
        match self {
            Self::First => 0,
            Self::Second => 1,
        }
    }
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
            let system = scope_map::system_names().map(str::to_owned);
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
        if scope_map::system(name.as_str()).is_some() {
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
        if scope_map::system(name).is_some() {
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

    /// The tokens, by name.
    pub async fn tokens(&self) -> Result<Vec<LoginToken>, AccessChangeError> {
        self.manage(|parts| {
            let mut tokens = Vec::new();
            for name in parts.store.login_tokens(&parts.name)? {
                let row = parts.store.login_token(&parts.name, &name)?;
                tokens.extend(row.map(|row| LoginToken::of(name, &row)));
            }
            Ok(tokens)
        })
        .await
    }

    /// A token by its name.
    pub async fn token(&self, name: &str) -> Result<LoginToken, AccessChangeError> {
        let name = name.to_owned();
        self.manage(move |parts| match parts.store.login_token(&parts.name, &name)? {
            Some(row) => Ok(LoginToken::of(name, &row)),
            None => Err(AccessChangeError::TokenUnknown(name)),
        })
        .await
    }

    /// Creates a token without a password, or changes the scope map and the state of an existing one.
    pub async fn put_token(
        &self,
        name: &AccessName,
        scope_map: &str,
        enabled: bool,
    ) -> Result<LoginToken, AccessChangeError> {
        let (name, scope_map) = (name.to_string(), scope_map.to_owned());
        self.manage(move |parts| {
            if scope_map_named(parts, &scope_map)?.is_none() {
                return Err(AccessChangeError::ScopeMapUnknown(scope_map));
            }
            let created = parts.clock.unix_now();
            let new = TokenRow { created, scope_map, enabled, passwords: [None, None] };
            let row = parts.store.put_login_token(&parts.name, &name, &new)?;
            Ok(LoginToken::of(name, &row))
        })
        .await
    }

    /// Deletes a token. Access tokens issued for it stay valid until they expire.
    pub async fn delete_token(&self, name: &str) -> Result<(), AccessChangeError> {
        let name = name.to_owned();
        self.manage(move |parts| {
            if parts.store.delete_login_token(&parts.name, &name)? {
                return Ok(());
            }
            Err(AccessChangeError::TokenUnknown(name))
        })
        .await
    }

    /// Generates passwords of these names for a token. The old ones are no longer valid.
    pub async fn generate_credentials(
        &self,
        token: &str,
        which: &[PasswordName],
        expiry: Option<OffsetDateTime>,
    ) -> Result<Vec<NewPassword>, AccessChangeError> {
        let (token, which) = (token.to_owned(), which.to_vec());
        self.manage(move |parts| {
            let now = parts.clock.unix_now();
            let expiry = expiry.map(OffsetDateTime::unix_timestamp);
            if expiry.is_some_and(|expiry| expiry <= now) {
                return Err(AccessChangeError::ExpiryPast);
            }
            let made: Vec<(PasswordName, Password)> =
                which.into_iter().map(|name| (name, Password::random())).collect();
            let rows: Vec<(usize, PasswordRow)> = made
                .iter()
                .map(|(name, password)| (name.index(), password.row(now, expiry)))
                .collect();
            let changed = parts.store.change_login_token(&parts.name, &token, |row| {
                for (index, password) in &rows {
                    row.passwords[*index] = Some(password.clone());
                }
            })?;
            if changed.is_none() {
                return Err(AccessChangeError::TokenUnknown(token));
            }
            let about =
                |name| TokenPassword { name, created: moment(now), expiry: expiry.map(moment) };
            Ok(made
                .into_iter()
                .map(|(name, password)| NewPassword { about: about(name), password })
                .collect())
        })
        .await
    }

    /// Deletes the passwords of a token that are not named. They are no longer valid.
    pub async fn keep_passwords(
        &self,
        token: &str,
        kept: &[PasswordName],
    ) -> Result<LoginToken, AccessChangeError> {
        let (token, kept) = (token.to_owned(), kept.to_vec());
        self.manage(move |parts| {
            let changed = parts.store.change_login_token(&parts.name, &token, |row| {
                for name in PasswordName::BOTH {
                    if !kept.contains(&name) {
                        row.passwords[name.index()] = None;
                    }
                }
            })?;
            let row = changed.ok_or_else(|| AccessChangeError::TokenUnknown(token.clone()))?;
            Ok(LoginToken::of(token, &row))
        })
        .await
    }

    pub(super) async fn manage<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Parts) -> Result<T, AccessChangeError> + Send + 'static,
    ) -> Result<T, AccessChangeError> {
        let parts = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || work(&parts)).await.map_err(Error::from)?
    }
}

impl LoginToken {
    fn of(name: String, row: &TokenRow) -> Self {
        let passwords = PasswordName::BOTH.into_iter().filter_map(|name| {
            let password = row.passwords[name.index()].as_ref()?;
            let (created, expiry) = (moment(password.created), password.expiry.map(moment));
            Some(TokenPassword { name, created, expiry })
        });
        Self {
            name,
            created: moment(row.created),
            scope_map: row.scope_map.clone(),
            enabled: row.enabled,
            passwords: passwords.collect(),
        }
    }
}

/// A scope map by its name, predefined or the registry's own. Blocks.
pub(super) fn scope_map_named(
    parts: &Parts,
    name: &str,
) -> Result<Option<ScopeMap>, AccessChangeError> {
    let name = name.to_owned();
    if let Some((description, actions)) = scope_map::system(&name) {
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

fn moment(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
