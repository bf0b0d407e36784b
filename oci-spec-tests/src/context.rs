//! The context of a case: the registry, its own repository, and the steps that many cases need.
//!
//! Every case gets a new `Context`, so no two share a repository. A failed step reports the exchange, like a failed case.

use bytes::Bytes;
use http::Method;
use serde_json::Value;

use crate::content::{Blob, Image, OCI_MANIFEST, random_name};
use crate::http1::{Answer, Request};
use crate::outcome::ensure;
use crate::raw::{Afterwards, RawAnswer};
use crate::{Failure, Registry};

/// The registry under test, and a repository that no other case uses.
#[derive(Debug)]
pub struct Context {
    registry: Registry,
    repository: String,
}

impl Context {
    /// A context with a repository of a random name.
    pub fn new(registry: &Registry) -> Self {
        let name = format!("oci-spec-tests/{}", random_name());
        let repository = match registry.namespace() {
            "" => name,
            namespace => format!("{namespace}/{name}"),
        };
        Self { registry: registry.clone(), repository }
    }

    /// The case's own repository.
    pub(crate) fn repository(&self) -> &str {
        &self.repository
    }

    /// Another repository of the case.
    pub(crate) fn another(&self, suffix: &str) -> String {
        format!("{}-{suffix}", self.repository)
    }

