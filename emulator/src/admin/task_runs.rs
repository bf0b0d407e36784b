//! The routes of task runs: store them with their logs, list, read and delete them.
//!
//! Names of fields are those of Azure's runs where it has them. The emulator runs no tasks: a test uses this API to store
//! the log of a build.

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Response};
use futures::StreamExt as _;
use http::{StatusCode, header};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::error::AdminError;
use super::find::find;
use crate::app::App;
use crate::registry::{TaskRun, TaskRunId, TaskRunStatus};

/// The query parameters of a new run.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRun {
    name: Option<String>,
    #[serde(default)]
    status: TaskRunStatus,
}

/// The report of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskRunReport {
    /// Its id, such as `cb1`.
    pub run_id: String,
    /// The name of the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// Its result.
    pub status: TaskRunStatus,
    /// When it began.
    #[serde(with = "time::serde::rfc3339")]
    pub create_time: OffsetDateTime,
    /// When it ended.
    #[serde(with = "time::serde::rfc3339")]
    pub finish_time: OffsetDateTime,
    /// When it is removed, with its log.
    #[serde(with = "time::serde::rfc3339")]
    pub expires: OffsetDateTime,
    /// Length of the log in bytes.
    pub log_size: u64,
}

/// The answer of `GET /_sealyard/registries/NAME/runs`, the newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskRunList {
    /// The runs.
    pub value: Vec<TaskRunReport>,
}

/// `POST /_sealyard/registries/{name}/runs?name=&status=`: the body is the log.
pub(super) async fn add(
    State(app): State<App>,
    Path(name): Path<String>,
    run: Result<Query<NewRun>, QueryRejection>,
    body: Body,
) -> Result<Response, AdminError> {
    let Query(run) = run?;
    let registry = find(&app, &name)?;
    let refused = |error| AdminError::from(error).with_registry(registry.name());
    let content = registry.content().await.map_err(refused)?;
    let log = body.into_data_stream().map(|chunk| chunk.map_err(|error| error.to_string()));
    let kept = content.add_task_run(run.name, run.status, Box::pin(log)).await?;
    Ok((StatusCode::CREATED, Json(TaskRunReport::from(kept))).into_response())
}

/// `GET /_sealyard/registries/{name}/runs`.
pub(super) async fn list(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Json<TaskRunList>, AdminError> {
    let runs = find(&app, &name)?.task_runs().await?;
    Ok(Json(TaskRunList { value: runs.into_iter().map(TaskRunReport::from).collect() }))
}

/// `GET /_sealyard/registries/{name}/runs/{id}`.
pub(super) async fn show(
    State(app): State<App>,
    Path((name, id)): Path<(String, String)>,
) -> Result<Json<TaskRunReport>, AdminError> {
    let run = find(&app, &name)?.task_run(parse(&id)?).await?;
    Ok(Json(run.into()))
}

/// `GET /_sealyard/registries/{name}/runs/{id}/log`.
pub(super) async fn log(
    State(app): State<App>,
    Path((name, id)): Path<(String, String)>,
) -> Result<Response, AdminError> {
    let registry = find(&app, &name)?;
    let refused = |error| AdminError::from(error).with_registry(registry.name());
    let content = registry.content().await.map_err(refused)?;
    let (len, log) = content.task_run_log(parse(&id)?).await?;
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8".to_owned()),
        (header::CONTENT_LENGTH, len.to_string()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, Body::from_stream(log)).into_response())
}

/// `DELETE /_sealyard/registries/{name}/runs/{id}`.
pub(super) async fn delete(
    State(app): State<App>,
    Path((name, id)): Path<(String, String)>,
) -> Result<StatusCode, AdminError> {
    find(&app, &name)?.delete_task_run(parse(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn parse(id: &str) -> Result<TaskRunId, AdminError> {
    id.parse().map_err(AdminError::bad_request)
}

impl From<TaskRun> for TaskRunReport {
    fn from(run: TaskRun) -> Self {
        Self {
            run_id: run.id.to_string(),
            task: run.name,
            status: run.status,
            create_time: run.created,
            finish_time: run.finished,
            expires: run.ends,
            log_size: run.log_len,
        }
    }
}
