//! The story: its steps in their order, each of real requests, and each of its claims checked.
//!
//! A step tells what happened. If a claim of it does not hold the story is not told on: what follows would stand on
//! nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde_json::{Value, json};

use super::client::{Answer, Requests};
use super::image::Image;
use super::search::{Windows, files_below};
use super::told::{Claims, Heading, Told};
use crate::cli::error::CliError;
use crate::cli::hints::{CommandLine, Hint, Hints};
use crate::cli::output::{bytes, count};
use crate::keys::REFUSAL_SENTENCE;
use crate::registry::{Algorithm, Digest};

/// Where the image goes.
const REPOSITORY: &str = "demo/hello";
const MANIFEST: &str = "/v2/demo/hello/manifests/1";
/// The registry that is made for the story.
pub(super) const REGISTRY: &str = "demoregistry";
const REGISTRIES: &str = "/_sealyard/registries";
const KEY: &str = "/_sealyard/registries/demoregistry/key";
const REVOKE: &str = "/_sealyard/registries/demoregistry/revoke";
const RESTORE: &str = "/_sealyard/registries/demoregistry/restore";

/// The steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Registry,
    Push,
    Search,
    Rotate,
    Revoke,
    Refused,
    Restore,
    Pull,
}

/// The story of one emulator.
#[derive(Debug)]
pub(super) struct Story {
    requests: Requests,
    image: Image,
    data_dir: PathBuf,
    hints: Hints,
    /// What goes before a repository in `docker pull`, once the registry is made.
    login_server: String,
}

impl Step {
    /// All of them, in their order.
    pub(super) const ALL: [Self; 8] = [
        Self::Registry,
        Self::Push,
        Self::Search,
        Self::Rotate,
        Self::Revoke,
        Self::Refused,
        Self::Restore,
        Self::Pull,
    ];

    pub(super) fn heading(self) -> Heading {
        let (step, title, words) = match self {
            Self::Registry => (
                "registry",
                "Make a registry with a key of its own",
                "An emulator was started for this story, in a folder that is gone at the end. A registry is made in it, with a customer-managed key: an RSA key that never leaves its vault, and an identity that is let use it.",
            ),
            Self::Push => (
                "push",
                "Push an image",
                "A real OCI image: a config, two gzipped layers, a manifest. What arrives is sealed under AES data keys before it meets the disk; the vault's key wraps those.",
            ),
            Self::Search => (
                "search",
                "Search the disk for it, in vain",
                "Every file of the data folder is searched for every window of 16 bytes of what was pushed, compressed and plain. The same search is tried on a plain copy, to see that it finds what is there.",
            ),
            Self::Rotate => (
                "rotate",
                "Rotate the key",
                "The vault makes a new version of the key. The data keys are wrapped anew, and the image is not touched: a rotation takes as long with a million images as with one.",
            ),
            Self::Revoke => (
                "revoke",
                "Take the key away",
                "The owner removes the registry's access policy from the vault. Nothing happens to the registry itself: it just is not let use the key any more.",
            ),
            Self::Refused => (
                "refused",
                "What clients see now",
                "Pulls and pushes are refused, for everybody. Some clients print the bare status, so the cause is told beside it. The emulator itself is well, and says why it refuses.",
            ),
            Self::Restore => (
                "restore",
                "Give the key back",
                "The policy is put back exactly as it was. The registry asks the vault, and opens.",
            ),
            Self::Pull => (
                "pull",
                "Pull it, and compare",
                "Everything is back. Each part is pulled and compared with what was pushed.",
            ),
        };
        Heading { step, title, words }
    }
}

impl Story {
    /// The story of the emulator at `base`, whose data is in `data_dir`. The hints are for the program as it was called.
    pub(super) fn of(base: &str, data_dir: &Path, hints: &Hints) -> Result<Self, CliError> {
        Ok(Self {
            hints: hints.only_at(base),
            login_server: String::new(),
            requests: Requests::to(base)?,
            image: Image::make()?,
            data_dir: data_dir.to_owned(),
        })
    }

    /// Takes a step, and tells it.
    pub(super) async fn take(&mut self, step: Step) -> Result<Told, CliError> {
        let mut claims = Claims::default();
        let shows = match step {
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
            claims.invite(command);
        }
        Ok(claims.told(&step.heading(), self.requests.take_asked(), shows))
    }