    pub(crate) fn request(&self, method: Method, target: impl Into<String>) -> Request<'_> {
        Request::new(&self.registry, method, target)
    }

    pub(crate) fn get(&self, target: impl Into<String>) -> Request<'_> {
        self.request(Method::GET, target)
    }

    pub(crate) fn head(&self, target: impl Into<String>) -> Request<'_> {
        self.request(Method::HEAD, target)
    }

    pub(crate) fn post(&self, target: impl Into<String>) -> Request<'_> {
        self.request(Method::POST, target)
    }

    pub(crate) fn put(&self, target: impl Into<String>) -> Request<'_> {
        self.request(Method::PUT, target)
    }

    pub(crate) fn patch(&self, target: impl Into<String>) -> Request<'_> {
        self.request(Method::PATCH, target)
    }

    pub(crate) fn delete(&self, target: impl Into<String>) -> Request<'_> {
        self.request(Method::DELETE, target)
    }

    /// The path of a blob in the case's repository.
    pub(crate) fn blob(&self, digest: &str) -> String {
        format!("/v2/{}/blobs/{digest}", self.repository)
    }

    /// The path of a manifest in the case's repository.
    pub(crate) fn manifest(&self, reference: &str) -> String {
        format!("/v2/{}/manifests/{reference}", self.repository)
    }

    /// The path that starts an upload in the case's repository.
    pub(crate) fn uploads(&self) -> String {
        format!("/v2/{}/blobs/uploads/", self.repository)
    }

    /// GETs a manifest with an Accept header for every type that the suite pushes.
    pub(crate) fn get_manifest(&self, reference: &str) -> Request<'_> {
        self.get(self.manifest(reference)).header("accept", ACCEPT_ALL)
    }

    /// Starts an upload and returns its `Location`.
    pub(crate) async fn start_upload(&self) -> Result<String, Failure> {
        self.start_upload_in(&self.repository).await
    }

    pub(crate) async fn start_upload_in(&self, repository: &str) -> Result<String, Failure> {
        let answer = self.post(format!("/v2/{repository}/blobs/uploads/")).send().await?;
        answer.is(&[202])?;
        Ok(answer.needs("location")?.to_owned())
    }

    /// Sends one chunk of an upload.
    pub(crate) async fn send_chunk(
        &self,
        location: &str,
        range: &str,
        bytes: Bytes,
    ) -> Result<Answer, Failure> {
        self.patch(location)
            .header("content-type", "application/octet-stream")
            .header("content-range", range)
            .body(bytes)
            .send()
            .await
    }

    /// Closes an upload with the rest of its bytes.
    pub(crate) async fn close_upload(
        &self,
        location: &str,
        digest: &str,
        bytes: Bytes,
    ) -> Result<Answer, Failure> {
        self.put(with_query(location, &format!("digest={digest}")))
            .header("content-type", "application/octet-stream")
            .body(bytes)
            .send()
            .await
    }

    pub(crate) async fn push_blob(&self, blob: &Blob) -> Result<(), Failure> {
        self.push_blob_to(&self.repository, blob).await
    }

    pub(crate) async fn push_blob_to(&self, repository: &str, blob: &Blob) -> Result<(), Failure> {
        let location = self.start_upload_in(repository).await?;
        self.close_upload(&location, &blob.digest, blob.bytes.clone()).await?.is(&[201])
    }

    /// PUTs a manifest in the case's repository, and asserts nothing.
    pub(crate) async fn put_manifest(
        &self,
        reference: &str,
        media_type: &str,
        bytes: &Bytes,
    ) -> Result<Answer, Failure> {
        self.put(self.manifest(reference))
            .header("content-type", media_type)
            .body(bytes.clone())
            .send()
            .await
    }

    /// Pushes a manifest as a step of a case, under its digest.
    pub(crate) async fn push_manifest(
        &self,
        media_type: &str,
        manifest: &Value,
    ) -> Result<Blob, Failure> {
        let manifest = Blob::json(manifest);
        self.put_manifest(&manifest.digest, media_type, &manifest.bytes).await?.is(&[201])?;
        Ok(manifest)
    }

    /// Pushes a manifest as a step of a case, under a tag.
    pub(crate) async fn push_tagged(&self, tag: &str, manifest: &Value) -> Result<Blob, Failure> {
        let manifest = Blob::json(manifest);
        self.put_manifest(tag, OCI_MANIFEST, &manifest.bytes).await?.is(&[201])?;
        Ok(manifest)
    }

    /// Pushes the blobs of a random image, but not its manifest.
    pub(crate) async fn push_parts(&self) -> Result<Image, Failure> {
        let image = Image::random();
        self.push_blob(&image.config).await?;
        self.push_blob(&image.layer).await?;
        Ok(image)
    }

    /// Pushes a random image under a tag.
    pub(crate) async fn push_image(&self, tag: &str) -> Result<Image, Failure> {
        let image = self.push_parts().await?;
        self.push_tagged(tag, &image.manifest_json()).await?;
        Ok(image)
    }

    /// Fails unless the blob can be pulled from a `Location`.
    pub(crate) async fn is_pullable(&self, location: &str, blob: &Blob) -> Result<(), Failure> {
        let answer = self.get(location).header("accept", ACCEPT_ALL).send().await?;
        answer.is(&[200])?;
        ensure!(answer.body == blob.bytes, "the bytes at {location} differ from the pushed bytes");
        Ok(())
    }

    /// The head of a request for `raw`, including the empty line; `headers` are whole lines.
    pub(crate) fn raw_head(&self, method: &str, target: &str, headers: &[&str]) -> String {
        use std::fmt::Write as _;

        let origin = self.registry.origin();
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {}\r\n", origin.authority());
        if let Some(authorization) = self.registry.authorization(origin) {
            let _ = write!(head, "Authorization: {authorization}\r\n");
        }
        for line in headers {
            head.push_str(line);
            head.push_str("\r\n");
        }
        head.push_str("\r\n");
        head
    }

    /// Writes bytes to a new connection.
    pub(crate) async fn raw(
        &self,
        bytes: impl Into<Bytes>,
        afterwards: Afterwards,
    ) -> Result<RawAnswer, Failure> {
        crate::raw::send(&self.registry, bytes.into(), afterwards).await
    }

    /// Path and query of a `Location`, for a raw request.
    pub(crate) fn raw_target(location: &str) -> String {
        crate::registry::Origin::split(location)
            .map_or_else(|| location.to_owned(), |(_, target)| target)
    }

    /// Fails unless the registry still answers.
    pub(crate) async fn still_answers(&self) -> Result<(), Failure> {
        self.get("/v2/").send().await?.is(&[200])
    }
}

/// Every manifest type that the suite pushes, in one header like a client's.
pub(crate) const ACCEPT_ALL: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json, */*";

/// Adds a query to a `Location`, which may already have one.
pub(crate) fn with_query(location: &str, query: &str) -> String {
    let joint = if location.contains('?') { '&' } else { '?' };
    format!("{location}{joint}{query}")
}
