//! Work on everything that is stored: verification, told line by line, and collection.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures::stream;
use http::header;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::error::{AdminError, ErrorReport};
use crate::app::App;
use crate::registry::{CollectOptions, Collected, Content, Registry, Verified};

/// How much real time lies at least between two lines of progress.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// One line of the answer of `POST /_sealyard/registries/NAME/verify`; the last is no progress.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum VerifyLine {
    /// The sum so far.
    Progress {
        /// Blobs that were read.
        blobs: u64,
        /// Manifests that were read.
        manifests: u64,
        /// Bytes that were authenticated and hashed.
        bytes: u64,
    },
    /// What was found.
    Verified(Verified),
    /// Why it did not come to an end.
    Error(ErrorReport),
}

/// The body of `POST /_sealyard/registries/NAME/gc`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CollectRequest {
    /// The age at which something counts as left behind; the server's own where it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub older_than_seconds: Option<u64>,
}

/// What was collected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectedReport {
    /// Uploads that nobody went on with.
    pub uploads: u64,
    /// Blobs that a repository showed and no manifest of it referred to.
    pub links: u64,
    /// Blobs that no repository showed any more.
    pub blobs: u64,
    /// Bytes of content in those blobs.
    pub bytes: u64,
    /// Files that nothing named.
    pub orphans: u64,
}

/// `POST /_sealyard/registries/{name}/verify`. It stops when the client goes away.
pub(super) async fn verify(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Response, AdminError> {
    let registry = app.registry(&name).ok_or_else(|| AdminError::no_registry(&name))?;
    let refused = |error| AdminError::from(error).of_registry(registry.name());
    let content = registry.content().await.map_err(refused)?;
    let (sender, receiver) = mpsc::channel(4);
    tokio::spawn({
        let app = app.clone();
        async move {
            tokio::select! {
                () = sender.closed() => (),
                () = tell(&app, &registry, &content, &sender) => (),
            }
        }
    });
    let lines = stream::unfold(receiver, async |mut receiver| {
        receiver.recv().await.map(|line| (Ok::<_, Infallible>(line), receiver))
    });
    let headers =
        [(header::CONTENT_TYPE, "application/x-ndjson"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, Body::from_stream(lines)).into_response())
}

/// `POST /_sealyard/registries/{name}/gc`.
pub(super) async fn collect(
    State(app): State<App>,
    Path(name): Path<String>,
    request: Result<Json<CollectRequest>, JsonRejection>,
) -> Result<Json<CollectedReport>, AdminError> {
    let Json(request) = request?;
    let registry = app.registry(&name).ok_or_else(|| AdminError::no_registry(&name))?;
    let mut options: CollectOptions = registry.collect_options();
    if let Some(seconds) = request.older_than_seconds {
        // What was in use in the last real moments stays whatever is asked for.
        options.unreferenced_for = Duration::from_secs(seconds);
        options.upload_idle_for = Duration::from_secs(seconds);
    }
    Ok(Json(registry.collect(options).await?.into()))
}

async fn tell(app: &App, registry: &Registry, content: &Content, sender: &mpsc::Sender<Bytes>) {
    let mut told = app.clock.elapsed();
    let progress = |sum: &Verified| {
        if app.clock.elapsed().saturating_sub(told) >= PROGRESS_EVERY {
            told = app.clock.elapsed();
            let line = VerifyLine::Progress {
                blobs: sum.blobs,
                manifests: sum.manifests,
                bytes: sum.bytes,
            };
            // A client that reads slowly misses some progress.
            let _ = sender.try_send(line.to_bytes());
        }
    };
    let last = match content.verify(progress).await {
        Ok(verified) => VerifyLine::Verified(verified),
        Err(error) => {
            let refused = AdminError::from(error).of_registry(registry.name());
            VerifyLine::Error(refused.into_report())
        }
    };
    // If it fails the client has gone.
    let _ = sender.send(last.to_bytes()).await;
}

impl VerifyLine {
    fn to_bytes(&self) -> Bytes {
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line.into()
    }
}

impl From<Collected> for CollectedReport {
    fn from(collected: Collected) -> Self {
        Self {
            uploads: collected.uploads,
            links: collected.links,
            blobs: collected.blobs,
            bytes: collected.bytes,
            orphans: collected.orphans,
        }
    }
}
