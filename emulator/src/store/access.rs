//! The logins of a registry that it stores itself: the admin user, tokens and scope maps.
//!
//! They are rows of one table; the part of the key after the registry's name is the kind of row. A scope map can have more
//! actions than fit into a row that sled keeps durably, so each action has its own row. Secrets arrive sealed or hashed; the
//! store knows neither keys nor passwords, nor the meaning of an action.

use azure_emulator_core::disk_space::Purpose;
use serde::{Deserialize, Serialize};

use super::encoding::{key, prefix};
use super::error::StoreError;
use super::handle::Store;
use super::tables::Table;
use super::view::View;
use crate::names::RegistryName;

const SETTINGS: &str = "settings";
const SCOPE_MAP: &str = "scope-map";
const ACTION: &str = "action";
const TOKEN: &str = "token";

/// The login settings of a registry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessRow {
    /// Whether the admin user may log in.
    pub admin_enabled: bool,
    /// Whether anonymous clients may pull.
    pub anonymous_pull: bool,
    /// The passwords of the admin user, sealed; none before a client first asked for them.
    #[serde(with = "hex_list")]
    pub admin_passwords: Vec<Vec<u8>>,
}

/// A scope map, without its actions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScopeMapRow {
    /// Its description, for people.
    pub description: String,
    /// When it was made: seconds since 1970, emulator time.
    pub created: i64,
}

/// A token: a name with passwords.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRow {
    /// When it was made: seconds since 1970, emulator time.
    pub created: i64,
    /// The scope map with its permissions.
    pub scope_map: String,
    /// Whether it may log in.
    pub enabled: bool,
    /// Its first and second password, each if there is one.
    pub passwords: [Option<PasswordRow>; 2],
}

/// The stored form of a password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordRow {
    /// When it was made: seconds since 1970, emulator time.
    pub created: i64,
    /// When it ends, if it does.
    pub expiry: Option<i64>,
    /// The salt, which goes into the hash before the password.
    #[serde(with = "hex::serde")]
    pub salt: [u8; 16],
    /// The hash.
    #[serde(with = "hex::serde")]
    pub hash: [u8; 32],
}

/// The result of deleting a scope map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeletedScopeMap {
    /// It was deleted.
    Removed,
    /// There is no such scope map.
    Unknown,
    /// This token uses it: nothing was done.
    Used(String),
}

/// Writes the login settings of a new registry.
pub(super) fn write_access(
    view: &View<'_>,
    registry: &RegistryName,
    row: &AccessRow,
) -> Result<(), StoreError> {
    view.put(Table::Access, key(&[registry, &SETTINGS, &""]), row)
}

impl Store {
    /// The login settings of a registry.
    pub fn access(&self, registry: &RegistryName) -> Result<AccessRow, StoreError> {
        let row = self.database.row(Table::Access, &key(&[registry, &SETTINGS, &""]))?;
        Ok(row.unwrap_or_default())
    }

    /// Changes the login settings of a registry, and returns the new ones. Durable on return.
    pub fn change_access(
        &self,
        registry: &RegistryName,
        change: impl Fn(&mut AccessRow),
    ) -> Result<AccessRow, StoreError> {
        let row = self.database.transact(|view| {
            let at = key(&[registry, &SETTINGS, &""]);
            let mut row: AccessRow = view.row(Table::Access, &at)?.unwrap_or_default();
            change(&mut row);
            view.put(Table::Access, at, &row)?;
            Ok(row)
        })?;
        self.database.commit()?;
        Ok(row)
    }

    /// A scope map and its actions, in order.
    pub fn scope_map(
        &self,
        registry: &RegistryName,
        name: &str,
    ) -> Result<Option<(ScopeMapRow, Vec<String>)>, StoreError> {
        let row = self.database.row(Table::Access, &key(&[registry, &SCOPE_MAP, &name]))?;
        let Some(row) = row else { return Ok(None) };
        let actions = self.database.last_parts(Table::Access, &[registry, &ACTION, &name]);
        Ok(Some((row, actions.collect::<Result<_, _>>()?)))
    }

    /// The names of the scope maps of a registry, in order.
    pub fn scope_maps(&self, registry: &RegistryName) -> Result<Vec<String>, StoreError> {
        self.names_of(registry, SCOPE_MAP)
    }

