//! Identity and access of principals, for a program that embeds a vault and has resources of its own.
//!
//! The running vault provides it. It uses the same issuer and the same role assignments as the vault. It knows nothing of
//! vaults, and nothing of the resources.

use std::fmt;
use std::sync::Arc;

use crate::authorization::{Action, Authorization, Scope};
use crate::identity::{Issuer, Principal, TokenRefused, Verified};

/// Verifies principals with the issuer, and decides on their access by role assignments. Clones share both.
#[derive(Clone)]
pub struct Directory {
    issuer: Arc<Issuer>,
    roles: Arc<Authorization>,
}

impl Directory {
    /// The directory of this issuer and these role assignments.
    pub fn new(issuer: Arc<Issuer>, roles: Arc<Authorization>) -> Self {
        Self { issuer, roles }
    }

    /// The principal of a token, if the token is valid and is for an accepted resource.
    pub fn by_token(
        &self,
        token: &str,
        accepts: impl FnOnce(&str) -> bool,
    ) -> Result<Arc<Principal>, TokenRefused> {
        self.issuer.verify(token, accepts).map(|Verified { principal, .. }| principal)
    }

    /// The application that has this secret.
    pub fn by_secret(&self, client_id: &str, secret: &str) -> Option<Arc<Principal>> {
        self.issuer.proven(client_id, secret)
    }

    /// Whether there is a principal with both of these ids.
    pub fn has(&self, client_id: &str, object_id: &str) -> bool {
        self.issuer
            .principal(client_id)
            .is_ok_and(|principal| principal.object_id().eq_ignore_ascii_case(object_id))
    }

    /// Whether a role allows a principal, given by its object id, an operation of the control plane at a scope. A text that
    /// is not a scope allows nothing.
    pub fn allows(&self, object_id: &str, operation: &str, scope: &str) -> bool {
        scope.parse::<Scope>().is_ok_and(|scope| {
            self.roles.decide(object_id, Action::Control(operation), &scope).is_some()
        })
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory").finish_non_exhaustive()
    }
}
