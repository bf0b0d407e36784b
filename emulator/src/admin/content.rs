//! The route of garbage collection.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::error::AdminError;
use super::find::find;
use super::json_body::{JsonBody, RequestBody};
use crate::app::App;
use crate::registry::{CollectOptions, Collection, RetainedContent};

/// The body of `POST /_sealyard/registries/NAME/gc`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CollectRequest {
    /// The minimum age of garbage; by default the server's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub older_than_seconds: Option<u64>,
    /// Whether to remove content that a client used within the last minute of real time as well. The default age is then
    /// zero.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub now: bool,
    /// Whether to remove manifests that no tag reaches as well.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub untagged: bool,
}

/// The removed content, and the garbage that was retained for now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectedReport {
    /// Uploads that no client continued.
    pub uploads: u64,
    /// Bytes on the disk that they used.
    #[serde(default, rename = "uploadBytes")]
    pub upload_bytes: u64,
    /// Manifests that no tag reached, directly, through an index or as a referrer.
    #[serde(default)]
    pub manifests: u64,
    /// Blobs of a repository to which none of its manifests referred.
    pub links: u64,
    /// Blobs that were no longer in any repository.
    pub blobs: u64,
    /// Bytes of content in those blobs and manifests.
    pub bytes: u64,
    /// Files without a row.
    pub orphans: u64,
    /// Garbage that was retained, because it is too new or a client used it within the last minute.
    #[serde(default, rename = "kept")]
    pub retained: RetainedReport,
}

/// The garbage that a collection retained for now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RetainedReport {
    /// Uploads.
    pub uploads: u64,
    /// Bytes on the disk that they use.
    #[serde(default)]
    pub upload_bytes: u64,
    /// Manifests that no tag reaches, if the request included them.
    pub manifests: u64,
    /// Blobs to which no manifest refers, counted once for each repository.
    pub blobs: u64,
    /// When the first of them becomes due, in emulator time, if no client uses it again.
    #[serde(
        default,
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub first_due: Option<OffsetDateTime>,
    /// When the last of them becomes due.
    #[serde(
        default,
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub last_due: Option<OffsetDateTime>,
}

impl RequestBody for CollectRequest {
    const SHAPE: &'static str =
        r#"{"olderThanSeconds"?: SECONDS, "now"?: true or false, "untagged"?: true or false}"#;
}

/// `POST /_sealyard/registries/{name}/gc`.
pub(super) async fn collect(
    State(app): State<App>,
    Path(name): Path<String>,
    JsonBody(request): JsonBody<CollectRequest>,
) -> Result<Json<CollectedReport>, AdminError> {
    Ok(Json(collect_garbage(&app, &name, request).await?))
}

/// Removes the garbage of a registry.
pub(crate) async fn collect_garbage(
    app: &App,
    name: &str,
    request: CollectRequest,
) -> Result<CollectedReport, AdminError> {
    let registry = find(app, name)?;
    let mut options: CollectOptions = registry.collect_options();
    options.untagged = request.untagged;
    if request.now {
        options.really_idle_for = Duration::ZERO;
    }
    // Without `now`, content that a client used within the last minute of real time is kept at any age.
    if let Some(seconds) = request.older_than_seconds.or(request.now.then_some(0)) {
        options.unreferenced_for = Duration::from_secs(seconds);
        options.upload_idle_for = Duration::from_secs(seconds);
    }
    Ok(registry.collect(options).await?.into())
}

impl From<Collection> for CollectedReport {
    fn from(collection: Collection) -> Self {
        let Collection { removed, retained } = collection;
        Self {
            uploads: removed.uploads,
            upload_bytes: removed.upload_bytes,
            manifests: removed.manifests,
            links: removed.links,
            blobs: removed.blobs,
            bytes: removed.bytes,
            orphans: removed.orphans,
            retained: retained.into(),
        }
    }
}

impl From<RetainedContent> for RetainedReport {
    fn from(retained: RetainedContent) -> Self {
        let at = |seconds| OffsetDateTime::from_unix_timestamp(seconds).ok();
        Self {
            uploads: retained.uploads,
            upload_bytes: retained.upload_bytes,
            manifests: retained.manifests,
            blobs: retained.blobs,
            first_due: retained.due.and_then(|(first, _)| at(first)),
            last_due: retained.due.and_then(|(_, last)| at(last)),
        }
    }
}
