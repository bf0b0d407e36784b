//! The issuer that stands for Microsoft Entra: principals, their tokens, and the keys that verify the tokens.
//!
//! Called by the router for the issuer's paths, by the vault's token check, and by the emulator, whose registry accepts
//! the same tokens. It imports nothing of the vault: a token can be for any resource.

pub mod token;

mod admin;
mod api;
mod error;
mod form;
mod issuer;
mod keys;
mod managed;
mod principal;
mod principals;
mod secret;
mod well_known;

pub use error::{EntraError, TokenRefused};
pub use issuer::Issuer;
pub use managed::{APP_SERVICE_PATH, IMDS_PATH};
pub use principal::{NewPrincipal, Principal, PrincipalError, PrincipalKind};
pub use principals::{CreatedPrincipal, CreatedSecret};
pub use secret::Secret;
pub use token::{Claims, Verified};
pub use well_known::{
    Credentials, MANAGED_IDENTITY_CLIENT_ID, MANAGED_IDENTITY_OBJECT_ID,
    MANAGED_IDENTITY_RESOURCE_ID, OWNER_CLIENT_ID, OWNER_OBJECT_ID, SUBSCRIPTION, Secrets, TENANT,
    WELL_KNOWN_SECRET,
};

pub use admin::{PATH as PRINCIPALS_PATH, answer as answer_principals};
pub use api::answer;
pub use managed::Endpoint as ManagedEndpoint;
