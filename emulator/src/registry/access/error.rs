//! Why a login is refused, and why a change of logins is refused.

use thiserror::Error;

use super::scope_map_actions::ScopeMapActionError;
use crate::registry::Error;

/// Why a login is refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AccessError {
    /// The user name or the password is wrong. The message does not say which.
    #[error("the user name or the password is wrong")]
    WrongPassword,
    /// The admin user may not log in.
    #[error("the admin user of the registry is disabled")]
    AdminDisabled,
    /// A token may not log in.
    #[error("the token {0} is disabled")]
    TokenDisabled(String),
    /// A password of a token has ended.
    #[error("the password of the token {0} has expired")]
    PasswordExpired(String),
    /// A token of the registry is not valid.
    #[error("{0}")]
    Token(#[from] TokenProblem),
    /// A token of Microsoft Entra is not valid.
    #[error("the Microsoft Entra token is not valid: {0}")]
    Entra(String),
    /// The request has no login.
    #[error("the request has no login")]
    LoginRequired,
    /// The login has none of the permissions that were asked for.
    #[error("the login has none of the permissions that were asked for")]
    NothingGranted,
    /// A stored row cannot be read.
    #[error(transparent)]
    Registry(#[from] Error),
}

/// Why a token of the registry is not valid.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenProblem {
    /// It is not a token, or the registry did not sign it.
    #[error("the token was not made by this registry")]
    Invalid,
    /// It is of the wrong kind.
    #[error(
        "the token is of the wrong kind: refresh tokens and access tokens cannot replace each other"
    )]
    Kind,
    /// It is for another registry.
    #[error("the token is for another registry")]
    Registry,
    /// The registry issued it without a login while it was open, and now requires a login.
    #[error("the registry issued the token while it was open, and now it requires a login")]
    Opening,
    /// It has expired, or is not valid yet.
    #[error("the token has expired")]
    Expired,
}

/// Why a change of logins is refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AccessChangeError {
    /// The admin user is disabled, and has no passwords to be shown.
    #[error("the admin user of the registry is disabled")]
    AdminDisabled,
    /// A name does not follow the grammar.
    #[error("'{0}' is not a name: expected 5 to 50 letters, digits, '-' or '_'")]
    Name(String),
    /// There is no such token.
    #[error("there is no token called '{0}'")]
    TokenUnknown(String),
    /// There is no such scope map.
    #[error("there is no scope map called '{0}'")]
    ScopeMapUnknown(String),
    /// A token uses the scope map.
    #[error("the scope map '{scope_map}' is used by the token '{token}'")]
    ScopeMapUsed {
        /// The scope map.
        scope_map: String,
        /// The token.
        token: String,
    },
    /// The scope map is predefined.
    #[error("the scope map '{0}' is defined by the system and cannot be changed or deleted")]
    SystemScopeMap(String),
    /// An action of a scope map is invalid.
    #[error(transparent)]
    Action(#[from] ScopeMapActionError),
    /// A scope map has too many actions.
    #[error("a scope map has at most {0} actions")]
    TooManyActions(usize),
    /// A password would expire before it begins.
    #[error("the password would have expired already")]
    ExpiryPast,
    /// The stored rows cannot be read or written.
    #[error(transparent)]
    Registry(#[from] Error),
}

impl From<crate::store::StoreError> for AccessError {
    fn from(error: crate::store::StoreError) -> Self {
        Self::Registry(error.into())
    }
}

impl From<crate::store::StoreError> for AccessChangeError {
    fn from(error: crate::store::StoreError) -> Self {
        Self::Registry(error.into())
    }
}
