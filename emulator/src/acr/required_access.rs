//! The access that a request needs, from its method and its parsed path, before the request is processed.
//!
//! A path without a route needs a login too, so that a stranger learns nothing from the response.

use http::request::Parts;
use http::{Method, Uri};

use super::route::{ParsedPath as AcrPath, Route as AcrRoute};
use crate::oci::{ParsedPath as OciPath, Query, Route as OciRoute};
use crate::registry::{Action, Actions, RepositoryName, RequiredAccess, Scope};

/// The access that a request needs, and a second repository that it reads: the source of a mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RequestRequirements {
    pub(super) access: RequiredAccess,
    pub(super) mount_from: Option<RepositoryName>,
}

impl RequestRequirements {
    /// The access that a request to `/v2/` or `/acr/v1/` needs.
    pub(super) fn from_parts(head: &Parts) -> Self {
        let (method, extensions) = (&head.method, &head.extensions);
        if let Some(route) = extensions.get::<OciPath>().and_then(OciPath::route) {
            return Self::for_oci_route(route, method, &head.uri);
        }
        let route = extensions.get::<AcrPath>().and_then(AcrPath::route);
        let access = route.map_or(RequiredAccess::Login, |route| for_acr_route(route, method));
        Self { access, mount_from: None }
    }

    /// All scopes that the request may use.
    pub(super) fn scopes(&self) -> Vec<Scope> {
        let mut scopes = Vec::new();
        match &self.access {
            RequiredAccess::Login => (),
            RequiredAccess::Catalog => scopes.push(Scope::Catalog),
            RequiredAccess::Repository { name, any_of, challenge } => {
                scopes
                    .push(Scope::Repository { name: name.clone(), actions: any_of.or(*challenge) });
            }
        }
        if let Some(name) = &self.mount_from {
            let actions = Actions::from_iter([Action::Pull]);
            scopes.push(Scope::Repository { name: name.clone(), actions });
        }
        scopes
    }

    fn for_oci_route(route: &OciRoute, method: &Method, uri: &Uri) -> Self {
        let mut mount_from = None;
        let access = match route {
            OciRoute::Base => RequiredAccess::Login,
            OciRoute::Catalog => RequiredAccess::Catalog,
            // Clients that asked only for pull get a challenge, and ask again (Azure/acr#600, renovatebot/renovate#14708).
            OciRoute::Tags { name } => RequiredAccess::action(name.clone(), Action::MetadataRead),
            OciRoute::Referrers { name, .. } => RequiredAccess::action(name.clone(), Action::Pull),
            OciRoute::Manifest { name, .. } | OciRoute::Blob { name, .. } => {
                for_content(name, method)
            }
            OciRoute::Uploads { name } => {
                let query = Query::from_uri(uri);
                mount_from = query.get("from").and_then(|from| from.parse().ok());
                for_push(name)
            }
            OciRoute::Upload { name, .. } => for_push(name),
        };
        Self { access, mount_from }
    }
}

fn for_acr_route(route: &AcrRoute, method: &Method) -> RequiredAccess {
    match route {
        AcrRoute::Catalog => RequiredAccess::Catalog,
        AcrRoute::Repository { name }
        | AcrRoute::Tags { name }
        | AcrRoute::Tag { name, .. }
        | AcrRoute::Manifests { name }
        | AcrRoute::Manifest { name, .. } => match *method {
            Method::PATCH => RequiredAccess::Repository {
                name: name.clone(),
                any_of: Actions::from_iter([Action::MetadataWrite]),
                challenge: Actions::from_iter([Action::MetadataWrite, Action::MetadataRead]),
            },
            Method::DELETE => RequiredAccess::action(name.clone(), Action::Delete),
            _ => RequiredAccess::action(name.clone(), Action::MetadataRead),
        },
        AcrRoute::Deleted => RequiredAccess::Login,
    }
}

fn for_content(name: &RepositoryName, method: &Method) -> RequiredAccess {
    match *method {
        Method::DELETE => RequiredAccess::action(name.clone(), Action::Delete),
        Method::PUT => for_push(name),
        _ => RequiredAccess::action(name.clone(), Action::Pull),
    }
}

/// A push. The challenge asks for pull as well, because clients first check which blobs exist.
fn for_push(name: &RepositoryName) -> RequiredAccess {
    RequiredAccess::Repository {
        name: name.clone(),
        any_of: Actions::from_iter([Action::Push]),
        challenge: Actions::from_iter([Action::Pull, Action::Push]),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::extract::Request;
    use axum::{Extension, Router};
    use tower::ServiceExt as _;

    use super::super::route::parse_paths;
    use super::*;

    async fn check(method: &Method, path: &str, scopes: &str) {
        let routes = Router::new().fallback(async |request: Request| {
            let required = RequestRequirements::from_parts(&request.into_parts().0);
            let scopes: Vec<_> = required.scopes().iter().map(ToString::to_string).collect();
            Extension(scopes.join(" "))
        });
        let routes = parse_paths(crate::oci::parse_paths(routes));
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let answer = routes.oneshot(request).await.unwrap();
        assert_eq!(answer.extensions().get::<String>().unwrap(), scopes, "{method} {path}");
    }

    #[tokio::test]
    async fn every_route_needs_the_scope_of_its_method() {
        let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let manifest = format!("/v2/a/b/manifests/{digest}");
        check(&Method::GET, "/v2/", "").await;
        check(&Method::GET, "/v2/_catalog", "registry:catalog:*").await;
        check(&Method::GET, "/acr/v1/_catalog", "registry:catalog:*").await;
        check(&Method::GET, "/v2/a/tags/list", "repository:a:metadata_read").await;
        check(&Method::HEAD, &manifest, "repository:a/b:pull").await;
        check(&Method::PUT, &manifest, "repository:a/b:pull,push").await;
        check(&Method::DELETE, &manifest, "repository:a/b:delete").await;
        check(&Method::POST, "/v2/a/blobs/uploads/", "repository:a:pull,push").await;
        check(
            &Method::POST,
            &format!("/v2/a/blobs/uploads/?mount={digest}&from=c"),
            "repository:a:pull,push repository:c:pull",
        )
        .await;
        check(&Method::GET, "/acr/v1/a/_tags", "repository:a:metadata_read").await;
        check(&Method::PATCH, "/acr/v1/a", "repository:a:metadata_read,metadata_write").await;
        check(&Method::DELETE, "/acr/v1/a/_tags/v1", "repository:a:delete").await;
        check(&Method::GET, "/v2/UPPER/tags/list", "").await;
    }
}
