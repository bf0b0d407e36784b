//! The route of a request, parsed once and passed along in the request's extensions. The routes of `acr/` use it, too.

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};

/// The route of a request, or the reason why its path has none.
#[derive(Clone, Debug)]
pub struct Parsed<R, E>(Result<R, E>);

impl<R, E> Parsed<R, E> {
    /// The route, if the path has one.
    pub fn route(&self) -> Option<&R> {
        self.0.as_ref().ok()
    }

    pub(crate) fn into_result(self) -> Result<R, E> {
        self.0
    }
}

/// Adds the [`Parsed`] path to each request for these routes, before all their layers.
pub(crate) fn with_parsed_paths<R, E>(routes: Router, parse: fn(&str) -> Result<R, E>) -> Router
where
    R: Clone + Send + Sync + 'static,
    E: Clone + Send + Sync + 'static,
{
    routes.layer(from_fn(move |mut request: Request, next: Next| {
        let parsed = Parsed(parse(request.uri().path()));
        request.extensions_mut().insert(parsed);
        next.run(request)
    }))
}
