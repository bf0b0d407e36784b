//! The HTTP surface of the OCI distribution specification 1.1.
//!
//! This folder parses a request into domain types, calls one domain method, and renders the result.
//! It has no storage logic and no cryptography. Every response below `/v2/` that is not a success has
//! the JSON body of the specification, on every route.

mod blobs;
mod code;
mod domain_errors;
mod error;
mod headers;
mod lists;
mod manifests;
mod parsed_path;
mod query;
mod range;
mod reason_phrase;
mod route;
mod route_kind;
mod router;
mod uploads;

pub use self::code::Code;
pub use self::error::ErrorReply;
pub(crate) use self::headers::{API_VERSION, header_value};
pub use self::parsed_path::Parsed;
pub(crate) use self::parsed_path::with_parsed_paths;
pub(crate) use self::query::Query;
#[cfg(feature = "internals")]
pub use self::range::{ByteRange, ContentRange};
pub use self::route::{ParsedPath, Route, RouteKind, parse_paths};
pub(crate) use self::route_kind::route_kinds;
pub use self::router::router;
