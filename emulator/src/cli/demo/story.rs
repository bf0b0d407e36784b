//! Performs the steps of the demo: each sends real requests and checks its claims.
//!
//! A step reports its result. If one of its claims is false, the demo ends, because the later steps depend on it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde_json::{Value, json};

use super::client::{Answer, Requests};
use super::image::Image;
use super::report::{Claims, StepReport};
use super::search::{Windows, files_below};
use super::step::Step;
use crate::cli::error::CliError;
use crate::cli::hints::{CommandLine, Hint, Hints};
use crate::cli::output::{bytes, count};
use crate::keys::REFUSAL_SENTENCE;
use crate::registry::{Algorithm, Digest};

/// The repository of the image.
const REPOSITORY: &str = "demo/hello";
const MANIFEST: &str = "/v2/demo/hello/manifests/1";
/// The registry that the demo creates.
pub(super) const REGISTRY: &str = "demoregistry";
const REGISTRIES: &str = "/_sealyard/registries";
const KEY: &str = "/_sealyard/registries/demoregistry/key";
const REVOKE: &str = "/_sealyard/registries/demoregistry/revoke";
const RESTORE: &str = "/_sealyard/registries/demoregistry/restore";

/// The demo on one emulator.
#[derive(Debug)]
pub(super) struct Story {
    requests: Requests,
    image: Image,
    data_dir: PathBuf,
    hints: Hints,
    /// The host and port before a repository in `docker pull`, once the registry is created.
    login_server: String,
}

impl Story {
    /// The demo on the emulator at `base`, whose data is in `data_dir`. The hints are for the program as it was called.
    pub(super) fn new(base: &str, data_dir: &Path, hints: &Hints) -> Result<Self, CliError> {
        Ok(Self {
            hints: hints.only_at(base),
            login_server: String::new(),
            requests: Requests::new(base)?,
            image: Image::make()?,
            data_dir: data_dir.to_owned(),
        })
    }

    /// Performs a step, and reports it.
    pub(super) async fn perform(&mut self, step: Step) -> Result<StepReport, CliError> {
        let mut claims = Claims::default();
        let result = match step {
            Step::Registry => self.registry(&mut claims).await,
            Step::Push => self.push(&mut claims).await,
            Step::Search => self.search(&mut claims).await,
            Step::Rotate => self.rotate(&mut claims).await,
            Step::Revoke => self.revoke(&mut claims).await,
            Step::Refused => self.refused(&mut claims).await,
            Step::Restore => self.restore(&mut claims).await,
            Step::Pull => self.pull(&mut claims).await,
        }?;
        for command in self.to_try(step) {
            claims.suggest(command);
        }
        Ok(claims.report(&step.heading(), self.requests.take_sent(), result))
    }

    /// Commands that show the same in another terminal, while the demo waits.
    fn to_try(&self, step: Step) -> Vec<String> {
        let registry = REGISTRY;
        let pull = || format!("docker pull {}/{REPOSITORY}:1", self.login_server);
        let line = |hint: Hint<'_>| self.hints.line(&hint);
        match step {
            Step::Registry => vec![line(Hint::Status)],
            Step::Push => vec![line(Hint::ImageList { registry })],
            Step::Search => {
                let files = self.data_dir.join("files");
                vec![format!("find {} -type f", CommandLine::default().arg(files))]
            }
            Step::Rotate => vec![line(Hint::KeyList { registry })],
            Step::Revoke => vec![line(Hint::Doctor)],
            Step::Refused => vec![pull(), line(Hint::Health { registry })],
            Step::Restore => vec![line(Hint::Health { registry })],
            Step::Pull => vec![pull()],
        }
    }

    async fn registry(&mut self, claims: &mut Claims) -> Result<String, CliError> {
        let answer = self.requests.post(REGISTRIES, &json!({ "name": REGISTRY })).await?;
        let reply = answer.json();
        let made = &reply["registry"];
        let (url, key) = (text(&made["url"]), text(&made["key"]["versionedKeyIdentifier"]));
        claims.check(answer.status == 201, format!("the creation is answered {}", answer.status));
        claims
            .check(made["state"] == "active", format!("the registry is {}", text(&made["state"])));
        claims.check(made["encryption"] == "enabled", "it has no customer-managed key");
        claims.check(
            made["key"]["keyRotationEnabled"] == true,
            "the registry does not rotate automatically",
        );
        claims.check(key.contains("/keys/"), "the registry has no key version in use");
        claims.check(!url.is_empty(), "the registry has no address");
        if !url.is_empty() {
            self.requests.use_registry(&url);
        }
        self.login_server = text(&made["loginServer"]);
        claims.detail("registry", self.login_server.as_str());
        claims.detail("key", text(&made["key"]["keyIdentifier"]));
        claims.detail("version", last_part(&key));
        claims.detail("identity", text(&made["userAssignedIdentities"][0]["name"]));
        claims.detail("data", self.data_dir.display().to_string());
        Ok("the registry is active, under a key in a vault".to_owned())
    }

