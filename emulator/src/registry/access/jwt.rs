//! The registry's tokens: refresh tokens, which name a caller, and access tokens, which list permissions.
//!
//! JWTs with ACR's claims (RFC 7519), signed with HMAC-SHA-256 under a key of the data folder: only the registry checks
//! them, so no public key is needed. All times are the emulator's. A token is valid for one registry, by its name and
//! id, at every address of the registry: a later registry of the same name has another id.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::caller::{Audience, Caller};
use super::claims::{AccessClaims, AccessEntry, CommonClaims, PermissionsClaim, RefreshClaims};
use super::error::TokenProblem;
use super::scope::Scope;
use crate::registry::Error;
use crate::store::Store;

/// The file of the key, in the data folder.
const KEY_FILE: &str = "tokens.key";
const KEY_LEN: usize = 32;
/// The lifetime of a login with an identity: three hours, as documented.
const REFRESH_LIFETIME: i64 = 3 * 3600;
/// The lifetime of an access token: that of the documented example.
const ACCESS_LIFETIME: i64 = 4500;
/// A longer token is refused unread. The number of scopes limits the registry's own tokens.
const MAX_TOKEN: usize = 32 << 10;

/// The key that signs the tokens of all registries of a data folder.
#[derive(Clone)]
pub struct TokenKey {
    signing: EncodingKey,
    verifying: DecodingKey,
}

impl std::fmt::Debug for TokenKey {
    /// Shows nothing of the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenKey(..)")
    }
}

const REFRESH: &str = "refresh_token";
const ACCESS: &str = "access_token";

impl TokenKey {
    /// Opens the key of a data folder, and creates it if it does not exist. Blocks.
    pub fn open(store: &Store) -> Result<Self, Error> {
        if let Some(bytes) = store.read_secret_file(KEY_FILE)? {
            if bytes.len() != KEY_LEN {
                let message = format!("{KEY_FILE} does not hold a key of {KEY_LEN} bytes");
                return Err(Error::internal(message));
            }
            return Ok(Self::from_bytes(&bytes));
        }
        let bytes = Zeroizing::new(rand::random::<[u8; KEY_LEN]>());
        store.write_secret_file(KEY_FILE, bytes.as_slice())?;
        Ok(Self::from_bytes(bytes.as_slice()))
    }

