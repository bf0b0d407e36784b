//! The access that a request needs, read from its method and path before the request is processed.
//!
//! A path without a route needs a login too, so that a stranger learns nothing from the response.

use http::request::Parts;
use http::{Method, Uri};

use super::route::Route as AcrRoute;
use crate::oci::{Query, Route as OciRoute};
use crate::registry::{Action, Actions, Need, RepositoryName, Scope};

/// The access that a request needs, and a second repository that it reads: the source of a mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Needs {
    pub(super) need: Need,
    pub(super) mount_from: Option<RepositoryName>,
}

impl Needs {
    /// The access that a request to `/v2/` or `/acr/v1/` needs.
    pub(super) fn of(head: &Parts) -> Self {
        let path = head.uri.path();
        if let Ok(route) = OciRoute::of(path) {
            return Self::of_oci(route, &head.method, &head.uri);
        }
        let need = AcrRoute::of(path).map_or(Need::Login, |route| of_acr(route, &head.method));
        Self { need, mount_from: None }
    }

    /// All scopes that the request may use.
    pub(super) fn scopes(&self) -> Vec<Scope> {
        let mut scopes = Vec::new();
        match &self.need {
            Need::Login => (),
            Need::Catalog => scopes.push(Scope::Catalog),
            Need::Repository { name, any, ask } => {
                scopes.push(Scope::Repository { name: name.clone(), actions: any.or(*ask) });
            }
        }
        if let Some(name) = &self.mount_from {
            let actions = Actions::from_iter([Action::Pull]);
            scopes.push(Scope::Repository { name: name.clone(), actions });
        }
        scopes
    }

    fn of_oci(route: OciRoute, method: &Method, uri: &Uri) -> Self {
        let mut mount_from = None;
        let need = match route {
            OciRoute::Base => Need::Login,
            OciRoute::Catalog => Need::Catalog,
            // Clients that asked only for pull get a challenge, and ask again (Azure/acr#600, renovatebot/renovate#14708).
            OciRoute::Tags { name } => Need::action(name, Action::MetadataRead),
            OciRoute::Referrers { name, .. } => Need::action(name, Action::Pull),
            OciRoute::Manifest { name, .. } | OciRoute::Blob { name, .. } => {
                of_content(name, method)
            }
            OciRoute::Uploads { name } => {
                let query = Query::of(uri);
                mount_from = query.get("from").and_then(|from| from.parse().ok());
                push(name)
            }
            OciRoute::Upload { name, .. } => push(name),
        };
        Self { need, mount_from }
    }
}

fn of_acr(route: AcrRoute, method: &Method) -> Need {
    match route {
        AcrRoute::Catalog => Need::Catalog,
        AcrRoute::Repository { name }
        | AcrRoute::Tags { name }
        | AcrRoute::Tag { name, .. }
        | AcrRoute::Manifests { name }
        | AcrRoute::Manifest { name, .. } => match *method {
            Method::PATCH => Need::Repository {
                name,
                any: Actions::from_iter([Action::MetadataWrite]),
                ask: Actions::from_iter([Action::MetadataWrite, Action::MetadataRead]),
            },
            Method::DELETE => Need::action(name, Action::Delete),
            _ => Need::action(name, Action::MetadataRead),
        },
        AcrRoute::Deleted => Need::Login,
    }
}

fn of_content(name: RepositoryName, method: &Method) -> Need {
    match *method {
        Method::DELETE => Need::action(name, Action::Delete),
        Method::PUT => push(name),
        _ => Need::action(name, Action::Pull),
    }
}

/// A push. The challenge asks for pull as well, because clients first check which blobs exist.
fn push(name: RepositoryName) -> Need {
    Need::Repository {
        name,
        any: Actions::from_iter([Action::Push]),
        ask: Actions::from_iter([Action::Pull, Action::Push]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(method: &Method, path: &str, scopes: &str) {
        let (head, ()) = http::Request::builder()
            .method(method.clone())
            .uri(path)
            .body(())
            .unwrap()
            .into_parts();
        let scopes_of: Vec<String> =
            Needs::of(&head).scopes().iter().map(ToString::to_string).collect();
        assert_eq!(scopes_of.join(" "), scopes, "{method} {path}");
    }

    #[test]
    fn every_route_needs_the_scope_of_its_method() {
        let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let manifest = format!("/v2/a/b/manifests/{digest}");
        check(&Method::GET, "/v2/", "");
        check(&Method::GET, "/v2/_catalog", "registry:catalog:*");
        check(&Method::GET, "/acr/v1/_catalog", "registry:catalog:*");
        check(&Method::GET, "/v2/a/tags/list", "repository:a:metadata_read");
        check(&Method::HEAD, &manifest, "repository:a/b:pull");
        check(&Method::PUT, &manifest, "repository:a/b:pull,push");
        check(&Method::DELETE, &manifest, "repository:a/b:delete");
        check(&Method::POST, "/v2/a/blobs/uploads/", "repository:a:pull,push");
        check(
            &Method::POST,
            &format!("/v2/a/blobs/uploads/?mount={digest}&from=c"),
            "repository:a:pull,push repository:c:pull",
        );
        check(&Method::GET, "/acr/v1/a/_tags", "repository:a:metadata_read");
        check(&Method::PATCH, "/acr/v1/a", "repository:a:metadata_read,metadata_write");
        check(&Method::DELETE, "/acr/v1/a/_tags/v1", "repository:a:delete");
        check(&Method::GET, "/v2/UPPER/tags/list", "");
    }
}
