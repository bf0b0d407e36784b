//! Operations that take longer than a request: `Azure-AsyncOperation` and `Location`, polled as Azure's are.
//!
//! Called by the handlers that begin one, and by the dispatch for those who ask how far it is. They are kept in memory, the
//! newest alone: a client that polls after a restart is told that there is no such operation, and looks at the resource.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::response::Response;
use http::{HeaderName, HeaderValue, StatusCode, header};
use mock_keyvault::identity::SUBSCRIPTION;
use serde_json::{Value, json};
use uuid::Uuid;

use super::context::Context;
use super::error::ArmError;
use super::{empty, json_with};

/// How many are remembered.
const KEPT: usize = 1000;

/// Where a client asks how far an operation is.
const ASYNC_OPERATION: HeaderName = HeaderName::from_static("azure-asyncoperation");

/// The operations of late. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Operations(Arc<Mutex<VecDeque<Operation>>>);

#[derive(Clone)]
struct Operation {
    id: String,
    state: State,
}

#[derive(Clone)]
enum State {
    Running,
    Succeeded,
    /// The `error` of the answer that it would have had.
    Failed(Value),
}

impl Operations {
    /// Begins an operation. It goes on to its end, whoever asks. Its error is the `error` of a refusal.
    pub(super) fn start(
        &self,
        work: impl Future<Output = Result<(), Value>> + Send + 'static,
    ) -> String {
        let id = self.add(State::Running);
        let (this, own) = (self.clone(), id.clone());
        tokio::spawn(async move {
            // A panic is a failure of the operation as well: nobody polls for ever.
            let ended = tokio::spawn(work).await.unwrap_or_else(|error| {
                tracing::error!(%error, "an operation of the control plane failed");
                Err(json!({"code": "InternalServerError", "message": "The operation failed."}))
            });
            let state = ended.map_or_else(State::Failed, |()| State::Succeeded);
            if let Some(operation) = this.all().iter_mut().find(|operation| operation.id == own) {
                operation.state = state;
            }
        });
        id
    }

    /// How far an operation is, as `Azure-AsyncOperation` has it.
    pub(super) fn status(&self, id: &str) -> Result<Response, ArmError> {
        let operation = self.find(id)?;
        let (status, error) = match &operation.state {
            State::Running => ("InProgress", None),
            State::Succeeded => ("Succeeded", None),
            State::Failed(error) => ("Failed", Some(error)),
        };
        let mut body = json!({ "name": operation.id, "status": status });
        if let Some(error) = error {
            body["error"] = error.clone();
        }
        let mut response = json_with(StatusCode::OK, &body);
        if matches!(operation.state, State::Running) {
            retry_soon(&mut response);
        }
        Ok(response)
    }

    /// The result of an operation, as `Location` has it: 202 until it has ended. The client is told to ask here again.
    pub(super) fn result(&self, context: &Context, id: &str) -> Result<Response, ArmError> {
        let operation = self.find(id)?;
        match operation.state {
            State::Running => {
                let mut response = empty(StatusCode::ACCEPTED);
                locate(context, &mut response, &operation.id);
                Ok(response)
            }
            State::Succeeded => Ok(empty(StatusCode::OK)),
            State::Failed(error) => Ok(json_with(StatusCode::CONFLICT, json!({ "error": error }))),
        }
    }

    fn add(&self, state: State) -> String {
        let id = Uuid::new_v4().to_string();
        let mut all = self.all();
        if all.len() == KEPT {
            all.pop_front();
        }
        all.push_back(Operation { id: id.clone(), state });
        id
    }

    fn find(&self, id: &str) -> Result<Operation, ArmError> {
        let all = self.all();
        let found = all.iter().rev().find(|operation| operation.id.eq_ignore_ascii_case(id));
        found.cloned().ok_or_else(|| ArmError::NoOperation(id.chars().take(100).collect()))
    }

    fn all(&self) -> MutexGuard<'_, VecDeque<Operation>> {
        // Nothing panics while the lock is held, and whatever is in it is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Operations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operations").field("kept", &self.all().len()).finish()
    }
}

/// Tells a client where it can ask how far an operation on this resource is, at the host that it used.
pub(super) fn follow(context: &Context, response: &mut Response, resource: &str, id: &str) {
    let url = context.url(&format!("{resource}/operationStatuses/{id}"));
    set(response, ASYNC_OPERATION, &url);
    retry_soon(response);
}

/// Tells a client where the result of an operation will be, at the host that it used.
pub(super) fn locate(context: &Context, response: &mut Response, id: &str) {
    let url = context.url(&format!("/subscriptions/{SUBSCRIPTION}/operationresults/{id}"));
    set(response, header::LOCATION, &url);
    retry_soon(response);
}

/// In how many seconds it is worth asking again. Without it `az` waits for thirty.
fn retry_soon(response: &mut Response) {
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
}

fn set(response: &mut Response, name: HeaderName, value: &str) {
    // A host that came in a header fits in a header.
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
