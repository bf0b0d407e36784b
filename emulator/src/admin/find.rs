//! Finds the registry in the path of a request.

use super::error::AdminError;
use crate::app::App;
use crate::registry::Registry;

/// The registry in a path.
pub(super) fn find(app: &App, name: &str) -> Result<Registry, AdminError> {
    app.registry(name).ok_or_else(|| AdminError::no_registry(name))
}
