//! `GET /_sealyard/metrics`: the metrics of all registries, in the text format of Prometheus.

use axum::extract::State;
use http::{HeaderName, StatusCode, header};

use super::error::AdminError;
use crate::app::App;

/// The media type of `OpenMetrics`, which Prometheus reads.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `GET /_sealyard/metrics`.
pub(super) async fn metrics(
    State(app): State<App>,
) -> Result<([(HeaderName, &'static str); 1], String), AdminError> {
    app.state_watch.refresh().await;
    let registries = app.registries.all();

    let states = registries.iter().map(|one| (one.name(), one.key_ring().status().state));
    let text = app.events.metrics().text(states);
    let text = text
        .map_err(|error| AdminError::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal", error))?;
    Ok(([(header::CONTENT_TYPE, OPEN_METRICS)], text))
}
