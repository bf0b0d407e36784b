//! Selects the registry of a request, before it is routed.
//!
//! The registry goes with the request as an extension, which the content routes read. It is looked up for each request, so
//! that new registries answer and deleted ones do not.

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use azure_emulator_core::authority::Authority;
use azure_emulator_core::host_router::EmbeddedRoutes;
use http::StatusCode;
use serde_json::json;

use super::names::{is_registry_name, may_manage, registry_named};
use crate::arm;
use crate::oci::{Code, ErrorReply};
use crate::registry::{Registries, Registry};

/// The registries of a listener: the registry that the `Host` names, or else its own.
#[derive(Clone, Debug)]
pub(crate) struct RegistrySelector {
    registries: Registries,
    /// The registry for requests that name no other.
    own: String,
}

impl RegistrySelector {
    /// A listener whose own registry has this name.
    pub(crate) fn new(registries: Registries, own: impl Into<String>) -> Self {
        Self { registries, own: own.into() }
    }

    /// Adds the selection before content routes.
    pub(crate) fn select_for(self, content: Router) -> Router {
        content.layer(from_fn_with_state(self, select))
    }

    fn registry(&self, request: &Request) -> Result<Registry, ErrorReply> {
        let authority = Authority::from_request(request);
        let named = authority.as_ref().and_then(|authority| registry_named(authority.name()));
        let name = named.unwrap_or(&self.own);
        self.registries.get(name).ok_or_else(|| unknown(name))
    }
}

async fn select(
    State(selector): State<RegistrySelector>,
    mut request: Request,
    next: Next,
) -> Response {
    match selector.registry(&request) {
        Ok(registry) => {
            request.extensions_mut().insert(registry);
            next.run(request).await
        }
        Err(unknown) => unknown.into_response(),
    }
}

/// In the real service such a name does not resolve. Here the response has the form of the specification.
fn unknown(name: &str) -> ErrorReply {
    let message = format!(
        "there is no registry called {name:?} here; the status of the emulator lists its registries"
    );
    ErrorReply::new(StatusCode::NOT_FOUND, Code::NameUnknown, message, json!({ "registry": name }))
}

/// The emulator's routes on the vault's listener: registries by their names, and its part of the control plane.
pub(crate) struct AzureRoutes {
    content: Router,
    arm: Router,
}

impl AzureRoutes {
    /// `content` serves every registry by its name, `arm` the paths that [`arm::serves`] takes.
    pub(crate) fn new(content: Router, arm: Router) -> Self {
        Self { content, arm }
    }
}

impl EmbeddedRoutes for AzureRoutes {
    fn router(&self, name: &str, path: &str) -> Option<Router> {
        if is_registry_name(name) {
            return Some(self.content.clone());
        }
        (may_manage(name) && arm::serves(path)).then(|| self.arm.clone())
    }

    fn knows(&self, name: &str) -> bool {
        is_registry_name(name)
    }
}
