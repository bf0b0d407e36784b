//! Registries as resources: `Microsoft.ContainerRegistry`, for `az acr` and templates.
//!
//! Called by the router with a parsed path. Every request is complete when it is answered, so these handlers need no
//! polling. Features of Azure's registries that are not supported are refused by name; their lists are empty.

mod credentials;
mod description;
mod document;
mod names;
mod path;
mod properties;
mod resource;
mod router;
mod scope_maps;
mod tokens;
mod unsupported;
mod usages;

pub(super) use self::names::check as check_name;
pub(super) use self::path::RegistryPath;
pub(super) use self::resource::{AllRegistries, list};
pub(super) use self::router::answer;
