//! The additions of Azure Container Registry to the distribution specification: the metadata API below `/acr/v1/`, and logins.
//!
//! This folder parses a request into domain types, calls one domain method, and renders the result with
//! ACR's names. All of it is content: it is reached only through [`Content`](crate::registry::Content), so a refused key
//! refuses it as well. Errors have the body of the distribution specification, as ACR's do; `oci/` has the table for the
//! domain's errors.
//!
//! [`protect`] adds the gate before `/v2/` and `/acr/v1/` of registries that require a login; [`login_router`] has the routes
//! for the tokens.
//!
//! Soft delete is not emulated, and the error says so.

mod body;
mod challenge;
mod error;
mod forwarded;
mod gate;
mod manifests;
mod oauth2;
mod patch;
mod query;
mod render;
mod repositories;
mod required_access;
mod route;
mod router;
mod tags;
mod wire;

pub use self::challenge::complete_401;
pub use self::forwarded::Proxies;
pub use self::gate::{Ping, protect};
pub use self::oauth2::router as login_router;
pub use self::route::parse_paths;
#[cfg(feature = "internals")]
pub use self::route::{ParsedPath, RouteKind};
pub use self::router::router;
