//! The routes of registries: list, create, show, change, rotate, delete.
//!
//! `registry_bodies.rs` has the bodies. A request with only a name creates a registry with an identity, a key and the permission to use it.

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;

use super::error::AdminError;
use super::find::find;
use super::json_body::JsonBody;
use super::key_bodies::RotationReport;
use super::registry_bodies::{
    ChangeRegistry, CreateRegistry, CreatedRegistry, FeatureStatus, Policies, Policy,
    RegistryDetails, RegistryList, RotateKey, RotatedKey,
};
use super::status::RegistryReport;
use crate::app::App;
use crate::keys::{InvalidKeyId, KeyId, VaultName};
use crate::registry::{
    AccessSettings, Change, IdentityRef, IdentityResource, KeyChange, NewRegistry, Registry,
    RegistryName, ResourceGroup, Tags,
};

/// `GET /_sealyard/registries`.
pub(super) async fn list(State(app): State<App>) -> Result<Json<RegistryList>, AdminError> {
    app.state_watch.refresh().await;
    let mut registries = Vec::new();
    for registry in app.registries.all() {
        registries.push(RegistryDetails::load(&app, &registry).await?);
    }
    Ok(Json(RegistryList { registries }))
}

/// `POST /_sealyard/registries`.
pub(super) async fn create(
    State(app): State<App>,
    JsonBody(request): JsonBody<CreateRegistry>,
) -> Result<(StatusCode, Json<CreatedRegistry>), AdminError> {
    Ok((StatusCode::CREATED, Json(create_registry(&app, request).await?)))
}

/// Creates a registry, and its identity and key unless the request names them.
pub(crate) async fn create_registry(
    app: &App,
    request: CreateRegistry,
) -> Result<CreatedRegistry, AdminError> {
    let (new, encryption) = request.parse()?;
    let created = match encryption {
        None => app.registries.create(new).await?,
        Some((key, identity)) => {
            app.registries.create_with_dependencies(new, key, identity).await?
        }
    };
    let registry = RegistryDetails::load(app, &created.0).await?;
    let warnings = created.1.iter().map(ToString::to_string).collect();
    Ok(CreatedRegistry { registry, warnings })
}

