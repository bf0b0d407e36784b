//! The errors of the issuer: refused requests for tokens, and tokens that are not valid.
//!
//! The numbers and sentences of [`EntraError`] are Entra's, since people search for them.

use super::well_known::TENANT;

/// The reason that a request for a token is refused.
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
    /// The body did not arrive, or is too long.
    #[error(
        "AADSTS90013: Invalid input received from the user. The form cannot be read: {0}. Send at most 64 KiB."
    )]
    Form(String),
    /// A parameter is missing.
    #[error("AADSTS900144: The request body must contain the following parameter: '{0}'.")]
    MissingParameter(&'static str),
    /// Applications cannot use this grant.
    #[error("AADSTS70003: The app requested an unsupported grant type '{0}'.")]
    UnsupportedGrant(String),
    /// The tenant is a placeholder, and an application has no home tenant that it could stand for.
    #[error(
        "AADSTS50059: No tenant-identifying information found in either the request or implied by any provided credentials. This issuer has one tenant: ask at /{TENANT}/ in place of /{0}/."
    )]
    NoTenant(String),
    /// The client sent a certificate or a token of another issuer instead of a secret.
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
            Self::Form(_) => (400, "invalid_request", 90_013),
            Self::MissingParameter(_) => (400, "invalid_request", 900_144),
            Self::UnsupportedGrant(_) => (400, "unsupported_grant_type", 70_003),
            Self::InvalidScope(_) => (400, "invalid_scope", 1_002_012),
        }
    }
}

/// The reason that a token is not valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefused {
    /// It does not have the three parts of a token.
    #[error("the token is malformed")]
    Malformed,
    /// Its signature is not by the key of this issuer.
    #[error("the signature of the token does not verify")]
    Signature {
        /// The header as it was received.
        encoded_header: String,
    },
    /// Another issuer made it.
    #[error("the token was issued by '{found}'")]
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
    /// It has expired.
    #[error("the token has expired")]
    Expired {
        /// When it expired, in seconds since 1970.
        end: i64,
        /// The current time, in seconds since 1970.
        now: i64,
    },
    /// It is not valid yet.
    #[error("the token is not yet valid")]
    NotYetValid {
        /// When it becomes valid, in seconds since 1970.
        start: i64,
        /// The current time, in seconds since 1970.
        now: i64,
    },
    /// Its principal was removed.
    #[error("the principal '{app_id}' of the token was removed")]
    PrincipalGone {
        /// The client id in the token.
        app_id: String,
    },
}

impl TokenRefused {
    /// Whether this issuer made the token itself: the signature is valid.
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
