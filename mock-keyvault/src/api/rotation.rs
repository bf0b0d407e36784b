//! Rotation: creates a new version, and manages the policy by which the vault creates versions automatically.
//!
//! The messages of refusals are ours: only Azure's status and code are known.

use axum::body::Body;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::body::{json, read};
use super::context::Context;
use super::wire::KeyBundle;
use crate::error::ApiError;
use crate::model::error::VaultError;
use crate::model::rotation::{PolicyTerms, Trigger};
use crate::vault::PolicyView;
use azure_emulator_core::duration::IsoDuration;

/// `KeyRotationPolicy`, as clients send it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RotationPolicyIn {
    lifetime_actions: Option<Vec<LifetimeActionIn>>,
    attributes: Option<AttributesIn>,
}

#[derive(Debug, Deserialize)]
struct LifetimeActionIn {
    trigger: Option<TriggerIn>,
    action: Option<ActionIn>,
}

/// Clients send null or an empty text for the trigger that they do not use.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TriggerIn {
    time_after_create: Option<String>,
    time_before_expiry: Option<String>,
}

#[derive(Debug, Deserialize)]
struct ActionIn {
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AttributesIn {
    expiry_time: Option<String>,
}

/// `KeyRotationPolicy`, as the service sends it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RotationPolicy {
    id: String,
    lifetime_actions: Vec<LifetimeAction>,
    attributes: Attributes,
}

#[derive(Serialize)]
struct LifetimeAction {
    trigger: TriggerOut,
    action: ActionOut,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum TriggerOut {
    TimeAfterCreate(IsoDuration),
    TimeBeforeExpiry(IsoDuration),
}

#[derive(Serialize)]
struct ActionOut {
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Attributes {
    #[serde(skip_serializing_if = "Option::is_none")]
    expiry_time: Option<IsoDuration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated: Option<i64>,
}

pub(super) async fn rotate(context: &Context) -> Result<Response, ApiError> {
    let name = context.name()?;
    let made = context.call(move |vaults, vault| vaults.rotate(vault, &name)).await?;
    Ok(json(&KeyBundle::new(context, &made)))
}

pub(super) async fn policy(context: &Context) -> Result<Response, ApiError> {
    let name = context.name()?;
    let found = context.call(move |vaults, vault| vaults.rotation_policy(vault, &name)).await?;
    Ok(json(&RotationPolicy::new(context, &found)))
}

pub(super) async fn set_policy(context: &Context, body: Body) -> Result<Response, ApiError> {
    let name = context.name()?;
    let terms = read::<RotationPolicyIn>(body).await?.into_terms()?;
    let set =
        context.call(move |vaults, vault| vaults.set_rotation_policy(vault, &name, terms)).await?;
    Ok(json(&RotationPolicy::new(context, &set)))
}

impl RotationPolicyIn {
    fn into_terms(self) -> Result<PolicyTerms, VaultError> {
        let (mut rotate, mut notify) = (None, None);
        for item in self.lifetime_actions.unwrap_or_default() {
            let kind = item.action.and_then(|action| action.kind).unwrap_or_default();
            let trigger = item.trigger.map(TriggerIn::into_trigger).transpose()?.flatten();
            let trigger =
                trigger.ok_or_else(|| bad("A lifetime action needs one trigger.".to_owned()))?;
            let is_second = match (kind.to_ascii_lowercase().as_str(), trigger) {
                ("rotate", trigger) => rotate.replace(trigger).is_some(),
                ("notify", Trigger::BeforeExpiry(span)) => notify.replace(span).is_some(),
                ("notify", Trigger::AfterCreate(_)) => {
                    let message = "The action 'Notify' only takes the trigger 'timeBeforeExpiry'.";
                    return Err(bad(message.to_owned()));
                }
                _ => {
                    let start: String = kind.chars().take(32).collect();
                    return Err(bad(format!(
                        "Invalid type of a lifetime action: '{start}'. Supported values are \"Rotate\", \"Notify\"."
                    )));
                }
            };
            if is_second {
                return Err(bad(format!("There is more than one lifetime action '{kind}'.")));
            }
        }
        let expiry = self.attributes.and_then(|attributes| attributes.expiry_time);
        PolicyTerms::new(rotate, notify, span("expiryTime", expiry)?)
    }
}

impl TriggerIn {
    fn into_trigger(self) -> Result<Option<Trigger>, VaultError> {
        let after = span("timeAfterCreate", self.time_after_create)?;
        let before = span("timeBeforeExpiry", self.time_before_expiry)?;
        match (after, before) {
            (None, None) => Ok(None),
            (Some(span), None) => Ok(Some(Trigger::AfterCreate(span))),
            (None, Some(span)) => Ok(Some(Trigger::BeforeExpiry(span))),
            (Some(_), Some(_)) => Err(bad("A lifetime action takes only one trigger.".to_owned())),
        }
    }
}

impl RotationPolicy {
    /// Rotate comes before Notify. A key without a policy of its own has the notice; that its attributes are then empty is a guess.
    fn new(context: &Context, view: &PolicyView) -> Self {
        let terms = view.policy.map_or_else(PolicyTerms::unset, |policy| policy.terms);
        let rotate = terms.rotate.map(|trigger| LifetimeAction {
            trigger: match trigger {
                Trigger::AfterCreate(span) => TriggerOut::TimeAfterCreate(span),
                Trigger::BeforeExpiry(span) => TriggerOut::TimeBeforeExpiry(span),
            },
            action: ActionOut { kind: "Rotate" },
        });
        let notify = LifetimeAction {
            trigger: TriggerOut::TimeBeforeExpiry(terms.notify_before_expiry),
            action: ActionOut { kind: "Notify" },
        };
        Self {
            id: format!("https://{}/keys/{}/rotationpolicy", context.host, view.name),
            lifetime_actions: rotate.into_iter().chain([notify]).collect(),
            attributes: Attributes {
                expiry_time: terms.expiry,
                created: view.policy.map(|policy| policy.created),
                updated: view.policy.map(|policy| policy.updated),
            },
        }
    }
}

fn span(property: &str, text: Option<String>) -> Result<Option<IsoDuration>, VaultError> {
    match text.filter(|text| !text.is_empty()) {
        None => Ok(None),
        Some(text) => text
            .parse()
            .map(Some)
            .map_err(|error| bad(format!("Invalid value of '{property}': {error}."))),
    }
}

fn bad(message: String) -> VaultError {
    VaultError::BadParameter(message)
}
