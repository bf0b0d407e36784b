//! Access tokens: RS256 JWTs with the claims that Entra puts into tokens for services (RFC 7519).
//!
//! Made for the token endpoint and checked for the vault. All times are the emulator's: a token ends when its clock says so.

use std::io;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, Header, Validation};
use serde::{Deserialize, Serialize};

use super::error::TokenRefused;
use super::principals::Credentials;
use super::{Issuer, TENANT};
use crate::random;

/// How long a token is valid, in seconds.
pub const TOKEN_LIFETIME: i64 = 3600;

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
    /// How the application proved itself: `1` is a secret.
    #[serde(default)]
    pub appidacr: String,
    /// What kind of subject: `app`.
    #[serde(default)]
    pub idtyp: String,
    /// A random id of this token.
    #[serde(default)]
    pub uti: String,
    /// The form of the token.
    #[serde(default)]
    pub ver: String,
}

impl Issuer {
    /// A token of this principal for a resource.
    pub fn token_for(&self, principal: &Credentials, resource: &str) -> io::Result<String> {
        let now = self.clock.unix_now();
        let claims = Claims {
            aud: resource.to_owned(),
            iss: self.name(),
            iat: now,
            nbf: now,
            exp: now.saturating_add(TOKEN_LIFETIME),
            appid: principal.client_id.to_owned(),
            oid: principal.object_id.to_owned(),
            sub: principal.object_id.to_owned(),
            tid: TENANT.to_owned(),
            appidacr: "1".to_owned(),
            idtyp: "app".to_owned(),
            uti: URL_SAFE_NO_PAD.encode(random::bytes::<16>()?),
            ver: "1.0".to_owned(),
        };
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some(self.key.id.clone());
        jsonwebtoken::encode(&header, &claims, &self.key.signing).map_err(io::Error::other)
    }

    /// What a token says, if this issuer signed it, it is for an accepted resource, and it is valid by the clock.
    pub fn verify(
        &self,
        token: &str,
        accepts: impl FnOnce(&str) -> bool,
    ) -> Result<Claims, TokenRefused> {
        let encoded_header = token.split('.').next().unwrap_or_default().to_owned();
        if token.split('.').count() != 3 {
            return Err(TokenRefused::Malformed);
        }
        let unsigned = || TokenRefused::Signature { encoded_header: encoded_header.clone() };
        // Only RS256 is taken, whatever the header asks for: `none` and keyed hashes are refused here.
        let mut validation = Validation::new(Algorithm::RS256);
        // Issuer, audience and times are compared below: by the emulator's clock, and with Azure's words.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let claims = match jsonwebtoken::decode::<Claims>(token, &self.key.verifying, &validation) {
            Ok(decoded) => decoded.claims,
            Err(_) => {
                // A token of another issuer is told apart so that the refusal can name both.
                return match jsonwebtoken::dangerous::insecure_decode::<Claims>(token) {
                    Ok(other) if other.claims.iss != self.name() => {
                        Err(TokenRefused::Issuer { expected: self.name(), found: other.claims.iss })
                    }
                    _ => Err(unsigned()),
                };
            }
        };
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
        Ok(claims)
    }
}
