//! The steps of the stories: requests of a client, and their effects if they succeed.

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use super::facts::{Facts, Right, State, Thing};
use crate::support::{Client, content};

/// A change that a client asks for.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// A blob in one request.
    Push(Vec<u8>),
    /// A blob in chunks of this length.
    PushChunks(Vec<u8>, usize),
    /// A manifest under this tag.
    Tag(&'static str, Vec<u8>),
    /// The deletion of a tag or, by its digest, of a manifest.
    Delete(Thing, Vec<Thing>),
    Rotate,
    CreateRegistry(&'static str),
    Reset,
    /// The collection of everything that no tag reaches, which is these things.
    Collect(Vec<Thing>),
}

/// The answer to a step.
#[derive(Debug)]
pub(super) enum Reply {
    Done,
    /// The status and the body of a refusal.
    Refused(StatusCode, String),
    /// The connection ended.
    Broken(String),
}

/// An answer with its whole body.
pub(super) async fn ask(request: RequestBuilder) -> Result<(StatusCode, String, Vec<u8>), String> {
    let words = |error: reqwest::Error| format!("{error:?}");
    let answer = request.send().await.map_err(words)?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let location = headers.get("location").and_then(|value| value.to_str().ok());
    let location = location.unwrap_or_default().to_owned();
    Ok((status, location, answer.bytes().await.map_err(words)?.to_vec()))
}

impl Step {
    /// The beginning of its description, without its content.
    pub(super) fn name(&self) -> String {
        format!("{self:?}").chars().take_while(|letter| letter.is_alphanumeric()).collect()
    }

    /// Asks for the change.
    pub(super) async fn run(&self, client: &Client) -> Reply {
        match self.ask(client).await {
            Ok((status, _, _)) if status.is_success() => Reply::Done,
            Ok((status, _, body)) => {
                Reply::Refused(status, String::from_utf8_lossy(&body).into_owned())
            }
            Err(broken) => Reply::Broken(broken),
        }
    }

    async fn ask(&self, client: &Client) -> Result<(StatusCode, String, Vec<u8>), String> {
        let request = |method, path: &str| client.request(method, path);
        let json_of = |path: &str, body: Value| client.request(Method::POST, path).json(&body);
        match self {
            Self::Push(bytes) => {
                let path = format!("/v2/app/blobs/uploads/?digest={}", content::digest(bytes));
                ask(request(Method::POST, &path).body(bytes.clone())).await
            }
            Self::PushChunks(bytes, len) => {
                let mut answer = ask(request(Method::POST, "/v2/app/blobs/uploads/")).await?;
                for chunk in bytes.chunks(*len) {
                    if !answer.0.is_success() {
                        return Ok(answer);
                    }
                    let location = answer.1;
                    answer = ask(request(Method::PATCH, &location).body(chunk.to_vec())).await?;
                }
                if !answer.0.is_success() {
                    return Ok(answer);
                }
                let path = format!("{}?digest={}", answer.1, content::digest(bytes));
                ask(request(Method::PUT, &path)).await
            }
            Self::Tag(tag, manifest) => {
                let request = request(Method::PUT, &format!("/v2/app/manifests/{tag}"));
                ask(request.header("content-type", content::IMAGE).body(manifest.clone())).await
            }
            Self::Delete(thing, _) => {
                let path = match thing {
                    Thing::Blob(digest) => format!("/v2/app/blobs/{digest}"),
                    Thing::Manifest(reference) => format!("/v2/app/manifests/{reference}"),
                    other => panic!("no step deletes {other:?}"),
                };
                ask(request(Method::DELETE, &path)).await
            }
            Self::Rotate => {
                let body = json!({ "operation": "rotate", "wait": true });
                ask(json_of("/_sealyard/registries/local/key", body)).await
            }
            Self::CreateRegistry(name) => {
                ask(json_of("/_sealyard/registries", json!({ "name": name }))).await
            }
            Self::Reset => ask(json_of("/_sealyard/reset", json!({}))).await,
            Self::Collect(_) => {
                let body = json!({ "now": true, "untagged": true });
                ask(json_of("/_sealyard/registries/local/gc", body)).await
            }
        }
    }

    fn effects(&self, facts: &Facts) -> Vec<(Thing, State)> {
        match self {
            Self::Push(bytes) | Self::PushChunks(bytes, _) => {
                vec![(Thing::blob(bytes), Some(bytes.clone()))]
            }
            Self::Tag(tag, bytes) => {
                let tag = Thing::Manifest((*tag).to_owned());
                vec![(tag, Some(bytes.clone())), (Thing::by_digest(bytes), Some(bytes.clone()))]
            }
            Self::Delete(thing, more) => {
                more.iter().chain([thing]).map(|thing| (thing.clone(), None)).collect()
            }
            Self::CreateRegistry(name) => {
                vec![(Thing::Registry((*name).to_owned()), Some(Vec::new()))]
            }
            Self::Reset => {
                let local = Thing::Registry("local".to_owned());
                let all =
                    facts.0.keys().filter(|thing| **thing != Thing::KeyVersion && **thing != local);
                all.map(|thing| (thing.clone(), None)).collect()
            }
            Self::Collect(things) => things.iter().map(|thing| (thing.clone(), None)).collect(),
            Self::Rotate => Vec::new(),
        }
    }

    fn changes_key(&self) -> bool {
        matches!(self, Self::Rotate | Self::Reset)
    }

    /// The change was asked for, and may be made.
    pub(super) fn begun(&self, facts: &mut Facts) {
        for (thing, state) in self.effects(facts) {
            facts.may_be(thing, state);
        }
        if self.changes_key() {
            facts.0.insert(Thing::KeyVersion, Right::Any);
        }
    }

    /// The client was told that the change is made.
    pub(super) async fn done(&self, facts: &mut Facts, client: &Client) {
        for (thing, state) in self.effects(facts) {
            facts.told(thing, state);
        }
        if self.changes_key()
            && let Ok(Some(version)) = look(client, &Thing::KeyVersion).await
        {
            facts.told(Thing::KeyVersion, Some(version));
        }
    }
}

/// The state of a thing, or the refusal to show it.
pub(super) async fn look(client: &Client, thing: &Thing) -> Result<State, String> {
    let path = match thing {
        Thing::Blob(digest) => format!("/v2/app/blobs/{digest}"),
        Thing::Manifest(reference) => format!("/v2/app/manifests/{reference}"),
        Thing::Registry(_) | Thing::KeyVersion => "/_sealyard/status".to_owned(),
    };
    let (status, _, body) = ask(client.request(Method::GET, &path)).await?;
    let refused = || format!("{status} {}", String::from_utf8_lossy(&body));
    match thing {
        Thing::Blob(_) | Thing::Manifest(_) => match status {
            StatusCode::OK => Ok(Some(body)),
            StatusCode::NOT_FOUND if refused().contains("\"cause\"") => Err(refused()),
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(refused()),
        },
        Thing::Registry(name) => {
            let status: Value = serde_json::from_slice(&body).map_err(|_| refused())?;
            let registries = status["registries"].as_array().ok_or_else(refused)?;
            let found = registries.iter().find(|one| one["name"] == name.as_str());
            match found.map(|found| &found["state"]) {
                None => Ok(None),
                Some(state) if state == "active" || state == "checking" => Ok(Some(Vec::new())),
                Some(_) => Err(found.unwrap().to_string()),
            }
        }
        Thing::KeyVersion => {
            let status: Value = serde_json::from_slice(&body).map_err(|_| refused())?;
            let version = &status["registries"][0]["key"]["versionedKeyIdentifier"];
            let version = version.as_str().ok_or_else(refused)?;
            Ok(version.rsplit('/').next().map(|version| version.as_bytes().to_vec()))
        }
    }
}
