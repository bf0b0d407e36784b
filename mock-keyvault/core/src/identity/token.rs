//! Access tokens: RS256 JWTs with the claims that Entra puts into tokens for services (RFC 7519).
//!
//! Made for the token endpoint and checked for the vault. All times are the emulator's: a token ends when its clock says so.

use std::io;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, Header, Validation};
use serde::{Deserialize, Serialize};

use super::error::TokenRefused;
use super::principal::Principal;
use super::secret::Secret;
use super::{Issuer, TENANT};
use crate::random;

/// How long a token is valid, in seconds.
pub const TOKEN_LIFETIME: i64 = 3600;
/// A longer token is refused unread. Ours have less than 2 KiB, and the largest of Entra's less than this.
pub const MAX_TOKEN: usize = 32 << 10;

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The resource that the token is for.
    pub aud: String,
    /// Who issued it.
    pub iss: String,
    /// When it was issued, in seconds since 1970.
    pub iat: i64,
    /// When it begins to be valid.
    pub nbf: i64,
    /// When it ends.
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
    /// How the application proved itself: `1` is a secret, `2` is the certificate that a managed identity has unseen.
    #[serde(default)]
    pub appidacr: String,
    /// Who vouches for the subject: the issuer itself.
    #[serde(default)]
    pub idp: String,
    /// What kind of subject: `app`.
    #[serde(default)]
    pub idtyp: String,
    /// A random id of this token.
    #[serde(default)]
    pub uti: String,
    /// The form of the token.
    #[serde(default)]
    pub ver: String,
    /// The resource of a managed identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xms_mirid: Option<String>,
}

/// A token that holds, and whose it is.
#[derive(Clone, Debug)]
pub struct Verified {
    /// What it says.
    pub claims: Claims,
    /// The principal that it names, which is still there.
    pub principal: Arc<Principal>,
}

impl Issuer {
    /// A token of this principal for a resource.
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
        jsonwebtoken::encode(&header, &claims, &self.key.signing)
            .map(Secret::new)
            .map_err(io::Error::other)
    }

    /// What a token says and whose it is, if this issuer signed it, it is for an accepted resource, it is valid by the
    /// clock, and its principal is still there.
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

    /// What a token says that the key of this issuer signed.
    fn signed(&self, token: &str) -> Result<Claims, TokenRefused> {
        if token.len() > MAX_TOKEN || token.split('.').count() != 3 {
            return Err(TokenRefused::Malformed);
        }
        // Only RS256 is taken, whatever the header asks for: `none` and keyed hashes are refused here.
        let mut validation = Validation::new(Algorithm::RS256);
        // Issuer, audience and times are compared by the caller: by the emulator's clock, and with Azure's words.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        if let Ok(decoded) = jsonwebtoken::decode(token, &self.key.verifying, &validation) {
            return Ok(decoded.claims);
        }
        // A token of another issuer is told apart so that the refusal can name both.
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
