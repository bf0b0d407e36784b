//! The credentials that a client sends, with a request or to get a token.

use std::fmt;

use zeroize::Zeroizing;

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

/// The grant of a token request, as OAuth 2.0 names it: the credentials for which the client gets a token.
#[derive(Clone)]
pub enum TokenGrant {
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

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Basic { .. } => "Basic(..)",
            Self::Bearer(_) => "Bearer(..)",
        })
    }
}

impl fmt::Debug for TokenGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Password { .. } => "Password(..)",
            Self::Refresh(_) => "Refresh(..)",
        })
    }
}
