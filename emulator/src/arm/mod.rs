//! The control plane that `az` talks to.
//!
//! Called by the front of the Azure listener for every path that [`serves`] accepts. The control plane parses the
//! request, checks the caller's token and role, makes one domain call, and renders the answer for the address that the
//! client used. It passes `Microsoft.KeyVault` and `Microsoft.Authorization` to the vault, as Azure passes a request to
//! the resource's provider, and also unknown paths, which the vault refuses.

mod body;
mod conditions;
mod context;
mod deployments;
mod error;
mod groups;
mod identities;
mod locations;
mod metadata;
mod operations;
mod path;
mod polled;
mod providers;
mod registries;
mod resources;
mod subscriptions;
pub mod template;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use azure_emulator_core::authority::host_of;
use http::{Method, StatusCode};
use mock_keyvault::Gate;
use mock_keyvault::control::{self, RequestError};
use mock_keyvault::vault::settings::LOCAL_SUBSCRIPTION;
use serde::Serialize;
use tokio::sync::{Mutex, RwLock};

use self::context::Context;
pub use self::deployments::DeploymentError;
pub use self::error::ArmError;
use self::path::Target;
pub use self::registries::Refusal;
use self::registries::RegistryPath;
use crate::registry::{IdentityResource, Intent, Kind, ManageError, Registries};

/// The shared state of the control plane. Clones share it.
#[derive(Clone)]
struct Arm {
    registries: Registries,
    gate: Gate,
    /// Whether locations unknown to Azure are refused.
    strict: bool,
    /// The polled operations; `None` if every operation is complete when it is answered.
    polled: Option<Arc<polled::Polled>>,
    deployments: deployments::Running,
    /// Held while a description of a registry is applied, from reading its state to writing it.
    describing: Arc<Mutex<()>>,
    /// Held while the deletion of a group begins, so that two requests follow one operation.
    deleting: Arc<Mutex<()>>,
    /// Shared by all changes from outside, and exclusive for a change with a condition.
    changing: Arc<RwLock<()>>,
}

/// Options of the control plane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlaneOptions {
    /// Whether clients must poll the operations that Azure makes them poll.
    pub polled: bool,
    /// Whether locations unknown to Azure are refused.
    pub strict: bool,
}

/// Whether the control plane answers this path.
pub fn serves(path: &str) -> bool {
    path::is_managed(path)
}

/// The control plane of an emulator. Clones share it.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "it has no state of its own to show")]
pub struct ControlPlane(Arm);

impl ControlPlane {
    /// `gate` authenticates callers and leads to the vault's own part. Interrupted deployments are marked as running
    /// again from here on.
    pub fn new(registries: Registries, gate: Gate, options: PlaneOptions) -> Self {
        let clock = registries.intents().clock().clone();
        let arm = Arm {
            strict: options.strict,
            polled: options.polled.then(|| Arc::new(polled::Polled::new(clock))),
            deployments: deployments::Running::default(),
            describing: Arc::default(),
            deleting: Arc::default(),
            changing: Arc::default(),
            registries,
            gate,
        };
        deployments::hold(&arm);
        Self(arm)
    }

    /// The lock that a slow change of a client holds.
    #[cfg(test)]
    pub(crate) async fn change_slowly(&self) -> tokio::sync::OwnedRwLockReadGuard<()> {
        Arc::clone(&self.0.changing).read_owned().await
    }

    /// The routes.
    pub fn router(&self) -> Router {
        Router::new().fallback(dispatch).with_state(self.0.clone())
    }

    /// Continues an interrupted operation. A failure is recorded, and the operation is retried.
    pub async fn resume(&self, intent: Intent) {
        match intent.kind() {
            Kind::DeleteGroup => groups::go_on(&self.0, intent).await,
            Kind::Deploy => deployments::resume(&self.0, intent).await,
            _ => intent.failed("the control plane has no such operation"),
        }
    }
}

async fn dispatch(State(arm): State<Arm>, request: Request) -> Response {
    polled::respond(&arm, request).await
}

/// Answers a request of any origin. Conditions apply only to requests from outside.
async fn respond(arm: &Arm, request: Request) -> Response {
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
        Ok(Target::Vault) => match locations::checked(arm, request).await {
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
    let context = Context::of(arm, &host, &head.headers, &head.extensions, &head.uri)?;
    match (target, &head.method) {
        (Target::Tenants, &Method::GET) => Ok(subscriptions::tenants()),
        (Target::Subscriptions, &Method::GET) => Ok(subscriptions::list(&context)),
        (Target::Subscription(id), &Method::GET) => subscriptions::get(&context, &id),
        (Target::Providers { subscription }, &Method::GET) => {
            own(&subscription)?;
            providers::list(&context)
        }
        (Target::Provider { subscription, namespace }, &Method::GET)
        | (Target::ProviderRegistration { subscription, namespace }, &Method::POST) => {
            own(&subscription)?;
            providers::get(&context, &namespace)
        }
        (Target::ProviderOperations { namespace }, &Method::GET) => {
            providers::operations(&namespace)
        }
        (Target::Locations { subscription }, &Method::GET) => {
            own(&subscription)?;
            providers::places(&context)
        }
        (Target::Groups { subscription }, &Method::GET) => {
            own(&subscription)?;
            groups::list(&context, &head.uri).await
        }
        (Target::Group { subscription, name }, method) => {
            own(&subscription)?;
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
            own(&subscription)?;
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
            own(&subscription)?;
            let group = group.as_deref().map(str::parse).transpose()?;
            identities::list(&context, group.as_ref()).await
        }
        (Target::Registry { subscription, group, name, part }, method) => {
            own(&subscription)?;
            let at = RegistryPath { group: group.parse()?, name };
            registries::answer(&context, &at, part, method, body).await
        }
        (Target::RegistryName { subscription }, &Method::POST) => {
            own(&subscription)?;
            registries::check_name(&context, &body::read(body).await?).await
        }
        (Target::Registries { subscription, group }, &Method::GET) => {
            own(&subscription)?;
            let group = group.as_deref().map(str::parse).transpose()?;
            registries::list(&context, group.as_ref()).await
        }
        (Target::Deployment { subscription, group, name, part }, method) => {
            own(&subscription)?;
            deployments::answer(&context, group.parse()?, &name, part, method.clone(), body).await
        }
        (Target::Deployments { subscription, group }, &Method::GET) => {
            own(&subscription)?;
            let query = head.uri.query().unwrap_or_default();
            deployments::list(&context, &group.parse()?, query).await
        }
        (Target::Resources { subscription, group }, &Method::GET) => {
            own(&subscription)?;
            let group = group.as_deref().map(str::parse).transpose()?;
            resources::list(&context, group.as_ref(), &head.uri).await
        }
        (Target::DeploymentElsewhere, _) => Err(deployments::elsewhere()),
        (_, method) => Err(RequestError::MethodNotAllowed(method.to_string()).into()),
    }
}

/// Refuses any subscription but the emulator's.
fn own(subscription: &str) -> Result<(), RequestError> {
    match control::subscription(subscription)? {
        LOCAL_SUBSCRIPTION => Ok(()),
        other => Err(RequestError::NoSubscription(other)),
    }
}

fn json(body: impl Serialize) -> Response {
    json_with(StatusCode::OK, body)
}

fn json_with(status: StatusCode, body: impl Serialize) -> Response {
    (status, axum::Json(body)).into_response()
}

fn empty(status: StatusCode) -> Response {
    status.into_response()
}
