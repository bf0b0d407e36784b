//! Manages the tokens of a registry: names with up to two passwords, and a scope map for the permissions.

use time::OffsetDateTime;

use super::access_name::AccessName;
use super::error::AccessChangeError;
use super::manage::moment;
use super::password::Password;
use super::scope_maps::scope_map_named;
use crate::registry::Registry;
use crate::store::{PasswordRow, TokenRow};

/// One of the two passwords.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordName {
    /// The first.
    First,
    /// The second.
    Second,
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

impl Registry {
    /// The tokens, by name.
    pub async fn tokens(&self) -> Result<Vec<LoginToken>, AccessChangeError> {
        self.manage(|parts| {
            let mut tokens = Vec::new();
            for name in parts.store.login_tokens(&parts.name)? {
                let row = parts.store.login_token(&parts.name, &name)?;
                tokens.extend(row.map(|row| LoginToken::from_row(name, &row)));
            }
            Ok(tokens)
        })
        .await
    }

    /// A token by its name.
    pub async fn token(&self, name: &str) -> Result<LoginToken, AccessChangeError> {
        let name = name.to_owned();
        self.manage(move |parts| match parts.store.login_token(&parts.name, &name)? {
            Some(row) => Ok(LoginToken::from_row(name, &row)),
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
            Ok(LoginToken::from_row(name, &row))
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
            Ok(LoginToken::from_row(token, &row))
        })
        .await
    }
}

impl LoginToken {
    fn from_row(name: String, row: &TokenRow) -> Self {
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