/// `GET /_sealyard/registries/{name}`.
pub(super) async fn show(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Json<RegistryDetails>, AdminError> {
    let registry = find(&app, &name)?;
    app.state_watch.refresh().await;
    Ok(Json(RegistryDetails::load(&app, &registry).await?))
}

/// `PATCH /_sealyard/registries/{name}`.
pub(super) async fn change(
    State(app): State<App>,
    Path(name): Path<String>,
    JsonBody(request): JsonBody<ChangeRegistry>,
) -> Result<Json<RegistryDetails>, AdminError> {
    let registry = find(&app, &name)?;
    let change = request.parse(&registry.profile().group)?;
    let changed = app.registries.change(registry.registry_name(), change).await?;
    Ok(Json(RegistryDetails::load(&app, &changed).await?))
}

/// `DELETE /_sealyard/registries/{name}`. Answers when its files are gone.
pub(super) async fn delete(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<StatusCode, AdminError> {
    delete_registry(&app, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Deletes a registry, and returns when its files are gone.
pub(crate) async fn delete_registry(app: &App, name: &str) -> Result<(), AdminError> {
    let registry = find(app, name)?;
    Ok(app.delete_registry(registry.registry_name()).await?)
}

/// `POST /_sealyard/registries/{name}/rotate-key`.
pub(super) async fn rotate_key(
    State(app): State<App>,
    Path(name): Path<String>,
    JsonBody(request): JsonBody<RotateKey>,
) -> Result<Json<RotatedKey>, AdminError> {
    let registry = find(&app, &name)?;
    let to = KeyChange {
        key: request.key_identifier.as_deref().map(key).transpose()?,
        identity: request.identity.as_deref().map(parsed).transpose()?,
    };
    let (registry, rotation, warnings) =
        app.registries.rotate_key(registry.registry_name(), to).await?;
    Ok(Json(RotatedKey {
        registry: RegistryDetails::load(&app, &registry).await?,
        rotation: RotationReport::new(&app, &rotation),
        warnings: warnings.iter().map(ToString::to_string).collect(),
    }))
}

impl CreateRegistry {
    /// The parts of the registry, and with a customer-managed key the parts of the key.
    #[expect(clippy::type_complexity, reason = "both parts of a key are optional")]
    fn parse(
        self,
    ) -> Result<(NewRegistry, Option<(Option<KeyId>, Option<IdentityRef>)>), AdminError> {
        let name: RegistryName = parsed(&self.name)?;
        let group = self.resource_group.as_deref().map(parsed).transpose()?.unwrap_or_default();
        let identities = self.user_assigned_identities.iter().map(|text| resource(text, &group));
        let key_identifier = self.key_identifier.as_deref().map(key).transpose()?;
        let identity: Option<IdentityRef> = self.identity.as_deref().map(parsed).transpose()?;
        let is_off = self.encryption == Some(FeatureStatus::Disabled);
        if is_off && (key_identifier.is_some() || identity.is_some()) {
            return Err(AdminError::bad_request(
                "a registry without a customer-managed key cannot have keyIdentifier or identity: omit them, or enable encryption",
            ));
        }
        let new = NewRegistry {
            sku: self.sku.as_deref().map(parsed).transpose()?.unwrap_or_default(),
            location: self.location.as_deref().map(parsed).transpose()?.unwrap_or_default(),
            tags: Tags::try_from(self.tags).map_err(AdminError::bad_request)?,
            identities: identities.collect::<Result<_, _>>()?,
            system_identity: self.system_assigned_identity,
            content_trust: self.policies.is_some_and(Policies::trust),
            anonymous: self.open.unwrap_or(true),
            access: AccessSettings {
                anonymous_pull: self.anonymous_pull_enabled,
                ..AccessSettings::default()
            },
            strict: self.strict_parity,
            group,
            ..NewRegistry::named(name)
        };
        Ok((new, (!is_off).then_some((key_identifier, identity))))
    }
}

impl ChangeRegistry {
    fn parse(self, group: &ResourceGroup) -> Result<Change, AdminError> {
        let assign = self.assign_identities.iter().map(|text| resource(text, group));
        let remove = self.remove_identities.iter().map(|text| parsed::<IdentityRef>(text));
        let tags = self.tags.map(|tags| Tags::try_from(tags).map_err(AdminError::bad_request));
        let mut change = Change {
            sku: self.sku.as_deref().map(parsed).transpose()?,
            tags: tags.transpose()?,
            encryption: self.encryption.map(|status| status == FeatureStatus::Enabled),
            assign: assign.collect::<Result<_, _>>()?,
            remove: remove.collect::<Result<_, _>>()?,
            system_identity: self.system_assigned_identity,
            content_trust: self.policies.map(Policies::trust),
            strict: self.strict_parity,
            ..Change::default()
        };
        if change.remove.contains(&IdentityRef::System) {
            change.remove.retain(|named| *named != IdentityRef::System);
            change.system_identity = Some(false);
        }
        Ok(change)
    }
}

impl RegistryDetails {
    async fn load(app: &App, registry: &Registry) -> Result<Self, AdminError> {
        let profile = registry.profile();
        let description = registry.key_ring().describe();
        let key_identity = profile.is_cmk().then(|| {
            description.identity.as_ref().map_or_else(
                || app.registries.start_identity().principal.client_id.clone(),
                ToString::to_string,
            )
        });
        Ok(Self {
            report: RegistryReport::collect(app, registry).await?,
            id: registry.resource_id(),
            sku: profile.sku.to_string(),
            location: profile.location.to_string(),
            resource_group: profile.group.to_string(),
            tags: profile.tags.as_map().clone(),
            creation_date: profile.created,
            encryption: profile.is_cmk().into(),
            key_identity,
            key_identity_works_until: registry.identity_works_until(),
            user_assigned_identities: profile.identities.iter().map(Into::into).collect(),
            system_assigned_identity: profile.system_identity.as_ref().map(Into::into),
            policies: Policies { trust_policy: Policy { status: FeatureStatus::Disabled } },
            strict_parity: registry.is_strict(),
        })
    }
}

/// Parses a key: an identifier, or a name in the vault `local`.
fn key(text: &str) -> Result<KeyId, AdminError> {
    let named = || -> Result<KeyId, InvalidKeyId> {
        Ok(KeyId::new(VaultName::local(), text.parse()?, None))
    };
    let is_name = !text.contains([':', '/', '.']);
    if is_name { named() } else { text.parse() }.map_err(AdminError::bad_request)
}

/// Parses an identity: a resource id, or a name in a group.
fn resource(text: &str, group: &ResourceGroup) -> Result<IdentityResource, AdminError> {
    let parsed = if text.starts_with('/') {
        text.parse()
    } else {
        IdentityResource::new(group.clone(), text)
    };
    parsed.map_err(AdminError::bad_request)
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, AdminError> {
    text.parse().map_err(AdminError::bad_request)
}