    /// The key with these bytes.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        azure_emulator_core::token_crypto::install();
        Self {
            signing: EncodingKey::from_secret(bytes),
            verifying: DecodingKey::from_secret(bytes),
        }
    }

    /// A token that names a caller. `service` is the client's name for the registry.
    pub fn refresh_token(
        &self,
        registry: &Audience,
        service: &str,
        caller: &Caller,
        now: i64,
    ) -> Result<Zeroizing<String>, Error> {
        let claims = RefreshClaims {
            common: CommonClaims::new(registry, service, caller, REFRESH, now, REFRESH_LIFETIME),
            caller: caller.clone(),
            permissions: PermissionsClaim {
                actions: vec!["*".to_owned()],
                not_actions: Vec::new(),
            },
            roles: Vec::new(),
        };
        self.sign(&claims)
    }

    /// A token that lists permissions.
    pub fn access_token(
        &self,
        registry: &Audience,
        service: &str,
        caller: &Caller,
        granted: &[Scope],
        now: i64,
    ) -> Result<Zeroizing<String>, Error> {
        let claims = AccessClaims {
            common: CommonClaims::new(registry, service, caller, ACCESS, now, ACCESS_LIFETIME),
            access: granted.iter().map(AccessEntry::from_scope).collect(),
            roles: Vec::new(),
            open: registry.open,
        };
        self.sign(&claims)
    }

    /// The caller of a refresh token.
    pub fn verify_refresh(
        &self,
        token: &str,
        registry: &Audience,
        now: i64,
    ) -> Result<Caller, TokenProblem> {
        let claims: RefreshClaims = self.verify(token, REFRESH)?;
        claims.common.check(registry, now)?;
        Ok(claims.caller)
    }

    /// The scopes of an access token.
    pub fn verify_access(
        &self,
        token: &str,
        registry: &Audience,
        now: i64,
    ) -> Result<Vec<Scope>, TokenProblem> {
        let claims: AccessClaims = self.verify(token, ACCESS)?;
        claims.common.check(registry, now)?;
        if claims.open && !registry.open {
            return Err(TokenProblem::Opening);
        }
        Ok(claims.access.iter().filter_map(AccessEntry::scope).collect())
    }

    fn sign(&self, claims: &impl Serialize) -> Result<Zeroizing<String>, Error> {
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &self.signing)
            .map(Zeroizing::new)
            .map_err(Error::internal)
    }

    fn verify<C: DeserializeOwned>(&self, token: &str, kind: &str) -> Result<C, TokenProblem> {
        if token.len() > MAX_TOKEN || token.split('.').count() != 3 {
            return Err(TokenProblem::Invalid);
        }
        // Only HS256 is accepted, whatever the header names.
        let mut validation = Validation::new(Algorithm::HS256);
        // Times are compared with the emulator's clock, and the audience is the registry's name: see `CommonClaims::check`.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let decoded =
            jsonwebtoken::decode::<serde_json::Value>(token, &self.verifying, &validation);
        let claims = decoded.map_err(|_| TokenProblem::Invalid)?.claims;
        if claims.get("grant_type").and_then(serde_json::Value::as_str) != Some(kind) {
            return Err(TokenProblem::Kind);
        }
        serde_json::from_value(claims).map_err(|_| TokenProblem::Invalid)
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD_NO_PAD;
    use proptest::prelude::*;

    use super::*;

    fn key() -> TokenKey {
        TokenKey::from_bytes(&[7; 32])
    }

    fn named(name: &str) -> Audience {
        Audience { name: name.to_owned(), id: Some("1".to_owned()), open: false }
    }

    fn token() -> Caller {
        Caller::Token("builder".to_owned())
    }

    #[test]
    fn a_refresh_token_is_valid_only_for_its_registry_until_it_expires() {
        let made =
            key().refresh_token(&named("team1"), "team1.azurecr.io", &token(), 1000).unwrap();
        let verify = |registry, now| key().verify_refresh(&made, &named(registry), now);

        assert_eq!(verify("team1", 1000), Ok(token()));
        assert_eq!(verify("team1", 999), Err(TokenProblem::Expired));
        assert_eq!(verify("team1", 1000 + REFRESH_LIFETIME), Err(TokenProblem::Expired));
        assert_eq!(verify("team2", 1000), Err(TokenProblem::Registry));
        for id in [Some("2"), None] {
            let later = Audience { id: id.map(str::to_owned), ..named("team1") };
            assert_eq!(key().verify_refresh(&made, &later, 1000), Err(TokenProblem::Registry));
        }
        assert_eq!(key().verify_access(&made, &named("team1"), 1000), Err(TokenProblem::Kind));
        let other = TokenKey::from_bytes(&[8; 32]);
        assert_eq!(other.verify_refresh(&made, &named("team1"), 1000), Err(TokenProblem::Invalid));
    }

    #[test]
    fn an_access_token_allows_what_it_was_made_for() {
        let granted = Scope::parse_all(["repository:a/b:pull,metadata_read registry:catalog:*"]);
        let made =
            key().access_token(&named("team1"), "localhost:5001", &token(), &granted, 0).unwrap();

        assert_eq!(key().verify_access(&made, &named("team1"), 0), Ok(granted));
        assert_eq!(
            key().verify_access(&made, &named("team1"), ACCESS_LIFETIME),
            Err(TokenProblem::Expired)
        );
        assert_eq!(key().verify_refresh(&made, &named("team1"), 0), Err(TokenProblem::Kind));
    }

    #[test]
    fn an_access_token_of_an_open_registry_ends_when_it_requires_a_login() {
        let open = Audience { open: true, ..named("team1") };
        let made = key().access_token(&open, "s", &Caller::Anyone, &[Scope::Catalog], 0).unwrap();

        assert_eq!(key().verify_access(&made, &open, 1), Ok(vec![Scope::Catalog]));
        assert_eq!(key().verify_access(&made, &named("team1"), 1), Err(TokenProblem::Opening));
        let closed =
            key().access_token(&named("team1"), "s", &token(), &[Scope::Catalog], 0).unwrap();
        assert_eq!(key().verify_access(&closed, &open, 1), Ok(vec![Scope::Catalog]));
    }

    #[test]
    fn a_token_with_no_signature_or_another_algorithm_is_refused() {
        let made = key().access_token(&named("team1"), "s", &Caller::Admin, &[], 0).unwrap();
        let payload = made.split('.').nth(1).unwrap();
        for header in [r#"{"alg":"none"}"#, r#"{"alg":"RS256"}"#, r#"{"alg":"HS512"}"#] {
            let header = STANDARD_NO_PAD.encode(header);
            for signature in ["", made.split('.').nth(2).unwrap()] {
                let forged = format!("{header}.{payload}.{signature}");
                let refused = key().verify_access(&forged, &named("team1"), 0);
                assert_eq!(refused, Err(TokenProblem::Invalid), "{forged}");
            }
        }
    }

    proptest! {
        #[test]
        fn the_payload_is_plain_base64_for_every_name_of_the_registry(service in r"\PC{0,80}") {
            let made = key().refresh_token(&named("team1"), &service, &token(), 0).unwrap();
            let payload = made.split('.').nth(1).unwrap();
            prop_assert!(STANDARD_NO_PAD.decode(payload).is_ok(), "{}", payload);
        }

        #[test]
        fn no_text_makes_the_verifier_panic_or_is_accepted(text in r"\PC{0,200}", three in r"[A-Za-z0-9_-]{0,60}\.[A-Za-z0-9_-]{0,60}\.[A-Za-z0-9_-]{0,60}") {
            for token in [text, three] {
                prop_assert!(key().verify_refresh(&token, &named("team1"), 0).is_err());
                prop_assert!(key().verify_access(&token, &named("team1"), 0).is_err());
            }
        }
    }
}
