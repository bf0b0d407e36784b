//! The claims of the registry's tokens, as ACR has them.
//!
//! The claims are ASCII without `>`, `?` and `~`: the Python SDK reads the payload as plain base64, which differs from
//! the URL alphabet only for these characters.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::action::Actions;
use super::caller::{Audience, Caller};
use super::error::TokenProblem;
use super::scope::Scope;

/// The issuer in ACR's tokens.
const ISSUER: &str = "Azure Container Registry";

/// The claims of both kinds.
#[derive(Serialize, Deserialize)]
pub(super) struct CommonClaims {
    jti: String,
    sub: String,
    nbf: i64,
    exp: i64,
    iat: i64,
    iss: String,
    aud: String,
    version: String,
    /// The registry: the address in `aud` is only the client's name for it.
    rid: String,
    /// The id of the registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    iid: Option<String>,
    grant_type: String,
}

#[derive(Serialize, Deserialize)]
pub(super) struct RefreshClaims {
    #[serde(flatten)]
    pub(super) common: CommonClaims,
    pub(super) caller: Caller,
    pub(super) permissions: PermissionsClaim,
    pub(super) roles: Vec<String>,
}

/// ACR's description of a login besides its name. It decides nothing.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PermissionsClaim {
    pub(super) actions: Vec<String>,
    pub(super) not_actions: Vec<String>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct AccessClaims {
    #[serde(flatten)]
    pub(super) common: CommonClaims,
    pub(super) access: Vec<AccessEntry>,
    pub(super) roles: Vec<String>,
    /// Whether the registry was open and checked no login. The token expires when the registry requires one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) open: bool,
}

#[derive(Serialize, Deserialize)]
pub(super) struct AccessEntry {
    #[serde(rename = "type")]
    kind: String,
    name: String,
    actions: Vec<String>,
}

impl CommonClaims {
    pub(super) fn new(
        registry: &Audience,
        service: &str,
        caller: &Caller,
        kind: &str,
        now: i64,
        lifetime: i64,
    ) -> Self {
        Self {
            jti: Uuid::new_v4().to_string(),
            sub: caller.subject(&registry.name).to_owned(),
            nbf: now,
            exp: now.saturating_add(lifetime),
            iat: now,
            iss: ISSUER.to_owned(),
            aud: plain(service),
            version: "1.0".to_owned(),
            rid: registry.name.clone(),
            iid: registry.id.clone(),
            grant_type: kind.to_owned(),
        }
    }

    pub(super) fn check(&self, registry: &Audience, now: i64) -> Result<(), TokenProblem> {
        if self.rid != registry.name || self.iid != registry.id {
            return Err(TokenProblem::Registry);
        }
        if now < self.nbf || self.exp <= now {
            return Err(TokenProblem::Expired);
        }
        Ok(())
    }
}

impl AccessEntry {
    pub(super) fn from_scope(scope: &Scope) -> Self {
        match scope {
            Scope::Catalog => Self {
                kind: "registry".to_owned(),
                name: "catalog".to_owned(),
                actions: vec!["*".to_owned()],
            },
            Scope::Repository { name, actions } => Self {
                kind: "repository".to_owned(),
                name: name.to_string(),
                actions: actions.iter().map(|action| action.as_str().to_owned()).collect(),
            },
        }
    }

    pub(super) fn scope(&self) -> Option<Scope> {
        match (self.kind.as_str(), self.name.as_str()) {
            ("registry", "catalog") => Some(Scope::Catalog),
            ("repository", name) => {
                let actions: Actions =
                    self.actions.iter().filter_map(|action| action.parse().ok()).collect();
                Some(Scope::Repository { name: name.parse().ok()?, actions })
            }
            _ => None,
        }
    }
}

/// A name in the form for a claim: without the characters that no host name has.
fn plain(text: &str) -> String {
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || ".-_:[]/".contains(*c);
    text.chars().filter(is_plain).take(255).collect()
}
