//! The admin user of a registry, and anonymous pull: for managers of the registry.
//!
//! The admin user has the name of the registry and two passwords, both valid at any time. A caller with the right can
//! read them at any time, so they are stored sealed under the service-managed key. They are made when first needed.

use std::sync::Arc;

use super::error::AccessChangeError;
use super::password::Password;
use super::tokens::PasswordName;
use crate::keys::ServiceKey;
use crate::registry::blocking::blocking;
use crate::registry::service_key::service_key;
use crate::registry::{Error, Parts, Registry};
use crate::store::AccessRow;

/// The purpose that the sealed passwords are bound to.
const PURPOSE: &str = "admin password";

/// The login settings of a registry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccessSettings {
    /// Whether the admin user may log in.
    pub admin_enabled: bool,
    /// Whether pulling needs no login.
    pub anonymous_pull: bool,
}

/// The admin user.
#[derive(Clone, Debug)]
pub struct AdminCredentials {
    /// The name: the registry's.
    pub username: String,
    /// The passwords. Both are valid.
    pub passwords: [Password; 2],
}

impl AccessSettings {
    /// The stored form for a new registry. `None`: the defaults.
    pub(in crate::registry) fn row(self) -> Option<AccessRow> {
        let Self { admin_enabled, anonymous_pull } = self;
        (admin_enabled || anonymous_pull).then(|| AccessRow {
            admin_enabled,
            anonymous_pull,
            admin_passwords: Vec::new(),
        })
    }
}

impl Registry {
    /// The login settings.
    pub async fn access_settings(&self) -> Result<AccessSettings, Error> {
        let parts = Arc::clone(&self.0);
        blocking(move || settings(&parts)).await
    }

    /// Enables or disables the login of the admin user. The passwords stay.
    pub async fn set_admin_enabled(&self, enabled: bool) -> Result<(), Error> {
        self.set_access(Some(enabled), None).await
    }

    /// Enables or disables anonymous pull.
    pub async fn set_anonymous_pull(&self, enabled: bool) -> Result<(), Error> {
        self.set_access(None, Some(enabled)).await
    }

    /// Sets both at once. Omitted settings stay.
    pub(in crate::registry) async fn set_access(
        &self,
        admin_enabled: Option<bool>,
        anonymous_pull: Option<bool>,
    ) -> Result<(), Error> {
        if admin_enabled.is_none() && anonymous_pull.is_none() {
            return Ok(());
        }
        let parts = Arc::clone(&self.0);
        blocking(move || {
            parts.store.change_access(&parts.name, |row| {
                row.admin_enabled = admin_enabled.unwrap_or(row.admin_enabled);
                row.anonymous_pull = anonymous_pull.unwrap_or(row.anonymous_pull);
            })?;
            Ok::<_, Error>(())
        })
        .await
    }

    /// Name and passwords of the admin user, if it is enabled.
    pub async fn admin_credentials(&self) -> Result<AdminCredentials, AccessChangeError> {
        self.admin(None).await
    }

    /// Replaces one of the two passwords of the admin user.
    pub async fn regenerate_admin_password(
        &self,
        which: PasswordName,
    ) -> Result<AdminCredentials, AccessChangeError> {
        self.admin(Some(which)).await
    }

    async fn admin(
        &self,
        renew: Option<PasswordName>,
    ) -> Result<AdminCredentials, AccessChangeError> {
        self.manage(move |parts| {
            let row = parts.store.access(&parts.name)?;
            if !row.admin_enabled {
                return Err(AccessChangeError::AdminDisabled);
            }
            let passwords = ensure_passwords(parts, row, renew)?;
            Ok(AdminCredentials { username: parts.name.to_string(), passwords })
        })
        .await
    }
}

/// The login settings. Blocks.
pub(super) fn settings(parts: &Parts) -> Result<AccessSettings, Error> {
    let row = parts.store.access(&parts.name)?;
    Ok(AccessSettings { admin_enabled: row.admin_enabled, anonymous_pull: row.anonymous_pull })
}

/// Whether a guess is one of the passwords of the admin user. Compares both. Blocks.
pub(super) fn is_password(parts: &Parts, guess: &str) -> Result<bool, Error> {
    let row = parts.store.access(&parts.name)?;
    let key = service_key(&parts.store)?;
    let mut right = false;
    for sealed in &row.admin_passwords {
        right |= open(parts, &key, sealed)?.matches(guess);
    }
    Ok(right)
}

/// The two passwords, made if they do not exist; one of them is replaced if requested.
fn ensure_passwords(
    parts: &Parts,
    row: AccessRow,
    renew: Option<PasswordName>,
) -> Result<[Password; 2], Error> {
    let key = service_key(&parts.store)?;
    let is_as_asked = renew.is_none() && row.admin_passwords.len() == PasswordName::BOTH.len();
    let row = if is_as_asked { row } else { make_passwords(parts, &key, renew)? };
    match row.admin_passwords.as_slice() {
        [first, second] => Ok([open(parts, &key, first)?, open(parts, &key, second)?]),
        _ => Err(Error::internal("the admin user does not have two passwords")),
    }
}

fn make_passwords(
    parts: &Parts,
    key: &ServiceKey,
    renew: Option<PasswordName>,
) -> Result<AccessRow, Error> {
    let seal = |password: &Password| {
        key.seal_secret(parts.name.as_str(), PURPOSE, password.expose().as_bytes())
            .map_err(Error::from)
    };
    let fresh = [seal(&Password::random())?, seal(&Password::random())?];
    let row = parts.store.change_access(&parts.name, |row| {
        if row.admin_passwords.len() != fresh.len() {
            row.admin_passwords = fresh.to_vec();
        } else if let Some(which) = renew {
            row.admin_passwords[which.index()].clone_from(&fresh[which.index()]);
        }
    })?;
    Ok(row)
}

fn open(parts: &Parts, key: &ServiceKey, sealed: &[u8]) -> Result<Password, Error> {
    let bytes = key.open_secret(parts.name.as_str(), PURPOSE, sealed)?;
    let text = std::str::from_utf8(&bytes).map_err(Error::internal)?;
    Ok(Password::from_text(text))
}
