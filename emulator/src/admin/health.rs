//! Reports whether the process is healthy, and the states of its registries. It needs no token and no key: a registry that is
//! unavailable because its key was revoked is healthy, because a restart would not help.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::wire::{known, known_state};
use crate::app::App;
use crate::keys::{Cause, State as KeyState};

/// The answer of `GET /_sealyard/health`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthReport {
    /// `ok`.
    pub status: String,
    /// The random id of this run, with which a client recognises the same emulator.
    #[serde(default)]
    pub instance: String,
    /// The registries.
    pub registries: Vec<RegistryHealth>,
    /// The number of times that stored content did not authenticate since the start.
    pub damaged: u64,
}

/// The state of one registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryHealth {
    /// Its name.
    pub name: String,
    /// `active`, `checking` or `unavailable`.
    #[serde(deserialize_with = "known_state")]
    pub state: KeyState,
    /// The cause of the state.
    #[serde(default, deserialize_with = "known")]
    pub cause: Option<Cause>,
    /// The time when the state began, by the emulator's clock.
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
}

/// `GET /_sealyard/health`.
pub(super) async fn health(State(app): State<App>) -> Json<HealthReport> {
    app.state_watch.refresh().await;
    let open = app.registries.all();
    let registries = open.iter().map(|registry| {
        let status = registry.key_ring().status();
        let cause = status.cause;
        RegistryHealth {
            name: registry.name().to_owned(),
            state: status.state,
            cause,
            since: status.since,
        }
    });
    Json(HealthReport {
        status: "ok".to_owned(),
        instance: app.endpoints.instance().to_owned(),
        registries: registries.collect(),
        damaged: open.iter().map(crate::registry::Registry::damaged).sum(),
    })
}
