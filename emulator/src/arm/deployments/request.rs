//! Reads and checks a whole deployment request before anything is made.

use axum::body::Body;
use azure_emulator_core::identity::{SUBSCRIPTION, TENANT};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::document;
use super::path::{DeploymentPath, TYPE};
use crate::arm::body::{self, field};
use crate::arm::context::Context;
use crate::arm::error::{ArmError, DeploymentError};
use crate::arm::template::{
    self, DeploymentScope, LookupResults, Plan, PlanError, Resource, TemplateError,
};
use crate::arm::{groups, metadata, providers, subscriptions};
use crate::registry::{
    Deployment, DeploymentName, DeploymentState, Error as DomainError, Group, ManageError,
};

/// The end of the type of a role assignment that names its resource.
const ROLE_AT_RESOURCE: &str = "/providers/roleassignments";

/// The unsupported parts of a request, and their names in errors.
const UNSUPPORTED: [(&str, &str); 3] = [
    ("templateLink", "A linked template"),
    ("parametersLink", "A linked file of parameters"),
    ("onErrorDeployment", "A deployment that runs after an error"),
];

/// A checked request.
pub(super) struct DeploymentRequest {
    pub(super) plan: Plan,
    pub(super) template: Value,
    /// The deployment in its first state.
    pub(super) deployment: Deployment,
    /// The inputs of its plan.
    pub(super) source: Source,
}

/// The inputs of a plan. Planning again from the same inputs gives the same deployment: `utcNow()` and `newGuid()` keep
/// their values.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Source {
    /// The body of the request.
    text: String,
    /// The time of the deployment.
    #[serde(with = "time::serde::rfc3339")]
    now: OffsetDateTime,
    seed: String,
}

/// Reads a request and checks everything that can be known before resources are made.
pub(super) async fn read(
    context: &Context,
    at: &DeploymentPath,
    body: Body,
) -> Result<DeploymentRequest, ArmError> {
    let group = context.arm.registries.group(&at.group).await?;
    let text = body::read_text(body).await?;
    let now = context.arm.registries.moment();
    let source = Source { text, now, seed: Uuid::new_v4().to_string() };
    plan_of(context, group, &at.name, source).await
}

/// Plans an interrupted deployment again.
pub(super) async fn plan_again(
    context: &Context,
    at: &DeploymentPath,
    source: Source,
) -> Result<DeploymentRequest, ArmError> {
    let group = context.arm.registries.group(&at.group).await?;
    plan_of(context, group, &at.name, source).await
}

async fn plan_of(
    context: &Context,
    group: Group,
    name: &DeploymentName,
    source: Source,
) -> Result<DeploymentRequest, ArmError> {
    let (context, name) = (context.clone(), name.clone());
    // A large template takes time; a blocking thread keeps the server responsive.
    let planned = tokio::task::spawn_blocking(move || plan(&context, group, name, source)).await;
    planned.map_err(|error| ManageError::from(DomainError::from(error)))?
}

fn plan(
    context: &Context,
    group: Group,
    name: DeploymentName,
    source: Source,
) -> Result<DeploymentRequest, ArmError> {
    let body = template::read(&source.text).map_err(DeploymentError::from)?;
    let properties = field(&body, "properties");
    check_properties(properties).map_err(DeploymentError::from)?;
    let template = field(properties, "template").clone();
    let given = match field(properties, "parameters") {
        Value::Object(given) => given.clone(),
        _ => Map::new(),
    };
    let scope = deployment_scope(context, &group, &name, &template, &given, &source)?;
    let plan = Plan::new(&template, &given, scope).map_err(DeploymentError::from)?;
    check(&plan).map_err(DeploymentError::from)?;
    let tags = body::tags(&body)?;
    let report = document::report(&plan, &template, &tags, group.location.as_str());
    let deployment = Deployment {
        // The group's own spelling, whatever the path has.
        group: group.name,
        name,
        state: DeploymentState::Running,
        begun: plan.scope().now,
        ended: None,
        report,
    };
    Ok(DeploymentRequest { plan, template, deployment, source })
}

