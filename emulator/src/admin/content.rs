//! Collection of what nothing holds on to.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::error::AdminError;
use super::sent::{Body, Sent};
use crate::app::App;
use crate::registry::{CollectOptions, Collection, KeptBack};

/// The body of `POST /_sealyard/registries/NAME/gc`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CollectRequest {
    /// The age at which something counts as left behind; the server's own where it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub older_than_seconds: Option<u64>,
    /// Whether what a client used within the last minute of real time is removed as well. The age is then zero, unless it
    /// is said.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub now: bool,
    /// Whether manifests that no tag reaches are removed as well.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub untagged: bool,
}

/// What was removed, and what was kept for now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectedReport {
    /// Uploads that nobody went on with.
    pub uploads: u64,
    /// Bytes of the disk that they held.
    #[serde(default, rename = "uploadBytes")]
    pub upload_bytes: u64,
    /// Manifests that no tag reached, directly, through an index or as a referrer.
    #[serde(default)]
    pub manifests: u64,
    /// Blobs that a repository showed and no manifest of it referred to.
    pub links: u64,
    /// Blobs that no repository showed any more.
    pub blobs: u64,
    /// Bytes of content in those blobs and manifests.
    pub bytes: u64,
    /// Files that nothing named.
    pub orphans: u64,
    /// What nothing holds on to, and what was kept: it is too young, or a client used it within the last minute.
    #[serde(default)]
    pub kept: KeptReport,
}

/// What a collection kept for now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptReport {
    /// Uploads.
    pub uploads: u64,
    /// Bytes of the disk that they hold.
    #[serde(default)]
    pub upload_bytes: u64,
    /// Manifests that no tag reaches, if those were asked for.
    pub manifests: u64,
    /// Blobs to which no manifest refers, one for each repository that shows it.
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

impl Body for CollectRequest {
    const SHAPE: &'static str =
        r#"{"olderThanSeconds"?: SECONDS, "now"?: true or false, "untagged"?: true or false}"#;
}

/// `POST /_sealyard/registries/{name}/gc`.
pub(super) async fn collect(
    State(app): State<App>,
    Path(name): Path<String>,
    Sent(request): Sent<CollectRequest>,
) -> Result<Json<CollectedReport>, AdminError> {
    let registry = app.registry(&name).ok_or_else(|| AdminError::no_registry(&name))?;
    let mut options: CollectOptions = registry.collect_options();
    options.untagged = request.untagged;
    if request.now {
        options.really_idle_for = Duration::ZERO;
    }
    // Without `now`, what a client used within the last minute of real time stays whatever the age.
    if let Some(seconds) = request.older_than_seconds.or(request.now.then_some(0)) {
        options.unreferenced_for = Duration::from_secs(seconds);
        options.upload_idle_for = Duration::from_secs(seconds);
    }
    Ok(Json(registry.collect(options).await?.into()))
}

impl From<Collection> for CollectedReport {
    fn from(collection: Collection) -> Self {
        let Collection { removed, kept } = collection;
        Self {
            uploads: removed.uploads,
            upload_bytes: removed.upload_bytes,
            manifests: removed.manifests,
            links: removed.links,
            blobs: removed.blobs,
            bytes: removed.bytes,
            orphans: removed.orphans,
            kept: kept.into(),
        }
    }
}

impl From<KeptBack> for KeptReport {
    fn from(kept: KeptBack) -> Self {
        let at = |seconds| OffsetDateTime::from_unix_timestamp(seconds).ok();
        Self {
            uploads: kept.uploads,
            upload_bytes: kept.upload_bytes,
            manifests: kept.manifests,
            blobs: kept.blobs,
            first_due: kept.due.and_then(|(first, _)| at(first)),
            last_due: kept.due.and_then(|(_, last)| at(last)),
        }
    }
}