    async fn push(&mut self, claims: &mut Claims) -> Result<String, CliError> {
        let image = self.image.clone();
        for blob in &image.blobs {
            let answer = self.requests.push(REPOSITORY, blob).await?;
            claims.check(
                answer.status == 201,
                format!("{} is answered {}", blob.what, answer.status),
            );
            claims.detail("blob", format!("{}, {}", blob.what, bytes(blob.bytes.len() as u64)));
            claims.detail("", blob.digest.as_str());
        }
        let answer = self.requests.put_manifest(MANIFEST, &image.manifest).await?;
        claims.check(answer.status == 201, format!("the manifest is answered {}", answer.status));
        let digest = Digest::of(Algorithm::Sha256, &image.manifest);
        claims.detail("manifest", digest.as_str());
        let sent = bytes(image.len() as u64);
        Ok(format!(
            "{sent} in {} are stored durably",
            count(image.blobs.len() as u64 + 1, "object")
        ))
    }

    async fn search(&mut self, claims: &mut Claims) -> Result<String, CliError> {
        let (image, folder) = (self.image.clone(), self.data_dir.clone());
        let work = tokio::task::spawn_blocking(move || {
            let windows = Windows::new(&image.secrets());
            let searched = windows.search(&folder)?;
            let control = image.secrets().iter().all(|secret| windows.occur_in(secret));
            Ok::<_, std::io::Error>((windows.count(), searched, control))
        });
        let (windows, searched, control) = work.await.map_err(std::io::Error::other)??;
        claims.check(control, "the search does not find the image in a plain copy");
        claims.check(searched.files > 0, "there is no file to search");
        claims.check(searched.hits.is_empty(), format!("found in {}", searched.hits.join(", ")));
        claims.detail("windows", format!("{windows} of 16 bytes each"));
        claims.detail(
            "searched",
            format!("{}, {}", count(searched.files, "file"), bytes(searched.bytes)),
        );
        claims.detail("found", format!("in {}", count(searched.hits.len() as u64, "file")));
        if control {
            claims.detail("control", "found in a plain copy, by the same search");
        }
        Ok("the disk reveals no part of the image".to_owned())
    }

    async fn rotate(&mut self, claims: &mut Claims) -> Result<String, CliError> {
        let before = self.sealed_files()?;
        let answer = self.requests.post(KEY, &json!({ "operation": "rotate" })).await?;
        let reply = answer.json();
        let after = self.sealed_files()?;
        let rotation = &reply["rotation"];
        let (from, to) = (last_part(&text(&rotation["from"])), last_part(&text(&rotation["to"])));
        claims.check(answer.status == 200, format!("the rotation is answered {}", answer.status));
        claims.check(!to.is_empty() && from != to, "the registry still uses the old version");
        claims.check(
            reply["state"] == "active",
            format!("the registry is {}", text(&reply["state"])),
        );
        claims.check(!before.is_empty() && before == after, "a sealed file was changed");
        claims.detail("from", from);
        claims.detail("to", to);
        let wrapped = count(rotation["dataKeys"].as_u64().unwrap_or_default(), "data key");
        let calls = count(rotation["vaultCalls"].as_u64().unwrap_or_default(), "vault call");
        claims.detail("rewrapped", format!("{wrapped} in {calls}"));
        claims.detail("unchanged", count(after.len() as u64, "sealed file"));
        Ok("a new version is in use, and no sealed file was changed".to_owned())
    }

