//! A small client of the registry for the tests.

use mock_keyvault::MockKeyVault;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use sealyard::Sealyard;
use serde_json::Value;

use super::content;

/// A client of one registry.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
}

/// An answer with its whole body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Client {
    pub(crate) fn of(emulator: &Sealyard) -> Self {
        Self::at(&emulator.registry_url())
    }

    pub(crate) fn at(base: &str) -> Self {
        sealyard::install_crypto_provider();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { http, base: base.trim_end_matches('/').to_owned() }
    }

    /// A client that sends this `Host` with every request.
    pub(crate) fn named(base: &str, host: &str) -> Self {
        sealyard::install_crypto_provider();
        let host = [(reqwest::header::HOST, host.parse().unwrap())].into_iter().collect();
        let http = reqwest::Client::builder().no_proxy().default_headers(host).build().unwrap();
        Self { http, base: base.trim_end_matches('/').to_owned() }
    }

    /// A client that trusts the certificates of a vault, for requests to other services than a registry.
    pub(crate) fn trusting(vault: &MockKeyVault) -> reqwest::Client {
        sealyard::install_crypto_provider();
        let authority = reqwest::Certificate::from_pem(vault.ca_pem().as_bytes()).unwrap();
        reqwest::Client::builder().no_proxy().add_root_certificate(authority).build().unwrap()
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path).send().await.unwrap()).await
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: impl Into<reqwest::Body>,
    ) -> Answer {
        Answer::of(self.request(method, path).body(body).send().await.unwrap()).await
    }

    pub(crate) async fn send_json(&self, path: &str, body: &Value) -> Answer {
        Answer::of(self.request(Method::POST, path).json(body).send().await.unwrap()).await
    }

    /// Begins an upload and returns its location.
    pub(crate) async fn begin(&self, repository: &str) -> String {
        let answer = self.send(Method::POST, &format!("/v2/{repository}/blobs/uploads/"), "").await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
        answer.header("location").to_owned()
    }

    /// Pushes a blob with the requests of docker: POST, PATCH and PUT.
    pub(crate) async fn push_blob(&self, repository: &str, bytes: &[u8]) -> Answer {
        let location = self.begin(repository).await;
        let answer = self.send(Method::PATCH, &location, bytes.to_vec()).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
        self.send(Method::PUT, &format!("{location}?digest={}", content::digest(bytes)), "").await
    }

    /// Pushes an image with a config and layers, and returns the bytes of its manifest.
    pub(crate) async fn push_image(
        &self,
        repository: &str,
        tag: &str,
        layers: &[&[u8]],
    ) -> Vec<u8> {
        let config = format!(
            "{{\"architecture\":\"amd64\",\"os\":\"linux\",\"comment\":\"{repository}:{tag}\"}}"
        );
        for blob in layers.iter().copied().chain([config.as_bytes()]) {
            let answer = self.push_blob(repository, blob).await;
            assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        }
        let manifest = content::image(config.as_bytes(), layers).to_string().into_bytes();
        let answer = self.put_manifest(repository, tag, &manifest).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        manifest
    }

    pub(crate) async fn put_manifest(
        &self,
        repository: &str,
        reference: &str,
        manifest: &[u8],
    ) -> Answer {
        let document: Value = serde_json::from_slice(manifest).unwrap();
        let media_type = document["mediaType"].as_str().unwrap_or(content::IMAGE);
        let request = self.request(Method::PUT, &format!("/v2/{repository}/manifests/{reference}"));
        Answer::of(
            request
                .header("content-type", media_type)
                .body(manifest.to_vec())
                .send()
                .await
                .unwrap(),
        )
        .await
    }

    pub(crate) async fn pull_blob(&self, repository: &str, bytes: &[u8]) -> Answer {
        self.get(&format!("/v2/{repository}/blobs/{}", content::digest(bytes))).await
    }

    /// Changes the key of `local` over the admin API and waits until the registry has noticed.
    pub(crate) async fn key(&self, operation: &str) -> Value {
        let body = serde_json::json!({ "operation": operation, "wait": true });
        let answer = self.send_json("/_sealyard/registries/local/key", &body).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.json()
    }
}

impl Answer {
    pub(crate) async fn of(response: Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await.unwrap().to_vec();
        Self { status, headers, body }
    }

    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .unwrap_or_else(|| panic!("no header {name} in {self:?}"))
            .to_str()
            .unwrap()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The code of the first error in the body.
    #[track_caller]
    pub(crate) fn code(&self) -> String {
        self.json()["errors"][0]["code"].as_str().unwrap().to_owned()
    }
}
