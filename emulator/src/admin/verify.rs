//! Streams the verification of all stored content, line by line.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use azure_emulator_core::durable::repair::RepairCommand;
use bytes::Bytes;
use futures::stream;
use http::header;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::error::{AdminError, ErrorReport};
use super::find::find;
use crate::app::App;
use crate::registry::{Content, Finding, FindingKind, Registry, Verified, findings_of_rows};

/// The body of `POST /_sealyard/registries/NAME/verify`. No body is the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VerifyRequest {
    /// Whether to repair what can be repaired.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub repair: bool,
}

/// The minimum real time between two lines of progress.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// One line of the answer of `POST /_sealyard/registries/NAME/verify`; the last line is the result or an error.
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
    /// The result.
    Verified(Verified),
    /// The reason why the verification did not complete.
    Error(ErrorReport),
}

/// `POST /_sealyard/registries/{name}/verify`. It stops when the client disconnects.
pub(super) async fn verify(
    State(app): State<App>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Response, AdminError> {
    let request = VerifyRequest::parse(&body)?;
    let registry = find(&app, &name)?;
    let content = open(&registry).await?;
    let (sender, receiver) = mpsc::channel(4);
    tokio::spawn({
        let app = app.clone();
        async move {
            tokio::select! {
                () = sender.closed() => (),
                () = tell(&app, &registry, &content, request, &sender) => (),
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

async fn tell(
    app: &App,
    registry: &Registry,
    content: &Content,
    request: VerifyRequest,
    sender: &mpsc::Sender<Bytes>,
) {
    let mut last_progress = app.clock.elapsed();
    let progress = |sum: &Verified| {
        if app.clock.elapsed().saturating_sub(last_progress) >= PROGRESS_EVERY {
            last_progress = app.clock.elapsed();
            let line = VerifyLine::Progress {
                blobs: sum.blobs,
                manifests: sum.manifests,
                bytes: sum.bytes,
            };
            // A client that reads slowly misses some lines of progress.
            let _ = sender.try_send(line.to_bytes());
        }
    };
    let last = match verified(app, registry, content, request, progress).await {
        Ok(verified) => VerifyLine::Verified(verified),
        Err(refused) => VerifyLine::Error(refused.into_report()),
    };
    // If this fails, the client has disconnected.
    let _ = sender.send(last.to_bytes()).await;
}

/// Verifies all content of a registry, its rows and those of the embedded vault.
pub(crate) async fn verify_registry(
    app: &App,
    name: &str,
    request: VerifyRequest,
) -> Result<Verified, AdminError> {
    let registry = find(app, name)?;
    let content = open(&registry).await?;
    verified(app, &registry, &content, request, |_| ()).await
}

async fn open(registry: &Registry) -> Result<Content, AdminError> {
    let refused = |error| AdminError::from(error).with_registry(registry.name());
    registry.content().await.map_err(refused)
}

async fn verified(
    app: &App,
    registry: &Registry,
    content: &Content,
    request: VerifyRequest,
    progress: impl FnMut(&Verified),
) -> Result<Verified, AdminError> {
    let refused = |error| AdminError::from(error).with_registry(registry.name());
    let mut verified = content.verify(request.repair, progress).await.map_err(refused)?;
    verified.findings.extend(rows_of_the_vault(app).await);
    Ok(verified)
}

/// The findings of a check of the embedded vault's rows.
async fn rows_of_the_vault(app: &App) -> Vec<Finding> {
    let Some(vault) = &app.embedded else { return Vec::new() };
    let whose = "the stored rows of the vault";
    match vault.check_rows().await {
        // The repair of the emulator's data folder also repairs the folder of its vault.
        Ok(check) => {
            let repair = RepairCommand::new("sealyard", app.endpoints.data_dir());
            findings_of_rows(&check, whose, &repair)
        }
        Err(error) => {
            let message = format!("cannot check the rows: {error}");
            vec![Finding::new(FindingKind::Row, whose.to_owned(), message)]
        }
    }
}

impl VerifyLine {
    fn to_bytes(&self) -> Bytes {
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line.into()
    }
}

impl VerifyRequest {
    fn parse(body: &[u8]) -> Result<Self, AdminError> {
        if body.is_empty() {
            return Ok(Self::default());
        }
        serde_json::from_slice(body).map_err(|error| {
            AdminError::bad_request(format!("the body is not a valid request: {error}"))
        })
    }
}