    /// Makes a scope map, or replaces it and keeps its time of creation. Durable on return.
    pub fn put_scope_map(
        &self,
        registry: &RegistryName,
        name: &str,
        row: &ScopeMapRow,
        actions: &[String],
    ) -> Result<(), StoreError> {
        let writer = self.database.writer()?;
        let old = self.action_keys(registry, name)?;
        writer.transact(|view| {
            old.iter().try_for_each(|key| view.remove(Table::Access, key.clone()))?;
            for action in actions {
                let at = key(&[registry, &ACTION, &name, &action]);
                view.put_bytes(Table::Access, at, Vec::new())?;
            }
            let at = key(&[registry, &SCOPE_MAP, &name]);
            let known: Option<ScopeMapRow> = view.row(Table::Access, &at)?;
            let created = known.map_or(row.created, |known| known.created);
            view.put(Table::Access, at, &ScopeMapRow { created, ..row.clone() })
        })?;
        drop(writer);
        self.database.commit()
    }

    /// Deletes a scope map, unless a token uses it. Durable on return.
    pub fn delete_scope_map(
        &self,
        registry: &RegistryName,
        name: &str,
    ) -> Result<DeletedScopeMap, StoreError> {
        let writer = self.database.writer()?;
        let at = key(&[registry, &SCOPE_MAP, &name]);
        if !self.database.has(Table::Access, &at)? {
            return Ok(DeletedScopeMap::Unknown);
        }
        for token in self.login_tokens(registry)? {
            let row = self.login_token(registry, &token)?;
            if row.is_some_and(|row| row.scope_map == name) {
                return Ok(DeletedScopeMap::Used(token));
            }
        }
        let actions = self.action_keys(registry, name)?;
        writer.transact_for(Purpose::Removal, |view| {
            actions.iter().try_for_each(|key| view.remove(Table::Access, key.clone()))?;
            view.remove(Table::Access, at.clone())
        })?;
        drop(writer);
        self.database.commit()?;
        Ok(DeletedScopeMap::Removed)
    }

    /// A token.
    pub fn login_token(
        &self,
        registry: &RegistryName,
        name: &str,
    ) -> Result<Option<TokenRow>, StoreError> {
        self.database.row(Table::Access, &key(&[registry, &TOKEN, &name]))
    }

    /// The names of the tokens of a registry, in order.
    pub fn login_tokens(&self, registry: &RegistryName) -> Result<Vec<String>, StoreError> {
        self.names_of(registry, TOKEN)
    }

    /// Makes a token, or changes its scope map and state and keeps its time of creation and passwords. Returns the new
    /// token. Durable on return.
    pub fn put_login_token(
        &self,
        registry: &RegistryName,
        name: &str,
        new: &TokenRow,
    ) -> Result<TokenRow, StoreError> {
        let at = key(&[registry, &TOKEN, &name]);
        let row = self.database.transact(|view| {
            let mut row = new.clone();
            if let Some(known) = view.row::<TokenRow>(Table::Access, &at)? {
                (row.created, row.passwords) = (known.created, known.passwords);
            }
            view.put(Table::Access, at.clone(), &row)?;
            Ok(row)
        })?;
        self.database.commit()?;
        Ok(row)
    }

    /// Changes a token, and returns the new one, or `None` if there is no such token. Durable on return.
    pub fn change_login_token(
        &self,
        registry: &RegistryName,
        name: &str,
        change: impl Fn(&mut TokenRow),
    ) -> Result<Option<TokenRow>, StoreError> {
        let at = key(&[registry, &TOKEN, &name]);
        let row = self.database.transact(|view| {
            view.change(Table::Access, at.clone(), &change)?;
            view.row(Table::Access, &at)
        })?;
        self.database.commit()?;
        Ok(row)
    }

    /// Deletes a token. Returns false if there is no such token. Durable on return.
    pub fn delete_login_token(
        &self,
        registry: &RegistryName,
        name: &str,
    ) -> Result<bool, StoreError> {
        let removed = self.database.transact_for(Purpose::Removal, |view| {
            let at = key(&[registry, &TOKEN, &name]);
            let found = view.has(Table::Access, &at)?;
            view.remove(Table::Access, at)?;
            Ok(found)
        })?;
        self.database.commit()?;
        Ok(removed)
    }

    fn names_of(&self, registry: &RegistryName, kind: &str) -> Result<Vec<String>, StoreError> {
        self.database.last_parts(Table::Access, &[registry, &kind]).collect()
    }

    fn action_keys(&self, registry: &RegistryName, map: &str) -> Result<Vec<Vec<u8>>, StoreError> {
        self.database
            .scan(Table::Access, &prefix(&[registry, &ACTION, &map]))
            .map(|row| Ok(row?.0.to_vec()))
            .collect()
    }
}

/// Byte strings as hexadecimal digits.
mod hex_list {
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(list: &[Vec<u8>], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(list.iter().map(hex::encode))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<Vec<u8>>, D::Error> {
        let list = Vec::<String>::deserialize(from)?;
        list.iter().map(|text| hex::decode(text).map_err(de::Error::custom)).collect()
    }
}
