//! The read-only part of Microsoft Graph that `az` uses to look up the principals of the tenant.
//!
//! Called by the router for the host names of Graph. Every holder of a token for Graph may ask, as users in Entra may read their
//! directory. Principals are created elsewhere: with an identity, or over the admin API.
//!
//! Sources: Microsoft Graph v1.0, "servicePrincipal", "directoryObject: getByIds", "Microsoft Graph error responses".

mod documents;
mod error;
mod filter;
mod path;
mod router;

pub(crate) use router::answer;
