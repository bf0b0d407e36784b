//! Authentication and permissions for the content of a registry.
//!
//! A registry either needs no login, as `local`, or requires one: the admin user, a token with a scope map, or a
//! principal of Microsoft Entra with a role on the registry. `acr/` reads the credentials of a request and the
//! permission that it needs; [`Authenticator`] authenticates the caller and determines the permissions; the methods of
//! [`Registry`](super::Registry) here manage logins.
//!
//! Invariants: a password is compared in constant time, stored as a hash or sealed, and never logged. A caller without
//! permission is refused before the registry's key is checked. An access token states its own permissions until it
//! expires; everything else is looked up when it is used.

mod access_name;
mod action;
mod admin;
mod authenticator;
mod caller;
mod claims;
mod credentials;
mod directory;
mod error;
mod jwt;
mod manage;
mod password;
mod permissions;
mod required_access;
mod rule;
mod scope;
mod scope_map_actions;
mod scope_maps;
mod tokens;

pub use self::access_name::AccessName;
pub use self::action::{Action, Actions};
pub use self::admin::{AccessSettings, AdminCredentials};
pub use self::authenticator::Authenticator;
#[cfg(feature = "internals")]
pub use self::caller::{Audience, Caller};
pub use self::credentials::{Credentials, TokenGrant};
pub use self::directory::{Directory, NoDirectory, VerifiedPrincipal};
pub use self::error::{AccessChangeError, AccessError};
#[cfg(feature = "internals")]
pub use self::jwt::TokenKey;
pub use self::required_access::{Access, RequiredAccess};
pub use self::scope::Scope;
pub use self::scope_map_actions::ScopeMapAction;
pub use self::scope_maps::ScopeMap;
pub use self::tokens::{LoginToken, NewPassword, PasswordName, TokenPassword};
