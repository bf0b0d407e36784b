//! The routes of the control plane: the handler of each target and method.
//!
//! Requests of clients come here through `polled.rs` and `conditions.rs`; the control plane's own requests, such as those
//! of a deployment, come from [`Context::call`](super::context::Context::call).

use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use azure_emulator_core::authority::host_of;
use http::Method;
use mock_keyvault::control::{self, RequestError};

use super::context::Context;
use super::error::ArmError;
use super::path::Target;
use super::registries::RegistryPath;
use super::state::Arm;
use super::{
    body, deployments, groups, identities, metadata, operations, providers, registries, resources,
    subscriptions, vaults,
};
use crate::registry::{IdentityResource, ManageError};

/// Answers a request of any origin. Conditions apply only to requests from outside.
pub(super) async fn respond(arm: &Arm, request: Request) -> Response {
    let client_request_id = control::client_request_id(&request);
    let (head, body) = request.into_parts();
    let bare = Request::from_parts(head, ());
    let ready = match *bare.method() {
        Method::GET | Method::HEAD => Ok(()),
        // The vault must stay available, because the reset itself changes it.
        _ if matches!(Target::parse(bare.uri().path()), Ok(Target::Vault)) => {
            arm.registries.intents().refuse_while_reset_waits()
        }
        // Anything made now would be removed by the interrupted reset.
        _ => arm.registries.intents().refuse_in_reset(),
    };
    let ready = match ready {
        Ok(()) => groups::require_parent(arm, &bare).await,
        Err(error) => Err(ManageError::from(error).into()),
    };
    let target = match ready {
        Ok(()) => Target::parse(bare.uri().path()).map_err(ArmError::from),
        Err(error) => Err(error),
    };
    let request = bare.map(|()| body);
    let answered = match target {
        Ok(Target::Vault) => match vaults::checked(arm, request).await {
            Ok(request) => return arm.gate.answer(request).await,
            Err(error) => Err(error),
        },
        Ok(target) => answer(arm, target, request).await,
        Err(error) => Err(error),
    };
    let mut response = answered.unwrap_or_else(ArmError::into_response);
    control::finish(&mut response, client_request_id);
    response
}

async fn answer(arm: &Arm, target: Target, request: Request) -> Result<Response, ArmError> {
    let host = host_of(&request).unwrap_or("localhost").to_owned();
    let (head, body) = request.into_parts();
    // A client asks for this before it can have a token.
    if target == Target::Metadata && head.method == Method::GET {
        return metadata::get(&host);
    }
    let context = Context::authenticate(arm, &host, &head.headers, &head.extensions, &head.uri)?;
    match (target, &head.method) {
        (Target::Tenants, &Method::GET) => Ok(subscriptions::tenants()),
        (Target::Subscriptions, &Method::GET) => Ok(subscriptions::list(&context)),
        (Target::Subscription(id), &Method::GET) => subscriptions::get(&context, &id),
        (Target::Providers { subscription }, &Method::GET) => {
            subscriptions::require(&subscription)?;
            providers::list(&context)
        }
        (Target::Provider { subscription, namespace }, &Method::GET)
        | (Target::ProviderRegistration { subscription, namespace }, &Method::POST) => {
            subscriptions::require(&subscription)?;
            providers::get(&context, &namespace)
        }
        (Target::ProviderOperations { namespace }, &Method::GET) => {
            providers::operations(&namespace)
        }
        (Target::Locations { subscription }, &Method::GET) => {
            subscriptions::require(&subscription)?;
            providers::places(&context)
        }
        (Target::Groups { subscription }, &Method::GET) => {
            subscriptions::require(&subscription)?;
            groups::list(&context, &head.uri).await
        }
        (Target::Group { subscription, name }, method) => {
            subscriptions::require(&subscription)?;
            let name = name.parse()?;
            match *method {
                Method::PUT => groups::put(&context, name, &body::read(body).await?).await,
                Method::PATCH => groups::patch(&context, name, &body::read(body).await?).await,
                Method::GET => groups::get(&context, name).await,
                Method::HEAD => groups::exists(&context, name).await,
                Method::DELETE => groups::delete(&context, name).await,
                _ => Err(RequestError::MethodNotAllowed(method.to_string()).into()),
            }
        }
        (Target::OperationStatus(id), &Method::GET) => operations::status(&context, &id).await,
        (Target::OperationResult(id), &Method::GET) => {
            operations::result(&context, &id, operations::resource_of(head.uri.path())).await
        }
        (Target::Identity { subscription, group, name }, method) => {
            subscriptions::require(&subscription)?;
            let at = IdentityResource::new(group.parse()?, &name)?;
            match *method {
                Method::PUT => identities::put(&context, at, &body::read(body).await?).await,
                Method::PATCH => identities::patch(&context, at, &body::read(body).await?).await,
                Method::GET => identities::get(&context, at).await,
                Method::DELETE => identities::delete(&context, at).await,
                _ => Err(RequestError::MethodNotAllowed(method.to_string()).into()),
            }
        }
        (Target::Identities { subscription, group }, &Method::GET) => {
            subscriptions::require(&subscription)?;
            let group = group.as_deref().map(str::parse).transpose()?;
            identities::list(&context, group.as_ref()).await
        }
        (Target::Registry { subscription, group, name, part }, method) => {
            subscriptions::require(&subscription)?;
            let at = RegistryPath { group: group.parse()?, name };
            registries::answer(&context, &at, part, method, body).await
        }
        (Target::RegistryName { subscription }, &Method::POST) => {
            subscriptions::require(&subscription)?;
            registries::check_name(&context, &body::read(body).await?).await
        }
        (Target::Registries { subscription, group }, &Method::GET) => {
            subscriptions::require(&subscription)?;
            let group = group.as_deref().map(str::parse).transpose()?;
            registries::list(&context, group.as_ref()).await
        }
        (Target::Deployment { subscription, group, name, part }, method) => {
            subscriptions::require(&subscription)?;
            deployments::answer(&context, group.parse()?, &name, part, method.clone(), body).await
        }
        (Target::Deployments { subscription, group }, &Method::GET) => {
            subscriptions::require(&subscription)?;
            let query = head.uri.query().unwrap_or_default();
            deployments::list(&context, &group.parse()?, query).await
        }
        (Target::Resources { subscription, group }, &Method::GET) => {
            subscriptions::require(&subscription)?;
            let group = group.as_deref().map(str::parse).transpose()?;
            resources::list(&context, group.as_ref(), &head.uri).await
        }
        (Target::DeploymentElsewhere, _) => Err(deployments::unsupported_scope()),
        (_, method) => Err(RequestError::MethodNotAllowed(method.to_string()).into()),
    }
}
