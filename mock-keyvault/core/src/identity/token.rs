//! Access tokens: RS256 JWTs with the claims that Entra puts into tokens for services (RFC 7519).
//!
//! The token endpoint issues them, and the vault verifies them. All times are emulator time.

use std::io;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, Header, Validation};
use serde::{Deserialize, Serialize};

use super::error::TokenRefused;
use super::issuer::Issuer;
use super::principal::Principal;
use super::secret::Secret;
use super::well_known::TENANT;
use crate::random;
use crate::token_crypto::rs256_token;

/// How long a token is valid, in seconds.
pub const TOKEN_LIFETIME: i64 = 3600;
/// The longest token that is parsed. Ours have less than 2 KiB, and Entra's largest are below this limit.
pub const MAX_TOKEN: usize = 32 << 10;

/// The claims of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The resource that the token is for.
    pub aud: String,
    /// The issuer.
    pub iss: String,
    /// When it was issued, in seconds since 1970.
    pub iat: i64,
    /// When it becomes valid.
    pub nbf: i64,
    /// When it expires.
    pub exp: i64,
    /// The client id of the application.
    #[serde(default)]
    pub appid: String,
    /// The object id of its service principal.
    #[serde(default)]
    pub oid: String,
    /// The subject: the object id again.
    #[serde(default)]
    pub sub: String,
    /// The tenant.
    #[serde(default)]
    pub tid: String,
    /// How the application authenticated: `1` with a secret, `2` with a certificate, as managed identities do internally.
    #[serde(default)]
    pub appidacr: String,
    /// The identity provider of the subject: the issuer itself.
    #[serde(default)]
    pub idp: String,
    /// The kind of the subject: `app`.
    #[serde(default)]
    pub idtyp: String,
    /// A random id of this token.
    #[serde(default)]
    pub uti: String,
    /// The version of the token format.
    #[serde(default)]
    pub ver: String,
    /// The resource of a managed identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xms_mirid: Option<String>,
}

/// A valid token and its principal.
#[derive(Clone, Debug)]
pub struct Verified {
    /// The claims of the token.
    pub claims: Claims,
    /// The principal that the token names, which still exists.
    pub principal: Arc<Principal>,
}

impl Issuer {
    /// Issues a token of this principal for a resource.
    pub fn token_for(&self, principal: &Principal, resource: &str) -> io::Result<Secret> {
        let now = self.clock.unix_now();
        let claims = Claims {
            aud: resource.to_owned(),
            iss: self.name(),
            iat: now,
            nbf: now,
            exp: now.saturating_add(TOKEN_LIFETIME),
            appid: principal.client_id.clone(),
            oid: principal.object_id.clone(),
            sub: principal.object_id.clone(),
            tid: TENANT.to_owned(),
            appidacr: if principal.kind.is_managed_identity() { "2" } else { "1" }.to_owned(),
            idp: self.name(),
            idtyp: "app".to_owned(),
            uti: URL_SAFE_NO_PAD.encode(random::bytes::<16>()?),
            ver: "1.0".to_owned(),
            xms_mirid: principal.resource_id.clone(),
        };
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some(self.key.id.clone());
        rs256_token(&self.key.signing, &header, &claims).map(Secret::new).map_err(io::Error::other)
    }

    /// Verifies that this issuer signed a token, that it is for an accepted resource and valid by the clock, and that its
    /// principal still exists. Returns its claims and its principal.
    pub fn verify(
        &self,
        token: &str,
        accepts: impl FnOnce(&str) -> bool,
    ) -> Result<Verified, TokenRefused> {
        let claims = self.signed(token)?;
        if claims.iss != self.name() {
            return Err(TokenRefused::Issuer { expected: self.name(), found: claims.iss });
        }
        if !accepts(&claims.aud) {
            return Err(TokenRefused::Audience { found: claims.aud });
        }
        let now = self.clock.unix_now();
        if claims.exp <= now {
            return Err(TokenRefused::Expired { end: claims.exp, now });
        }
        if now < claims.nbf {
            return Err(TokenRefused::NotYetValid { start: claims.nbf, now });
        }
        match self.principals.find(&claims.appid) {
            Some(entry) if entry.principal.object_id == claims.oid => {
                Ok(Verified { claims, principal: entry.principal })
            }
            _ => Err(TokenRefused::PrincipalGone { app_id: claims.appid }),
        }
    }

    /// The claims of a token that is signed by the key of this issuer.
    fn signed(&self, token: &str) -> Result<Claims, TokenRefused> {
        if token.len() > MAX_TOKEN || token.split('.').count() != 3 {
            return Err(TokenRefused::Malformed);
        }
        // Only RS256 is accepted, whatever the header names: `none` and keyed hashes are refused here.
        let mut validation = Validation::new(Algorithm::RS256);
        // The caller checks issuer, audience and times: by the emulator's clock, and with Azure's messages.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        if let Ok(decoded) = jsonwebtoken::decode(token, &self.key.verifying, &validation) {
            return Ok(decoded.claims);
        }
        // A token of another issuer gets an error of its own, which names both issuers.
        match jsonwebtoken::dangerous::insecure_decode::<Claims>(token) {
            Ok(other) if other.claims.iss != self.name() => {
                Err(TokenRefused::Issuer { expected: self.name(), found: other.claims.iss })
            }
            _ => {
                let encoded_header = token.split('.').next().unwrap_or_default().to_owned();
                Err(TokenRefused::Signature { encoded_header })
            }
        }
    }
}
