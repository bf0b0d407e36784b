//! `GET /_sealyard/events`: events of the registries and their keys, as server-sent events or as a list.
//!
//! A stream begins with the next event, or after the event in `Last-Event-ID`. A listener that is too far
//! behind gets a comment with the number of missed events. A client that accepts `application/json` gets the newest
//! events as a list.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::sse::{Event as Frame, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures::{Stream, StreamExt as _, stream};
use http::{HeaderMap, header};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tokio::sync::broadcast::error::RecvError;

use super::error::AdminError;
use super::find::find;
use crate::app::App;
use crate::keys::{Cause, KeyEventKind, KeyId};
use crate::registry::Event;

/// The default number of events in a list.
const DEFAULT_LAST: usize = 100;

/// The header in which a client that connects again names the last event that it has.
const LAST_EVENT_ID: &str = "last-event-id";

/// The query parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventQuery {
    last: Option<usize>,
    /// The registry, or `None` for the events of all registries.
    registry: Option<String>,
}

/// The answer for clients that accept JSON, newest last.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct EventList {
    /// The events.
    pub events: Vec<EventReport>,
}

/// An event. Fields that do not apply are omitted.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EventReport {
    /// Its number among all events since the start.
    pub number: u64,
    /// Its time, by the emulator's clock.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// The registry.
    pub registry: String,
    /// `stateChanged`, `rotated`, `rotationBlocked`, `operationBlocked`, `rowsNotice` or `contentDamaged`.
    pub event: String,
    /// The state, or the key version, before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The state, or the key version, after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The cause of the state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// The cause or reason as a sentence.
    #[serde(rename = "words")] // prose: the name in JSON
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The key version in use, or the key that could not be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_identifier: Option<String>,
    /// The identity, if the rotation changed the identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// The number of data keys that a rotation has wrapped again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_keys: Option<usize>,
    /// The number of calls of a rotation to the vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault_calls: Option<u64>,
    /// The stored object that cannot be served; `cause` has the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
}

/// `GET /_sealyard/events`.
pub(super) async fn events(
    State(app): State<App>,
    headers: HeaderMap,
    query: Result<Query<EventQuery>, QueryRejection>,
) -> Result<Response, AdminError> {
    let Query(query) = query?;
    let only = query.registry.as_deref().map(|name| find(&app, name)).transpose()?;
    let only = only.map(|registry| registry.name().to_owned());
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if header(header::ACCEPT.as_str()).is_some_and(|accepted| accepted.contains("application/json"))
    {
        let last = query.last.unwrap_or(DEFAULT_LAST);
        let events = newest(&app, only.as_deref(), last).await;
        return Ok(Json(EventList { events }).into_response());
    }
    let after = header(LAST_EVENT_ID).and_then(|id| id.trim().parse().ok());
    let after = after.unwrap_or_else(|| app.events.last());
    let keep_alive = KeepAlive::default();
    Ok(Sse::new(frames(app, after, only)).keep_alive(keep_alive).into_response())
}

/// All events of a registry that are still in memory, the newest last.
pub(crate) async fn events_of(app: &App, registry: &str) -> Result<Vec<EventReport>, AdminError> {
    let registry = find(app, registry)?;
    Ok(newest(app, Some(registry.name()), usize::MAX).await)
}

/// The newest events of one registry or of all, the newest last.
async fn newest(app: &App, only: Option<&str>, last: usize) -> Vec<EventReport> {
    app.state_watch.refresh().await;
    let events = app.events.newest(if only.is_some() { usize::MAX } else { last });
    let events = events.iter().filter(|event| is_of(event, only));
    let mut events: Vec<_> = events.map(|event| report(app, event)).collect();
    events.drain(..events.len().saturating_sub(last));
    events
}

/// The endless stream of events after a number, of one registry or of all.
fn frames(
    app: App,
    after: u64,
    only: Option<String>,
) -> impl Stream<Item = Result<Frame, Infallible>> + use<> {
    let stream = app.events.after(after);
    let retained = stream.retained.iter().filter(|event| is_of(event, only.as_deref()));
    let retained: Vec<_> = retained.map(|event| Ok(frame(&app, event))).collect();
    // While a client listens, a vault that reports no changes is asked.
    let listening = app.state_watch.listen();
    let begin = (app, stream.live, only, listening);
    let live = stream::unfold(begin, async |(app, mut live, only, listening)| {
        let frame = loop {
            match live.recv().await {
                Ok(event) if is_of(&event, only.as_deref()) => break frame(&app, &event),
                Ok(_) => (),
                Err(RecvError::Lagged(missed)) => {
                    break Frame::default().comment(format!("missed {missed}"));
                }
                Err(RecvError::Closed) => return None,
            }
        };
        Some((Ok(frame), (app, live, only, listening)))
    });
    stream::iter(retained).chain(live)
}

fn is_of(event: &Event, only: Option<&str>) -> bool {
    only.is_none_or(|name| event.event.registry == name)
}

fn frame(app: &App, event: &Arc<Event>) -> Frame {
    let report = report(app, event);
    let frame = Frame::default().id(report.number.to_string()).event(&report.event);
    // A report has only texts and numbers, which JSON can always contain.
    frame.json_data(report).unwrap_or_default()
}

/// An event with the addresses that clients use.
fn report(app: &App, event: &Event) -> EventReport {
    let identifier = |key: &KeyId| app.endpoints.key_identifier(key);
    let mut report = EventReport {
        number: event.number,
        at: event.event.at,
        registry: event.event.registry.clone(),
        event: event.event.what.name().to_owned(),
        from: None,
        to: None,
        cause: None,
        message: None,
        key_identifier: None,
        identity: None,
        data_keys: None,
        vault_calls: None,
        object: None,
    };
    match &event.event.what {
        KeyEventKind::StateChanged(transition) => {
            report.from = Some(transition.from.name().to_owned());
            report.to = Some(transition.to.name().to_owned());
            report.cause = transition.cause.map(Cause::name).map(str::to_owned);
            report.message.clone_from(&transition.message);
            report.key_identifier = transition.key.as_ref().map(identifier);
        }
        KeyEventKind::Rotated { from, to, identity, data_keys, vault_calls } => {
            (report.from, report.to) = (Some(identifier(from)), Some(identifier(to)));
            report.key_identifier = report.to.clone();
            report.identity = identity.as_ref().map(ToString::to_string);
            (report.data_keys, report.vault_calls) = (Some(*data_keys), Some(*vault_calls));
        }
        KeyEventKind::RotationBlocked { key, why } => {
            report.key_identifier = key.as_ref().map(identifier);
            report.message = Some(why.clone());
        }
        KeyEventKind::OperationBlocked { operation, why } => {
            report.message = Some(format!("{operation}: {why}"));
        }
        KeyEventKind::RowsNotice { of, message, .. } => {
            report.message = Some(format!("{of}: {message}"));
        }
        KeyEventKind::ContentDamaged { object, damage } => {
            report.object = Some(object.clone());
            report.cause = Some(damage.clone());
        }
    }
    report
}