    async fn revoke(&mut self, claims: &mut Claims) -> Result<String, CliError> {
        let answer = self.requests.post(REVOKE, &json!({ "by": "policy" })).await?;
        let reply = answer.json();
        claims.check(answer.status == 200, format!("the revocation is answered {}", answer.status));
        claims.check(
            reply["state"] == "unavailable",
            format!("the registry is {}", text(&reply["state"])),
        );
        claims.check(
            reply["cause"] == "policyRemoved",
            format!("the cause is {}", text(&reply["cause"])),
        );
        claims.detail("state", format!("{} ({})", text(&reply["state"]), text(&reply["cause"])));
        Ok("the registry has seen the change, and is unavailable".to_owned())
    }

    async fn refused(&mut self, claims: &mut Claims) -> Result<String, CliError> {
        let image = self.image.clone();
        let layer = format!("/v2/{REPOSITORY}/blobs/{}", image.blobs[1].digest);
        let push = self.requests.push(REPOSITORY, &image.blobs[0]).await?;
        let tags = self.requests.get(&format!("/v2/{REPOSITORY}/tags/list")).await?;
        let blob = self.requests.get(&layer).await?;
        let health = self.requests.get("/_sealyard/health").await?;
        let pull = self.requests.get(MANIFEST).await?;
        for (what, answer) in
            [("a push", &push), ("a tag list", &tags), ("a blob", &blob), ("a pull", &pull)]
        {
            let error = &answer.json()["errors"][0];
            let is_refused = answer.status == 403
                && error["code"] == "DENIED"
                && error["detail"]["cause"] == "policyRemoved"
                && text(&error["message"]).starts_with(REFUSAL_SENTENCE);
            claims.check(is_refused, format!("{what} is answered {}", answer.status));
        }
        claims.check(health.status == 200, format!("health is answered {}", health.status));
        let error = &pull.json()["errors"][0];
        claims.detail("client", status_line(&pull));
        claims.detail("code", text(&error["code"]));
        claims.detail("message", text(&error["message"]));
        claims.detail("cause", text(&error["detail"]["cause"]));
        claims.detail("health", status_line(&health));
        Ok("every read and every write is refused, with the cause".to_owned())
    }

    async fn restore(&mut self, claims: &mut Claims) -> Result<String, CliError> {
        let answer = self.requests.post(RESTORE, &json!({})).await?;
        let reply = answer.json();
        claims
            .check(answer.status == 200, format!("the restoration is answered {}", answer.status));
        claims.check(reply["restored"] == json!(["policy"]), "nothing was restored");
        claims.check(
            reply["state"] == "active",
            format!("the registry is {}", text(&reply["state"])),
        );
        claims.detail("state", text(&reply["state"]));
        Ok("the registry can use its key again".to_owned())
    }

    async fn pull(&mut self, claims: &mut Claims) -> Result<String, CliError> {
        let image = self.image.clone();
        let pulled = self.requests.get(MANIFEST).await?;
        if is_as_pushed(claims, "the manifest", &pulled, &image.manifest) {
            claims.detail("manifest", "identical");
        }
        for blob in &image.blobs {
            let path = format!("/v2/{REPOSITORY}/blobs/{}", blob.digest);
            let pulled = self.requests.get(&path).await?;
            if is_as_pushed(claims, blob.what, &pulled, &blob.bytes) {
                claims.detail("blob", format!("{}: identical", blob.what));
            }
        }
        Ok(format!("{} are identical to the pushed image", bytes(image.len() as u64)))
    }

    /// Every sealed file, with the digest of its content.
    fn sealed_files(&self) -> Result<BTreeMap<PathBuf, Digest>, CliError> {
        let mut found = BTreeMap::new();
        for path in files_below(&self.data_dir.join("files"))? {
            let digest = Digest::of(Algorithm::Sha256, &fs::read(&path)?);
            found.insert(path, digest);
        }
        Ok(found)
    }
}

/// Claims that the pulled content equals the pushed content, and returns whether it does.
fn is_as_pushed(claims: &mut Claims, what: &str, pulled: &Answer, pushed: &[u8]) -> bool {
    let is_same = pulled.body == pushed;
    claims.check(pulled.status == 200, format!("{what} is answered {}", pulled.status));
    claims.check(is_same, format!("{what} differs from the pushed one"));
    is_same
}

/// The status line, as a client prints it.
fn status_line(answer: &Answer) -> String {
    format!("HTTP/1.1 {}", answer.status)
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(String::new, str::to_owned)
}

fn last_part(identifier: &str) -> String {
    identifier.rsplit('/').next().unwrap_or_default().to_owned()
}
