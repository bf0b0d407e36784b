//! Who may do what with the content of a registry.
//!
//! A registry is either open to everybody who can connect, as `local` is, or wants a login: the admin user, a token with a
//! scope map, or a principal of Microsoft Entra with a role on the registry. `acr/` reads what a request brings and what
//! it is about; [`Doorkeeper`] says who that is and what they may; the methods of [`Registry`](super::Registry) here are
//! for whoever manages logins.
//!
//! What holds: a password is compared in constant time, kept as a hash or sealed, and never logged. Whoever is refused is
//! refused before the key of the registry is asked for. An access token says by itself what it is good for, until it ends;
//! everything else is looked up when it is used.

mod action;
mod admin;
mod directory;
mod doorkeeper;
mod error;
mod jwt;
mod password;
mod rule;
mod scope;
mod scope_map;
mod tokens;

pub use self::action::{Action, Actions, UnknownAction};
pub use self::admin::{AccessSettings, AdminCredentials};
pub use self::directory::{Directory, NoDirectory, Vouched};
pub use self::doorkeeper::{Access, Credentials, Doorkeeper, Need, Proof};
pub use self::error::{AccessChangeError, AccessError};
pub use self::jwt::{Audience, Caller, TokenKey, TokenProblem};
pub use self::password::Password;
pub use self::scope::{Scope, UnknownScope};
pub use self::scope_map::{ScopeMapAction, ScopeMapActionError};
pub use self::tokens::{
    AccessName, LoginToken, NewPassword, PasswordName, ScopeMap, TokenPassword,
};
