//! The caller that a token names, and the registry that it is for.

use serde::{Deserialize, Serialize};

/// The caller of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Caller {
    /// An anonymous caller.
    Anyone,
    /// The admin user.
    Admin,
    /// A token with a scope map, by its name.
    Token(String),
    /// A principal of Microsoft Entra.
    Principal {
        /// Its client id.
        client_id: String,
        /// Its object id.
        object_id: String,
    },
}

/// The registry for which a token is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audience {
    /// Its name.
    pub name: String,
    /// Its id. Registries from before ids were introduced have none.
    pub id: Option<String>,
    /// Whether it is open now, and requires no login.
    pub open: bool,
}

impl Caller {
    /// Its name in the claim `sub`. `registry` is the name of the registry.
    pub(super) fn subject<'a>(&'a self, registry: &'a str) -> &'a str {
        match self {
            Self::Anyone => "anonymous",
            Self::Admin => registry,
            Self::Token(name) => name,
            Self::Principal { object_id, .. } => object_id,
        }
    }
}