fn check_properties(properties: &Value) -> Result<(), TemplateError> {
    let missing = |member: &str, path: &str| {
        TemplateError::Content(format!(
            "Required property '{member}' not found in JSON. Path '{path}'"
        ))
    };
    if !properties.is_object() {
        return Err(missing("properties", ""));
    }
    for (member, what) in UNSUPPORTED {
        if !field(properties, member).is_null() {
            return Err(TemplateError::Unsupported(format!("{what} ('{member}')")));
        }
    }
    match field(properties, "mode").as_str() {
        Some(mode) if mode.eq_ignore_ascii_case("Incremental") => {}
        Some(mode) if mode.eq_ignore_ascii_case("Complete") => {
            return Err(TemplateError::Unsupported(format!("The deployment mode '{mode}'")));
        }
        Some(mode) => {
            return Err(TemplateError::Content(format!(
                "Error converting value \"{mode}\" to type 'DeploymentMode'. Path 'properties.mode'"
            )));
        }
        None => return Err(missing("mode", "properties")),
    }
    if field(properties, "template").is_null() {
        return Err(missing("template", "properties"));
    }
    match field(properties, "parameters") {
        Value::Null | Value::Object(_) => Ok(()),
        _ => Err(TemplateError::Content(
            "Error converting value to an object. Path 'properties.parameters'".to_owned(),
        )),
    }
}

/// Refuses early what would fail later: unsupported types, and expressions without a value.
fn check(plan: &Plan) -> Result<(), TemplateError> {
    let lookups = LookupResults::default();
    let refuse_invalid = |ready: Result<Value, PlanError>| match ready {
        Err(PlanError::Invalid(error)) => Err(error),
        Ok(_) | Err(PlanError::NeedsLookup(_)) => Ok(()),
    };
    for resource in plan.resources().iter().filter(|resource| resource.is_included) {
        check_type(resource)?;
        refuse_invalid(plan.body(resource, &lookups))?;
    }
    refuse_invalid(plan.outputs(&lookups))
}

fn check_type(resource: &Resource) -> Result<(), TemplateError> {
    let kind = &resource.kind;
    if kind.eq_ignore_ascii_case(TYPE) {
        return Err(TemplateError::Unsupported(format!(
            "A deployment in a template ('{kind}', here '{}')",
            resource.name
        )));
    }
    let is_served = providers::is_deployed(kind) || kind.to_lowercase().ends_with(ROLE_AT_RESOURCE);
    if is_served {
        return Ok(());
    }
    Err(TemplateError::Unsupported(format!(
        "The resource type '{kind}' of the template resource '{}'",
        resource.name
    )))
}

/// The inputs of expressions.
fn deployment_scope(
    context: &Context,
    group: &Group,
    name: &DeploymentName,
    template: &Value,
    given: &Map<String, Value>,
    source: &Source,
) -> Result<DeploymentScope, ArmError> {
    // No answer contains the value of a secure parameter, and an output may be this whole value.
    let kind_of = |name: &str| field(field(field(template, "parameters"), name), "type").as_str();
    let is_secure = |name: &str| {
        kind_of(name).is_some_and(|kind| kind.to_ascii_lowercase().starts_with("secure"))
    };
    let given: Map<String, Value> = given
        .iter()
        .map(|(name, value)| {
            let shown = if is_secure(name) { json!({}) } else { value.clone() };
            (name.clone(), shown)
        })
        .collect();
    let deployment = json!({
        "name": name.as_str(),
        "properties": {
            "template": template,
            "parameters": given,
            "mode": "Incremental",
            "provisioningState": "Accepted",
        },
    });
    Ok(DeploymentScope {
        subscription_id: SUBSCRIPTION.to_owned(),
        group_name: group.name.to_string(),
        subscription: subscriptions::document(),
        tenant: json!({ "tenantId": TENANT }),
        group: groups::document(group),
        deployment,
        environment: metadata::environment(&context.host)?,
        now: source.now,
        seed: source.seed.clone(),
    })
}
