//! What the issuer refuses: requests for tokens in Entra's words, and tokens that do not hold.
//!
//! The wording of [`EntraError`] is Entra's, number and sentence, since people search for both.

use super::TENANT;

/// Why a request for a token is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntraError {
    /// No application has this client id.
    #[error(
        "AADSTS700016: Application with identifier '{0}' was not found in the directory '{TENANT}'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant."
    )]
    UnknownApplication(String),
    /// The tenant is not ours.
    #[error(
        "AADSTS90002: Tenant '{0}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud."
    )]
    UnknownTenant(String),
    /// The secret is wrong.
    #[error(
        "AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{0}'."
    )]
    WrongSecret(String),
    /// There is no secret.
    #[error(
        "AADSTS7000216: 'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type."
    )]
    NoSecret,
    /// A parameter is missing.
    #[error("AADSTS900144: The request body must contain the following parameter: '{0}'.")]
    MissingParameter(&'static str),
    /// The grant is not one that an application has.
    #[error("AADSTS70003: The app requested an unsupported grant type '{0}'.")]
    UnsupportedGrant(String),
    /// The tenant is a placeholder, and an application has no home that would tell which is meant.
    #[error(
        "AADSTS50059: No tenant-identifying information found in either the request or implied by any provided credentials. This issuer has one tenant: ask at /{TENANT}/ in place of /{0}/."
    )]
    NoTenant(String),
    /// A certificate or a token of another issuer is offered in place of a secret.
    #[error(
        "AADSTS700027: The certificate with identifier used to sign the client assertion is not registered on application. This local issuer knows no certificates and no federated credentials: send a 'client_secret'."
    )]
    ClientAssertion,
    /// The scope is not a resource with `/.default`.
    #[error(
        "AADSTS1002012: The provided value for scope {0} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI)."
    )]
    InvalidScope(String),
}

impl EntraError {
    /// The status, the OAuth error code (RFC 6749, section 5.2) and Entra's number.
    pub(super) fn wire(&self) -> (u16, &'static str, u32) {
        match self {
            Self::UnknownApplication(_) => (400, "unauthorized_client", 700_016),
            Self::UnknownTenant(_) => (400, "invalid_request", 90_002),
            Self::WrongSecret(_) => (401, "invalid_client", 7_000_215),
            Self::NoSecret => (401, "invalid_client", 7_000_216),
            Self::NoTenant(_) => (400, "invalid_request", 50_059),
            Self::ClientAssertion => (401, "invalid_client", 700_027),
            Self::MissingParameter(_) => (400, "invalid_request", 900_144),
            Self::UnsupportedGrant(_) => (400, "unsupported_grant_type", 70_003),
            Self::InvalidScope(_) => (400, "invalid_scope", 1_002_012),
        }
    }
}

/// Why a token does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefused {
    /// It is no token of three parts.
    #[error("the token is malformed")]
    Malformed,
    /// No key of this issuer made its signature.
    #[error("the signature of the token does not verify")]
    Signature {
        /// The header as it came.
        encoded_header: String,
    },
    /// Another issuer made it.
    #[error("the token is of the issuer '{found}'")]
    Issuer {
        /// Our name.
        expected: String,
        /// The name in the token.
        found: String,
    },
    /// It is for another resource.
    #[error("the token is for '{found}'")]
    Audience {
        /// The resource in the token.
        found: String,
    },
    /// It has ended.
    #[error("the token has expired")]
    Expired {
        /// When it ended, in seconds since 1970.
        end: i64,
        /// What time it is.
        now: i64,
    },
    /// It has not begun.
    #[error("the token is not yet valid")]
    NotYetValid {
        /// When it begins, in seconds since 1970.
        start: i64,
        /// What time it is.
        now: i64,
    },
    /// Its principal was removed.
    #[error("the principal '{app_id}' of the token is gone")]
    PrincipalGone {
        /// The client id in the token.
        app_id: String,
    },
}

impl TokenRefused {
    /// Whether the issuer that refuses made the token itself: its signature holds.
    pub fn is_of_own_token(&self) -> bool {
        match self {
            Self::Malformed | Self::Signature { .. } | Self::Issuer { .. } => false,
            Self::Audience { .. }
            | Self::Expired { .. }
            | Self::NotYetValid { .. }
            | Self::PrincipalGone { .. } => true,
        }
    }
}
