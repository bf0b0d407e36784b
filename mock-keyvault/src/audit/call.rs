//! One call of the keys API, as `calls()` returns it.

use std::time::Duration;

use time::OffsetDateTime;

use crate::operation::Operation;

/// One call of the keys API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// When the call arrived, by the emulator's clock.
    pub time: OffsetDateTime,
    /// The operation.
    pub operation: Operation,
    /// The vault.
    pub vault: String,
    /// The vault as a resource of the control plane.
    pub resource_id: String,
    /// The name of the key, if the call named one.
    pub key: Option<String>,
    /// The version in the request; `None` means the newest.
    pub version: Option<String>,
    /// The version that answered, if one did.
    pub used_version: Option<String>,
    /// The client id of the caller, if the token was valid.
    pub app_id: Option<String>,
    /// The object id of the caller, if the token was valid.
    pub object_id: Option<String>,
    /// The status of the answer.
    pub status: u16,
    /// The code of a refusal: the inner one if there is one.
    pub code: Option<&'static str>,
    /// The message of a refusal.
    pub description: Option<String>,
    /// The address of the client.
    pub client: Option<String>,
    /// The client's `User-Agent`.
    pub user_agent: Option<String>,
    /// The full URI of the request.
    pub request_uri: String,
    /// The API version of the request.
    pub api_version: Option<String>,
    /// How long the call took, in real time.
    pub duration: Duration,
    /// The id that the answer carried as `x-ms-request-id`.
    pub request_id: String,
    /// The id that the client gave, if any.
    pub client_request_id: Option<String>,
    /// Whether the caller has the permission; `None` if that was not checked.
    pub is_allowed: Option<bool>,
    /// Whether roles decided that, rather than access policies.
    pub by_roles: bool,
}
