//! The handlers of groups.

use axum::response::Response;
use azure_emulator_core::listing::{Page, TagFilter};
use http::{StatusCode, Uri};
use mock_keyvault::control::RequestError;
use serde_json::Value;

use super::deletion::{begin_deletion, refuse_deleting};
use super::group::{READ, document, scope};
use crate::arm::body::{field, tags, text};
use crate::arm::context::Context;
use crate::arm::error::ArmError;
use crate::arm::operations;
use crate::arm::reply::{empty, json as answer, json_with};
use crate::registry::{Group, Location, ManageError, ResourceGroup};

const WRITE: &str = "Microsoft.Resources/subscriptions/resourceGroups/write";
const DELETE: &str = "Microsoft.Resources/subscriptions/resourceGroups/delete";

/// Creates a group, or sets the tags of an existing one from the body.
pub(in crate::arm) async fn put(
    context: &Context,
    name: ResourceGroup,
    body: &Value,
) -> Result<Response, ArmError> {
    context.require(WRITE, &scope(&name)?)?;
    refuse_deleting(&context.arm, &name)?;
    let location: Location = text(body, "location")?.ok_or(ArmError::NoLocation)?.parse()?;
    context.arm.check_location(&location, None)?;
    let new = Group { name, location, tags: tags(body)? };
    let registries = &context.arm.registries;
    if registries.create_group(&new).await? {
        return Ok(json_with(StatusCode::CREATED, document(&new)));
    }
    let known = registries.group(&new.name).await?;
    if known.location != new.location {
        return Err(ArmError::GroupElsewhere { requested: new.location, is: known.location });
    }
    Ok(answer(document(&registries.tag_group(&new.name, new.tags).await?)))
}

/// Changes the tags, if the body has any.
pub(in crate::arm) async fn patch(
    context: &Context,
    name: ResourceGroup,
    body: &Value,
) -> Result<Response, ArmError> {
    context.require(WRITE, &scope(&name)?)?;
    let registries = &context.arm.registries;
    let changed = if field(body, "tags").is_null() {
        registries.group(&name).await
    } else {
        registries.tag_group(&name, tags(body)?).await
    };
    Ok(answer(document(&changed?)))
}

pub(in crate::arm) async fn get(
    context: &Context,
    name: ResourceGroup,
) -> Result<Response, ArmError> {
    context.require(READ, &scope(&name)?)?;
    Ok(answer(document(&context.arm.registries.group(&name).await?)))
}

/// Whether the group exists: 204, or 404 without a body.
pub(in crate::arm) async fn exists(
    context: &Context,
    name: ResourceGroup,
) -> Result<Response, ArmError> {
    context.require(READ, &scope(&name)?)?;
    match context.arm.registries.group(&name).await {
        Ok(_) => Ok(empty(StatusCode::NO_CONTENT)),
        Err(ManageError::NoGroup(_)) => Ok(empty(StatusCode::NOT_FOUND)),
        Err(error) => Err(error.into()),
    }
}

/// The groups that the caller may see and that have the filter's tag.
pub(in crate::arm) async fn list(context: &Context, uri: &Uri) -> Result<Response, ArmError> {
    let query = uri.query().unwrap_or_default();
    let tags = TagFilter::from_query(query).map_err(RequestError::from)?;
    let page = Page::from_query(query).map_err(RequestError::from)?;
    let mut value = Vec::new();
    for group in context.arm.registries.groups().await? {
        if tags.selects(group.tags.as_map()) && context.may(READ, &scope(&group.name)?) {
            value.push(document(&group));
        }
    }
    Ok(answer(page.answer(value, &format!("https://{}{}", context.host, uri.path()))))
}

/// Begins to delete a group with everything in it; a second request follows the same operation.
pub(in crate::arm) async fn delete(
    context: &Context,
    name: ResourceGroup,
) -> Result<Response, ArmError> {
    context.require(DELETE, &scope(&name)?)?;
    context.arm.registries.check_group_deletion(&name).await?;
    let operation = begin_deletion(context, name).await?;
    let mut response = empty(StatusCode::ACCEPTED);
    operations::add_result_url(context, &mut response, operation);
    Ok(response)
}
