//! The routes of user-assigned identities: list, create, delete.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::error::AdminError;
use super::json_body::{JsonBody, RequestBody};
use crate::app::App;
use crate::registry::{
    AssignedIdentity, Identity, IdentityResource, Principal, ResourceGroup, Tags,
};

/// The body of `POST /_sealyard/identities`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct CreateIdentity {
    /// 3 to 128 letters, digits, `-` and `_`.
    pub name: String,
    /// `sealyard` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_group: Option<String>,
    /// `eastus` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
}

/// The query parameters of a deletion.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct DeleteIdentity {
    /// `sealyard` by default.
    pub resource_group: Option<String>,
    /// Whether to delete the identity even if registries have it.
    pub force: bool,
}

/// All identities.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityList {
    /// The identities, ordered by group and name.
    pub identities: Vec<IdentityReport>,
}

/// A user-assigned identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IdentityReport {
    /// Its resource id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its resource group.
    pub resource_group: String,
    /// Its principal.
    #[serde(flatten)]
    pub principal: PrincipalReport,
}

/// The principal of an identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PrincipalReport {
    /// The client id, which tokens contain.
    pub client_id: String,
    /// The object id, which access policies and roles contain; empty if unknown.
    pub principal_id: String,
}

impl RequestBody for CreateIdentity {
    const SHAPE: &'static str = r#"{"name": NAME, "resourceGroup"?, "location"?}"#;
}

/// `GET /_sealyard/identities`.
pub(super) async fn list(State(app): State<App>) -> Result<Json<IdentityList>, AdminError> {
    let identities = app.registries.identities().await?;
    Ok(Json(IdentityList { identities: identities.iter().map(Into::into).collect() }))
}

/// `POST /_sealyard/identities`.
pub(super) async fn create(
    State(app): State<App>,
    JsonBody(request): JsonBody<CreateIdentity>,
) -> Result<(StatusCode, Json<IdentityReport>), AdminError> {
    Ok((StatusCode::CREATED, Json(create_identity(&app, request).await?)))
}

/// Creates a user-assigned identity without permissions.
pub(crate) async fn create_identity(
    app: &App,
    request: CreateIdentity,
) -> Result<IdentityReport, AdminError> {
    let resource = resource(&request.name, request.resource_group.as_deref())?;
    let location = request.location.as_deref().map(str::parse).transpose();
    let location = location.map_err(AdminError::bad_request)?.unwrap_or_default();
    let identity = app.registries.create_identity(resource, location, Tags::default()).await?;
    Ok((&identity).into())
}

/// `DELETE /_sealyard/identities/{name}?resourceGroup=GROUP&force=true`.
pub(super) async fn delete(
    State(app): State<App>,
    Path(name): Path<String>,
    query: Result<Query<DeleteIdentity>, QueryRejection>,
) -> Result<StatusCode, AdminError> {
    let Query(query) = query?;
    let resource = resource(&name, query.resource_group.as_deref())?;
    app.registries.delete_identity(&resource, query.force).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn resource(name: &str, group: Option<&str>) -> Result<IdentityResource, AdminError> {
    let group: Option<ResourceGroup> =
        group.map(str::parse).transpose().map_err(AdminError::bad_request)?;
    IdentityResource::new(group.unwrap_or_default(), name).map_err(AdminError::bad_request)
}

impl IdentityReport {
    fn new(resource: &IdentityResource, principal: &Principal) -> Self {
        Self {
            id: resource.to_string(),
            name: resource.name().to_owned(),
            resource_group: resource.group().to_string(),
            principal: principal.into(),
        }
    }
}

impl From<&Identity> for IdentityReport {
    fn from(identity: &Identity) -> Self {
        Self::new(&identity.resource, &identity.principal)
    }
}

impl From<&AssignedIdentity> for IdentityReport {
    fn from(identity: &AssignedIdentity) -> Self {
        Self::new(&identity.resource, &identity.principal)
    }
}

impl From<&Principal> for PrincipalReport {
    fn from(principal: &Principal) -> Self {
        Self {
            client_id: principal.client_id.clone(),
            principal_id: principal.principal_id.clone(),
        }
    }
}
