//! The caller of a vault.

use serde::{Deserialize, Serialize};

use azure_emulator_core::identity::PrincipalKind;

/// The caller, in the form in which refusals name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// The client id of the application.
    pub app_id: String,
    /// The object id of its service principal, which access policies refer to.
    pub object_id: String,
    /// The issuer of the token.
    pub issuer: String,
    /// The kind of principal: a managed identity may be a trusted service.
    pub kind: PrincipalKind,
}
