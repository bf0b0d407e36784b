//! `GET /_keyvault/changes`: a stream that reports each change after which the vault may give different answers.
//!
//! The answer is an endless stream of JSON objects, one on each line. Each line has a `generation`, which grows with each
//! change since the start of the vault, and a `kind`. The first line is of the kind `subscribed`. After a second without a
//! change, the stream sends a line of the kind `alive`, so that a client notices a lost connection. A client that reads too
//! slowly gets one line of the kind `missed` instead of the changes that it missed. A change names its `vault` if it concerns
//! only one.

use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{Method, Request};
use serde_json::{Value, json};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::error::AdminError;
use super::request::only;
use crate::app::App;
use azure_emulator_core::changes::{Change, Changes};

/// The media type of JSON objects, one on each line.
const MEDIA_TYPE: &str = "application/x-ndjson";

/// The longest silence of the stream, in real time.
const HEARTBEAT: Duration = Duration::from_secs(1);

struct Subscription {
    changes: Changes,
    live: Receiver<Change>,
}

pub(super) fn answer(app: &App, request: &Request<Body>) -> Result<Response, AdminError> {
    only(&Method::GET, request)?;
    let lines = lines(app.changes.clone()).take_until(app.stop.clone().cancelled_owned());
    let lines =
        lines.map(|line| Ok::<_, std::convert::Infallible>(Bytes::from(format!("{line}\n"))));
    let headers = [(CONTENT_TYPE, MEDIA_TYPE), (CACHE_CONTROL, "no-store")];
    Ok((headers, Body::from_stream(lines)).into_response())
}

fn lines(changes: Changes) -> impl Stream<Item = Value> {
    let (generation, live) = changes.subscribe();
    let first = json!({ "generation": generation, "kind": "subscribed" });
    let rest = stream::unfold(Subscription { changes, live }, async |mut subscription| {
        let line = subscription.next().await?;
        Some((line, subscription))
    });
    stream::iter([first]).chain(rest)
}

impl Subscription {
    async fn next(&mut self) -> Option<Value> {
        let now = |kind: &str| json!({ "generation": self.changes.generation(), "kind": kind });
        match tokio::time::timeout(HEARTBEAT, self.live.recv()).await {
            Ok(Ok(change)) => Some(serde_json::to_value(change).unwrap_or_else(|_| now("missed"))),
            Ok(Err(RecvError::Lagged(_))) => Some(now("missed")),
            Ok(Err(RecvError::Closed)) => None,
            Err(_) => Some(now("alive")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use azure_emulator_core::changes::ChangeKind;

    #[tokio::test]
    async fn a_client_that_reads_too_slowly_gets_one_line_for_all_missed_changes() {
        let changes = Changes::default();
        let mut lines = Box::pin(lines(changes.clone()));
        let first = lines.next().await.unwrap();

        for _ in 0..1000 {
            changes.notify(ChangeKind::Vault, Some("local"));
        }
        let (missed, next) = (lines.next().await.unwrap(), lines.next().await.unwrap());

        assert_eq!(first, json!({ "generation": 0, "kind": "subscribed" }));
        assert_eq!(missed, json!({ "generation": 1000, "kind": "missed" }));
        assert_eq!(next["kind"], "vault");
        assert!(next["generation"].as_u64() > Some(1));
    }
}