    /// What shows the same in another terminal, while the story waits.
    fn to_try(&self, step: Step) -> Vec<String> {
        let registry = REGISTRY;
        let pull = || format!("docker pull {}/{REPOSITORY}:1", self.login_server);
        let of = |hint: Hint<'_>| self.hints.line(&hint);
        match step {
            Step::Registry => vec![of(Hint::Status)],
            Step::Push => vec![of(Hint::ImageList { registry })],
            Step::Search => {
                let files = self.data_dir.join("files");
                vec![format!("find {} -type f", CommandLine::default().word(files))]
            }
            Step::Rotate => vec![of(Hint::KeyList { registry })],
            Step::Revoke => vec![of(Hint::Doctor)],
            Step::Refused => vec![pull(), of(Hint::Health { registry })],
            Step::Restore => vec![of(Hint::Health { registry })],
            Step::Pull => vec![pull()],
        }
    }

    async fn registry(&mut self, claims: &mut Claims) -> Result<String, CliError> {
        let answer = self.requests.post(REGISTRIES, &json!({ "name": REGISTRY })).await?;
        let reply = answer.json();
        let made = &reply["registry"];
        let (url, key) = (text(&made["url"]), text(&made["key"]["versionedKeyIdentifier"]));
        claims.that(answer.status == 201, format!("the creation is answered {}", answer.status));
        claims.that(made["state"] == "active", format!("the registry is {}", text(&made["state"])));
        claims.that(made["encryption"] == "enabled", "it has no customer-managed key");
        claims.that(
            made["key"]["keyRotationEnabled"] == true,
            "new versions are not taken by themselves",
        );
        claims.that(key.contains("/keys/"), "the registry has no key version in use");
        claims.that(!url.is_empty(), "the registry listens nowhere");
        if !url.is_empty() {
            self.requests.use_registry(&url);
        }
        self.login_server = text(&made["loginServer"]);
        claims.see("registry", self.login_server.as_str());
        claims.see("key", text(&made["key"]["keyIdentifier"]));
        claims.see("version", last_part(&key));
        claims.see("identity", text(&made["userAssignedIdentities"][0]["name"]));
        claims.see("data", self.data_dir.display().to_string());
        Ok("the registry is active, under a key in a vault".to_owned())
    }

    async fn push(&mut self, claims: &mut Claims) -> Result<String, CliError> {
        let image = self.image.clone();
        for blob in &image.blobs {
            let answer = self.requests.push(REPOSITORY, blob).await?;
            claims
                .that(answer.status == 201, format!("{} is answered {}", blob.what, answer.status));
            claims.see("blob", format!("{}, {}", blob.what, bytes(blob.bytes.len() as u64)));
            claims.see("", blob.digest.as_str());
        }
        let answer = self.requests.put_manifest(MANIFEST, &image.manifest).await?;
        claims.that(answer.status == 201, format!("the manifest is answered {}", answer.status));
        let digest = Digest::of(Algorithm::Sha256, &image.manifest);
        claims.see("manifest", digest.as_str());
        let sent = bytes(image.len() as u64);
        Ok(format!(
            "{sent} in {} are stored, and durable",
            count(image.blobs.len() as u64 + 1, "object")
        ))
    }

    async fn search(&mut self, claims: &mut Claims) -> Result<String, CliError> {
        let (image, folder) = (self.image.clone(), self.data_dir.clone());
        let work = tokio::task::spawn_blocking(move || {
            let windows = Windows::of(&image.secrets());
            let searched = windows.search(&folder)?;
            let control = image.secrets().iter().all(|secret| windows.are_in(secret));
            Ok::<_, std::io::Error>((windows.count(), searched, control))
        });
        let (windows, searched, control) = work.await.map_err(std::io::Error::other)??;
        claims.that(control, "the search does not find what is plainly there");
        claims.that(searched.files > 0, "there is no file to search");
        claims.that(searched.hits.is_empty(), format!("found in {}", searched.hits.join(", ")));
        claims.see("windows", format!("{windows} of 16 bytes each"));
        claims.see(
            "searched",
            format!("{}, {}", count(searched.files, "file"), bytes(searched.bytes)),
        );
        claims.see("found", format!("in {}", count(searched.hits.len() as u64, "file")));
        if control {
            claims.see("control", "found in a plain copy, by the same search");
        }
        Ok("nothing that was pushed can be read from the disk".to_owned())
    }

