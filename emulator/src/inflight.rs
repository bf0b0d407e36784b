//! The requests in progress at the listeners of registries: a stop waits for them.
//!
//! [`InflightRequests::track`] is a layer of all routes. A request is in progress until its response was sent or given up.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http_body::{Frame, SizeHint};

/// The requests in progress.
#[derive(Clone, Debug, Default)]
pub struct InflightRequests(Arc<Mutex<Requests>>);

#[derive(Debug, Default)]
struct Requests {
    begun: u64,
    open: BTreeMap<u64, String>,
}

/// One request. It ends when this is dropped.
#[derive(Debug)]
struct Entry {
    all: InflightRequests,
    number: u64,
}

/// The body of a response, which keeps its request in progress.
struct Answer {
    body: Body,
    _request: Entry,
}

impl InflightRequests {
    /// The method and path of each request, the oldest first.
    #[cfg(feature = "command-line")]
    pub fn requests(&self) -> Vec<String> {
        self.with(|requests| requests.open.values().cloned().collect())
    }

    /// Registers a request until its response has ended.
    pub async fn track(State(all): State<Self>, request: Request, next: Next) -> Response {
        let entry = all.begin(format!("{} {}", request.method(), request.uri().path()));
        let response = next.run(request).await;
        response.map(|body| Body::new(Answer { body, _request: entry }))
    }

    fn begin(&self, request: String) -> Entry {
        let number = self.with(|requests| {
            requests.begun += 1;
            requests.open.insert(requests.begun, request);
            requests.begun
        });
        Entry { all: self.clone(), number }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Requests) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.all.with(|requests| requests.open.remove(&self.number));
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn a_request_is_in_progress_until_its_response_has_ended() {
        let all = InflightRequests::default();
        let seen = all.clone();
        let routes = Router::new()
            .route("/v2/", get(async move || format!("{:?}", seen.requests())))
            .layer(from_fn_with_state(all.clone(), InflightRequests::track));
        let request = Request::get("/v2/?a=b").body(Body::empty()).unwrap();

        let response = routes.oneshot(request).await.unwrap();
        let meanwhile = all.requests();
        let length = http_body::Body::size_hint(response.body()).exact();
        let body = response.into_body().collect().await.unwrap().to_bytes();

        assert_eq!(&body[..], br#"["GET /v2/"]"#);
        assert_eq!((meanwhile.len(), length), (1, Some(12)));
        assert!(all.requests().is_empty());
    }
}
