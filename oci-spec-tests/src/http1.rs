//! The HTTP client of the suite: one request and one answer, over hyper's HTTP/1.1 connection.
//!
//! Cases build a [`Request`] through `Context` and read the [`Answer`]. Every request uses a new connection, so that a registry
//! that closes a connection does not affect other cases. Only GET and HEAD follow redirects, for registries that offload blobs.
//! Requests that hyper cannot send (malformed heads, cut bodies) are in `raw`.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, SizeHint};
use hyper_util::rt::TokioIo;
use serde_json::Value;

use crate::outcome::ensure;
use crate::registry::Origin;
use crate::{Failure, Registry};

/// The longest time for an exchange.
pub(crate) const TIME_LIMIT: Duration = Duration::from_mins(1);
const MOST_REDIRECTS: usize = 5;

/// A request that is being built.
pub(crate) struct Request<'a> {
    registry: &'a Registry,
    method: Method,
    target: String,
    headers: Vec<(String, String)>,
    payload: Payload,
}

impl<'a> Request<'a> {
    /// `target` is a path with its query, or a URL as in a `Location`.
    pub(crate) fn new(registry: &'a Registry, method: Method, target: impl Into<String>) -> Self {
        Self {
            registry,
            method,
            target: target.into(),
            headers: Vec::new(),
            payload: Payload::Whole(Bytes::new()),
        }
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Sets a body with `Content-Length`.
    pub(crate) fn body(mut self, bytes: impl Into<Bytes>) -> Self {
        self.payload = Payload::Whole(bytes.into());
        self
    }

    /// Sets a body of these pieces, with `Transfer-Encoding: chunked` and without a length.
    pub(crate) fn streamed(mut self, pieces: impl IntoIterator<Item = Bytes>) -> Self {
        self.payload = Payload::Pieces(pieces.into_iter().collect());
        self
    }

    pub(crate) async fn send(self) -> Result<Answer, Failure> {
        let request = format!("{} {}", self.method, self.target);
        match tokio::time::timeout(TIME_LIMIT, self.exchange()).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(failure)) => Err(Failure::new(format!("{request}: {failure}"))),
            Err(_) => Err(Failure::new(format!(
                "{request}: no answer within {} seconds",
                TIME_LIMIT.as_secs()
            ))),
        }
    }

    async fn exchange(self) -> Result<Answer, Failure> {
        let mut origin = self.registry.origin().clone();
        let mut target = self.target.clone();
        let follows = self.method == Method::GET || self.method == Method::HEAD;
        for _ in 0..=MOST_REDIRECTS {
            if !target.starts_with('/') {
                (origin, target) = Origin::split(&target).ok_or_else(|| {
                    Failure::new(format!("{target:?} is neither a path nor an http URL"))
                })?;
            }
            let answer = self.once(&origin, &target).await?;
            match answer.header("location") {
                Some(location) if follows && answer.status.is_redirection() => {
                    location.clone_into(&mut target);
                }
                _ => return Ok(answer),
            }
        }
        Err(Failure::new("too many redirects"))
    }

    async fn once(&self, origin: &Origin, target: &str) -> Result<Answer, Failure> {
        let mut request = http::Request::builder()
            .method(self.method.clone())
            .uri(target)
            .header("host", origin.authority())
            .header("user-agent", concat!("oci-spec-tests/", env!("CARGO_PKG_VERSION")));
        if let Some(authorization) = self.registry.authorization(origin) {
            request = request.header("authorization", authorization);
        }
        if self.payload.is_end_stream() && self.method != Method::GET && self.method != Method::HEAD
        {
            request = request.header("content-length", "0");
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = request
            .body(self.payload.clone())
            .map_err(|error| Failure::new(format!("the request cannot be sent: {error}")))?;

        let stream = TokioIo::new(self.registry.connect(origin).await?);
        let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
            .max_buf_size(1 << 20)
            .handshake(stream)
            .await?;
        let driver = tokio::spawn(connection);
        let response = sender.send_request(request).await?;
        let (head, body) = response.into_parts();
        let (body, is_whole) = read(body).await;
        driver.abort();
        let request = format!("{} {target}", self.method);
        Ok(Answer { request, status: head.status, headers: head.headers, body, is_whole })
    }
}

