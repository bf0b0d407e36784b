//! The handler of each part of a registry, each of its actions, and each method.

use axum::body::Body;
use axum::response::Response;
use http::Method;
use mock_keyvault::control::RequestError;

use super::path::RegistryPath;
use super::{credentials, resource, scope_maps, tokens, unsupported, usages};
use crate::arm::body;
use crate::arm::context::Context;
use crate::arm::error::ArmError;
use crate::arm::path::{Action, RegistryPart};

/// Answers a request for a registry, or for one of its parts or actions.
pub(in crate::arm) async fn answer(
    context: &Context,
    at: &RegistryPath,
    part: RegistryPart,
    method: &Method,
    body: Body,
) -> Result<Response, ArmError> {
    use {Action as A, RegistryPart as P};
    match (part, method.as_str()) {
        (P::Whole, "GET") => resource::get(context, at).await,
        (P::Whole, "HEAD") => resource::exists(context, at),
        (P::Whole, "PUT") => resource::put(context, at, &body::read(body).await?).await,
        (P::Whole, "PATCH") => resource::patch(context, at, &body::read(body).await?).await,
        (P::Whole, "DELETE") => resource::delete(context, at).await,
        (P::Action(A::ListCredentials), "POST") => credentials::list(context, at).await,
        (P::Action(A::RegenerateCredential), "POST") => {
            credentials::regenerate(context, at, &body::read(body).await?).await
        }
        (P::Action(A::GenerateCredentials), "POST") => {
            credentials::generate(context, at, &body::read(body).await?).await
        }
        (P::Action(A::ListUsages), "GET") => usages::list(context, at).await,
        (P::ScopeMaps, "GET") => scope_maps::list(context, at).await,
        (P::ScopeMap(name), "GET") => scope_maps::get(context, at, &name).await,
        (P::ScopeMap(name), "PUT") => {
            scope_maps::put(context, at, &name, &body::read(body).await?).await
        }
        (P::ScopeMap(name), "PATCH") => {
            scope_maps::patch(context, at, &name, &body::read(body).await?).await
        }
        (P::ScopeMap(name), "DELETE") => scope_maps::delete(context, at, &name).await,
        (P::Tokens, "GET") => tokens::list(context, at).await,
        (P::Token(name), "GET") => tokens::get(context, at, &name).await,
        (P::Token(name), "PUT") => tokens::put(context, at, &name, &body::read(body).await?).await,
        (P::Token(name), "PATCH") => {
            tokens::patch(context, at, &name, &body::read(body).await?).await
        }
        (P::Token(name), "DELETE") => tokens::delete(context, at, &name).await,
        (P::Unsupported(kind, name), method) => {
            unsupported::answer(context, at, kind, name, method)
        }
        (P::UnsupportedAction(kind), _) => unsupported::refuse(context, at, kind),
        (_, method) => Err(RequestError::MethodNotAllowed(method.to_owned()).into()),
    }
}