    async fn rotate(&mut self, claims: &mut Claims) -> Result<String, CliError> {
        let before = self.sealed_files()?;
        let answer = self.requests.post(KEY, &json!({ "operation": "rotate" })).await?;
        let reply = answer.json();
        let after = self.sealed_files()?;
        let rotation = &reply["rotation"];
        let (from, to) = (last_part(&text(&rotation["from"])), last_part(&text(&rotation["to"])));
        claims.that(answer.status == 200, format!("the rotation is answered {}", answer.status));
        claims.that(!to.is_empty() && from != to, "the version in use is the old one still");
        claims
            .that(reply["state"] == "active", format!("the registry is {}", text(&reply["state"])));
        claims.that(!before.is_empty() && before == after, "a sealed file was touched");
        claims.see("from", from);
        claims.see("to", to);
        let wrapped = count(rotation["dataKeys"].as_u64().unwrap_or_default(), "data key");
        let calls = count(rotation["vaultCalls"].as_u64().unwrap_or_default(), "vault call");
        claims.see("rewrapped", format!("{wrapped} in {calls}"));
        claims.see("untouched", count(after.len() as u64, "sealed file"));
        Ok("a new version is in use, and no sealed file was touched".to_owned())
    }

    async fn revoke(&mut self, claims: &mut Claims) -> Result<String, CliError> {
        let answer = self.requests.post(REVOKE, &json!({ "by": "policy" })).await?;
        let reply = answer.json();
        claims.that(answer.status == 200, format!("the revocation is answered {}", answer.status));
        claims.that(
            reply["state"] == "unavailable",
            format!("the registry is {}", text(&reply["state"])),
        );
        claims.that(
            reply["cause"] == "policyRemoved",
            format!("the cause is {}", text(&reply["cause"])),
        );
        claims.see("state", format!("{} ({})", text(&reply["state"]), text(&reply["cause"])));
        Ok("the registry has seen it, and goes dark".to_owned())
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
            claims.that(is_refused, format!("{what} is answered {}", answer.status));
        }
        claims.that(health.status == 200, format!("health is answered {}", health.status));
        let error = &pull.json()["errors"][0];
        claims.see("client", status_line(&pull));
        claims.see("code", text(&error["code"]));
        claims.see("message", text(&error["message"]));
        claims.see("cause", text(&error["detail"]["cause"]));
        claims.see("health", status_line(&health));
        Ok("every read and every write is refused, and the cause is told".to_owned())
    }

    async fn restore(&mut self, claims: &mut Claims) -> Result<String, CliError> {
        let answer = self.requests.post(RESTORE, &json!({})).await?;
        let reply = answer.json();
        claims.that(answer.status == 200, format!("the restoration is answered {}", answer.status));
        claims.that(reply["restored"] == json!(["policy"]), "nothing was given back");
        claims
            .that(reply["state"] == "active", format!("the registry is {}", text(&reply["state"])));
        claims.see("state", text(&reply["state"]));
        Ok("the registry has its key again".to_owned())
    }

    async fn pull(&mut self, claims: &mut Claims) -> Result<String, CliError> {
        let image = self.image.clone();
        let pulled = self.requests.get(MANIFEST).await?;
        if is_as_pushed(claims, "the manifest", &pulled, &image.manifest) {
            claims.see("manifest", "the same, to the byte");
        }
        for blob in &image.blobs {
            let path = format!("/v2/{REPOSITORY}/blobs/{}", blob.digest);
            let pulled = self.requests.get(&path).await?;
            if is_as_pushed(claims, blob.what, &pulled, &blob.bytes) {
                claims.see("blob", format!("{}: the same, to the byte", blob.what));
            }
        }
        Ok(format!("{} came back as they were", bytes(image.len() as u64)))
    }

    /// Every sealed file, with the digest of what is in it.
    fn sealed_files(&self) -> Result<BTreeMap<PathBuf, Digest>, CliError> {
        let mut found = BTreeMap::new();
        for path in files_below(&self.data_dir.join("files"))? {
            let digest = Digest::of(Algorithm::Sha256, &fs::read(&path)?);
            found.insert(path, digest);
        }
        Ok(found)
    }
}

/// Claims that what was pulled is what was pushed, and says whether it is.
fn is_as_pushed(claims: &mut Claims, what: &str, pulled: &Answer, pushed: &[u8]) -> bool {
    let is_same = pulled.body == pushed;
    claims.that(pulled.status == 200, format!("{what} is answered {}", pulled.status));
    claims.that(is_same, format!("{what} is another one"));
    is_same
}

/// As a client prints it.
fn status_line(answer: &Answer) -> String {
    format!("HTTP/1.1 {}", answer.status)
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(String::new, str::to_owned)
}

fn last_part(identifier: &str) -> String {
    identifier.rsplit('/').next().unwrap_or_default().to_owned()
}
