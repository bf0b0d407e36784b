//! Renders deployments for answers.

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::path::TYPE;
use crate::arm::state::RunningSnapshot;
use crate::arm::template::{Plan, Resource};
use crate::registry::{Deployment, DeploymentState, Tags};

/// The result for one resource.
pub(super) struct Step {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) status: StatusCode,
    /// Why it was not made.
    pub(super) error: Option<Value>,
    pub(super) begun: OffsetDateTime,
    pub(super) ended: OffsetDateTime,
}

impl Step {
    /// The stored form.
    pub(super) fn document(&self) -> Value {
        let state = if self.error.is_none() { "Succeeded" } else { "Failed" };
        let mut properties = json!({
            "provisioningOperation": "Create",
            "provisioningState": state,
            "timestamp": when(self.ended),
            "duration": iso_duration(self.begun, self.ended),
            "trackingId": Uuid::new_v4(),
            "statusCode": self.status.canonical_reason().unwrap_or_default().replace(' ', ""),
            "targetResource": target(&self.id, &self.kind, &self.name),
        });
        if let Some(error) = &self.error {
            properties["statusMessage"] = json!({ "error": error });
        }
        json!({ "operationId": Uuid::new_v4().simple().to_string(), "properties": properties })
    }
}

/// The stored report of a new deployment, apart from its state and times.
pub(super) fn report(plan: &Plan, template: &Value, tags: &Tags, location: &str) -> Value {
    json!({
        "tags": tags.as_map(),
        "properties": {
            "templateHash": hash(template),
            "parameters": plan.parameters(),
            "mode": "Incremental",
            "correlationId": Uuid::new_v4(),
            "providers": providers(plan, location),
            "dependencies": dependencies(plan),
        },
        "operations": [],
    })
}

/// A deployment.
pub(super) fn render(deployment: &Deployment, running: &RunningSnapshot) -> Value {
    let mut shown = shown(deployment, state(deployment, running));
    if is_interrupted(deployment, running) {
        shown["properties"]["error"] = json!({
            "code": "DeploymentFailed",
            "message": "The emulator stopped while the deployment was running. Resources made before remain; deploy again.",
        });
    }
    shown
}

/// A deployment that was validated and not started.
pub(super) fn render_validated(deployment: &Deployment, plan: &Plan) -> Value {
    let mut shown = shown(deployment, DeploymentState::Succeeded);
    let all = included(plan).map(|resource| json!({ "id": resource.id }));
    shown["properties"]["validatedResources"] = all.collect();
    shown
}

/// Its state. A deployment that an earlier process began and did not end has failed.
pub(super) fn state(deployment: &Deployment, running: &RunningSnapshot) -> DeploymentState {
    if is_interrupted(deployment, running) { DeploymentState::Failed } else { deployment.state }
}

/// The results for its resources, with ids.
pub(super) fn steps(deployment: &Deployment) -> Vec<Value> {
    let steps = deployment.report["operations"].as_array().cloned().unwrap_or_default();
    let with_id = |mut step: Value| {
        let id = step["operationId"].as_str().unwrap_or_default();
        step["id"] = format!("{}/operations/{id}", deployment.id()).into();
        step
    };
    steps.into_iter().map(with_id).collect()
}

fn is_interrupted(deployment: &Deployment, running: &RunningSnapshot) -> bool {
    deployment.state == DeploymentState::Running && !running.has(&deployment.id())
}

fn shown(deployment: &Deployment, state: DeploymentState) -> Value {
    let ended = deployment.ended.unwrap_or(deployment.begun);
    let mut properties = deployment.report["properties"].clone();
    properties["provisioningState"] = state.as_str().into();
    properties["timestamp"] = when(ended).into();
    properties["duration"] = iso_duration(deployment.begun, ended).into();
    let mut shown = json!({
        "id": deployment.id(),
        "name": deployment.name.as_str(),
        "type": TYPE,
        "properties": properties,
    });
    let tags = &deployment.report["tags"];
    if tags.as_object().is_some_and(|tags| !tags.is_empty()) {
        shown["tags"] = tags.clone();
    }
    shown
}

fn included(plan: &Plan) -> impl Iterator<Item = &Resource> {
    plan.resources().iter().filter(|resource| resource.is_included)
}

/// The providers of the resources, each with its types and their locations.
fn providers(plan: &Plan, location: &str) -> Value {
    let mut all: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for resource in included(plan) {
        let Some((namespace, kind)) = resource.kind.split_once('/') else { continue };
        // An expression as a location is usually the group's location.
        let place = resource.location().filter(|place| !place.starts_with('['));
        let shown = json!({ "resourceType": kind, "locations": [place.unwrap_or(location)] });
        let types = all.entry(namespace).or_default();
        if !types.contains(&shown) {
            types.push(shown);
        }
    }
    let providers = all.into_iter();
    providers
        .map(|(namespace, types)| json!({ "namespace": namespace, "resourceTypes": types }))
        .collect()
}

/// The dependencies between the resources.
fn dependencies(plan: &Plan) -> Value {
    let target_of = |resource: &Resource| target(&resource.id, &resource.kind, &resource.name);
    let waiting = included(plan).filter(|resource| !resource.after.is_empty());
    let all = waiting.map(|resource| {
        let mut shown = target_of(resource);
        let others = resource.after.iter().filter_map(|at| plan.resources().get(*at));
        shown["dependsOn"] = others.map(target_of).collect();
        shown
    });
    all.collect()
}

fn target(id: &str, kind: &str, name: &str) -> Value {
    json!({ "id": id, "resourceType": kind, "resourceName": name })
}

/// A hash that tells templates apart. Azure does not document its own.
fn hash(template: &Value) -> String {
    let digest = Sha256::digest(template.to_string());
    let first = digest.first_chunk().copied().unwrap_or_default();
    u64::from_be_bytes(first).to_string()
}

fn when(moment: OffsetDateTime) -> Option<String> {
    moment.format(&Rfc3339).ok()
}

/// An ISO 8601 duration; zero if the clock was set back.
fn iso_duration(begun: OffsetDateTime, ended: OffsetDateTime) -> String {
    let millis = (ended - begun).whole_milliseconds().max(0);
    format!("PT{}.{:03}S", millis / 1000, millis % 1000)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_duration_is_in_seconds_and_never_negative() {
        let begun = datetime!(2031-02-03 04:05:06 UTC);

        assert_eq!(iso_duration(begun, begun), "PT0.000S");
        assert_eq!(iso_duration(begun, begun + time::Duration::milliseconds(61_005)), "PT61.005S");
        assert_eq!(iso_duration(begun, begun - time::Duration::HOUR), "PT0.000S");
    }
}