/// Reads the body as far as it arrived, and whether it is complete.
async fn read(mut body: hyper::body::Incoming) -> (Bytes, bool) {
    let mut received = BytesMut::new();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => received.extend_from_slice(frame.data_ref().unwrap_or(&Bytes::new())),
            Err(_) => return (received.freeze(), false),
        }
    }
    (received.freeze(), true)
}

/// The answer of the registry.
pub(crate) struct Answer {
    request: String,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Whether the body arrived completely. If not, `body` has the part that arrived.
    pub(crate) is_whole: bool,
}

impl Answer {
    /// The value of a header, if it is present and is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The value of a required header.
    pub(crate) fn needs(&self, name: &str) -> Result<&str, Failure> {
        self.header(name)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| self.wrong(&format!("no {name} header")))
    }

    /// Fails unless the header has exactly this value.
    pub(crate) fn has(&self, name: &str, value: &str) -> Result<(), Failure> {
        let found = self.needs(name)?;
        ensure!(found == value, "{}", self.wrong(&format!("{name} is {found:?}, not {value:?}")));
        Ok(())
    }

    /// Fails unless the status is one of these.
    pub(crate) fn is(&self, statuses: &[u16]) -> Result<(), Failure> {
        let expected = statuses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
        ensure!(
            statuses.contains(&self.status.as_u16()),
            "{}",
            self.wrong(&format!("expected {expected}"))
        );
        Ok(())
    }

    /// Fails unless the registry blames the client with any 4xx.
    pub(crate) fn is_refusal(&self) -> Result<(), Failure> {
        ensure!(
            self.status.is_client_error(),
            "{}",
            self.wrong("expected a refusal with a 4xx status")
        );
        Ok(())
    }

    /// Fails if the registry performed the request, whatever its answer says.
    pub(crate) fn is_no_success(&self) -> Result<(), Failure> {
        ensure!(!self.status.is_success(), "{}", self.wrong("expected no success"));
        Ok(())
    }

    /// Fails unless an error body of the specified form has one of these codes.
    pub(crate) fn has_code(&self, codes: &[&str]) -> Result<(), Failure> {
        let found = self.codes()?;
        let expected = codes.join(" or ");
        ensure!(
            found.iter().any(|code| codes.contains(&code.as_str())),
            "{}",
            self.wrong(&format!("expected an error of the code {expected}"))
        );
        Ok(())
    }

    /// The codes of an error body; fails if the body does not have the specified form.
    pub(crate) fn codes(&self) -> Result<Vec<String>, Failure> {
        let body = self.json().map_err(|_| self.wrong("the error body is not JSON"))?;
        let errors = body["errors"]
            .as_array()
            .ok_or_else(|| self.wrong("the error body has no list `errors`"))?;
        ensure!(!errors.is_empty(), "{}", self.wrong("the list `errors` is empty"));
        let mut codes = Vec::new();
        for error in errors {
            let code =
                error["code"].as_str().ok_or_else(|| self.wrong("an error has no `code`"))?;
            codes.push(code.to_owned());
        }
        Ok(codes)
    }

    pub(crate) fn json(&self) -> Result<Value, Failure> {
        serde_json::from_slice(&self.body)
            .map_err(|error| self.wrong(&format!("the body is not JSON ({error})")))
    }

    /// A failure that shows this exchange.
    pub(crate) fn wrong(&self, what: &str) -> Failure {
        let shown = &self.body[..self.body.len().min(300)];
        let body = match std::str::from_utf8(shown) {
            Ok("") => String::new(),
            Ok(text) => format!(" {}", text.trim_end()),
            Err(_) => format!(" ({} bytes)", self.body.len()),
        };
        let cut = if self.is_whole { "" } else { " (and the body is incomplete)" };
        Failure::new(format!(
            "{what}; {} answered {}{body}{cut}",
            self.request,
            self.status.as_u16()
        ))
    }
}

/// A request body.
#[derive(Clone)]
enum Payload {
    Whole(Bytes),
    Pieces(VecDeque<Bytes>),
}

impl Body for Payload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = match self.get_mut() {
            Self::Whole(bytes) if bytes.is_empty() => None,
            Self::Whole(bytes) => Some(std::mem::take(bytes)),
            Self::Pieces(pieces) => pieces.pop_front(),
        };
        Poll::Ready(next.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Pieces(_) => SizeHint::default(),
        }
    }
}
