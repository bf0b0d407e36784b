//! A soak test: many clients push and pull while the key is rotated, disabled and enabled, the vault fails, the clock jumps
//! and garbage collection runs. One seed determines all of it.
//!
//! Each answer is right to the byte, or a clean refusal, or a broken connection; never a short body that ends cleanly
//! and never a 500. All acknowledged content exists at the end, and verification finds no fault.
//!
//! `SEALYARD_SOAK_ROUNDS` sets the rounds, `SEALYARD_SOAK_SEED` repeats a run; the interleaving of the tasks still varies.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use azure_emulator_core::faults::{FaultKind, FaultRule};
use reqwest::{Method, RequestBuilder, StatusCode};
use sealyard::Sealyard;
use serde_json::{Value, json};

use crate::support::{Client, content};

const CLIENTS: u64 = 6;
const ROUNDS: u64 = 30;
/// The length of a sealed segment.
const SEGMENT: usize = 256 << 10;

/// Pseudorandom numbers from a seed (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound
    }

    /// An index into something of this length.
    fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap()
    }
}

/// The outcome of a request.
enum Outcome {
    Answered(StatusCode, Vec<u8>),
    /// A clean refusal (403 or 503) or a broken connection.
    NotNow,
    /// The content of an upload has this digest instead of the requested one.
    OtherDigest(String),
}

/// An acknowledged image.
#[derive(Clone)]
struct Image {
    repository: String,
    tag: String,
    manifest: Vec<u8>,
    /// Seed and length.
    layer: (u64, usize),
}

struct Worker {
    seed: u64,
    name: u64,
    client: Client,
    dice: Dice,
    images: Vec<Image>,
    tally: BTreeMap<&'static str, u64>,
}

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

impl Worker {
    async fn ask(&mut self, request: RequestBuilder) -> Outcome {
        let Ok(response) = request.send().await else {
            *self.tally.entry("broken").or_default() += 1;
            return Outcome::NotNow;
        };
        let status = response.status();
        let url = response.url().clone();
        let Ok(body) = response.bytes().await else {
            *self.tally.entry("broken").or_default() += 1;
            return Outcome::NotNow;
        };
        if status.is_success() {
            return Outcome::Answered(status, body.to_vec());
        }
        let reply: Value = serde_json::from_slice(&body).unwrap_or_default();
        let code = reply["errors"][0]["code"].as_str().or(reply["error"]["code"].as_str());
        match (status.as_u16(), code) {
            (403, Some("DENIED" | "KeyRefused")) => *self.tally.entry("denied").or_default() += 1,
            (503, Some("UNAVAILABLE" | "KeyRefused")) => {
                *self.tally.entry("unavailable").or_default() += 1;
            }
            // The key was revoked between two requests of an upload. The caller checks that only the tail is missing.
            (400, Some("DIGEST_INVALID")) => {
                *self.tally.entry("cut").or_default() += 1;
                let actual = &reply["errors"][0]["detail"]["actual"];
                return Outcome::OtherDigest(actual.as_str().unwrap().to_owned());
            }
            // A log expires after a day, and the clock jumps.
            (404, Some("RunNotFound")) => (),
            _ => panic!("seed {}: {url} answers {status} {reply}", self.seed),
        }
        Outcome::NotNow
    }

    /// Pushes a blob as docker does, and returns whether the push was acknowledged.
    async fn push_blob(&mut self, repository: &str, bytes: &[u8]) -> bool {
        let path = format!("/v2/{repository}/blobs/uploads/");
        let begun = match self.client.request(Method::POST, &path).send().await {
            Ok(response) if response.status() == StatusCode::ACCEPTED => response,
            Ok(response) => {
                let refused = response.status();
                assert!(matches!(refused.as_u16(), 403 | 503), "seed {}: {refused}", self.seed);
                return false;
            }
            Err(_) => return false,
        };
        let location = begun.headers()["location"].to_str().unwrap().to_owned();
        let half = bytes.len() / 2;
        let chunk = self.client.request(Method::PATCH, &location).body(bytes[..half].to_vec());
        let Outcome::Answered(..) = self.ask(chunk).await else { return false };
        let digest = content::digest(bytes);
        let last = self.client.request(Method::PUT, &format!("{location}?digest={digest}"));
        let answered = self.ask(last.body(bytes[half..].to_vec())).await;
        if let Outcome::OtherDigest(actual) = &answered {
            // The tail is in memory and is lost with the key, so the end of the first half is missing, after a whole number
            // of segments. No other bytes may be missing or added.
            let cut = (0..=half).step_by(SEGMENT).any(|kept| {
                *actual == content::digest(&[&bytes[..kept], &bytes[half..]].concat()).to_string()
            });
            assert!(cut, "seed {}: an upload became {actual}", self.seed);
        }
        matches!(answered, Outcome::Answered(StatusCode::CREATED, _))
    }

    async fn push_image(&mut self) {
        let layer = (self.dice.roll(), self.dice.index(700_000));
        let repository = format!("app{}", self.dice.below(3));
        let tag = format!("t{}-{}", self.name, self.images.len());
        let (bytes, config) = (content::bytes(layer.0, layer.1), format!("{{\"of\":\"{tag}\"}}"));
        if !self.push_blob(&repository, &bytes).await
            || !self.push_blob(&repository, config.as_bytes()).await
        {
            return;
        }
        let manifest = content::image(config.as_bytes(), &[&bytes]).to_string().into_bytes();
        let path = format!("/v2/{repository}/manifests/{tag}");
        let put = self.client.request(Method::PUT, &path).header("content-type", content::IMAGE);
        if let Outcome::Answered(..) = self.ask(put.body(manifest.clone())).await {
            self.images.push(Image { repository, tag, manifest, layer });
        }
    }

    /// Pulls an image, or a part of its layer, and returns whether all of it came.
    async fn pull(&mut self, image: &Image, whole: bool) -> bool {
        let seed = self.seed;
        let manifest = format!("/v2/{}/manifests/{}", image.repository, image.tag);
        let Outcome::Answered(_, found) =
            self.ask(self.client.request(Method::GET, &manifest)).await
        else {
            return false;
        };
        assert!(found == image.manifest, "seed {seed}: wrong manifest of {}", image.tag);
        let bytes = content::bytes(image.layer.0, image.layer.1);
        let blob = format!("/v2/{}/blobs/{}", image.repository, content::digest(&bytes));
        let mut get = self.client.request(Method::GET, &blob);
        let from = if whole || bytes.is_empty() { 0 } else { self.dice.index(bytes.len()) };
        if from > 0 {
            get = get.header("range", format!("bytes={from}-"));
        }
        let Outcome::Answered(_, found) = self.ask(get).await else { return false };
        assert!(
            found == bytes[from..],
            "seed {seed}: {} of {} bytes",
            found.len(),
            bytes.len() - from
        );
        true
    }

    async fn keep_and_read_a_log(&mut self) {
        let log = content::bytes(self.dice.roll(), 5_000);
        let runs = "/_sealyard/registries/local/runs";
        let post = self.client.request(Method::POST, runs).body(log.clone());
        let post = post.header("content-type", "application/octet-stream");
        let Outcome::Answered(_, run) = self.ask(post).await else { return };
        let run: Value = serde_json::from_slice(&run).unwrap();
        let path = format!("{runs}/{}/log", run["runId"].as_str().unwrap());
        if let Outcome::Answered(_, found) = self.ask(self.client.request(Method::GET, &path)).await
        {
            assert!(found == log, "seed {}: wrong log", self.seed);
        }
    }

    async fn work(mut self, rounds: u64) -> Self {
        for _ in 0..rounds {
            match self.dice.below(8) {
                0..3 => self.push_image().await,
                3 => self.keep_and_read_a_log().await,
                4 => {
                    let list = self.client.request(Method::GET, "/v2/_catalog");
                    self.ask(list).await;
                }
                _ if self.images.is_empty() => self.push_image().await,
                _ => {
                    let at = self.dice.index(self.images.len());
                    let image = self.images[at].clone();
                    let whole = self.dice.below(2) == 0;
                    self.pull(&image, whole).await;
                }
            }
        }
        self
    }
}

/// Disturbs the vault, the key and the clock at random until `over` is set, and then clears all faults.
async fn trouble(emulator: Arc<Sealyard>, mut dice: Dice, over: Arc<AtomicBool>) {
    let vault = emulator.vault().unwrap();
    let client = Client::of(&emulator);
    let rotate = json!({ "operation": "rotate", "wait": false });
    while !over.load(Ordering::Acquire) {
        tokio::time::sleep(Duration::from_millis(20 + dice.below(150))).await;
        let on = ["keys", "keys/unwrapKey", "issuer"][dice.index(3)];
        let kind = match dice.below(6) {
            0 => FaultKind::Outage,
            1 => FaultKind::Status { status: 429, retry_after: Some(1) },
            2 => FaultKind::Status { status: 500, retry_after: None },
            3 => FaultKind::Latency(Duration::from_millis(dice.below(200))),
            4 => FaultKind::Reset,
            _ => FaultKind::Cut,
        };
        match dice.below(8) {
            0 | 1 => {
                // Faults may refuse the rotation. The test checks only that no content is lost.
                client.send_json("/_sealyard/registries/local/key", &rotate).await;
            }
            2 => {
                let key = emulator.registry().key_ring().describe().versioned.unwrap();
                let version = key.version().map(ToString::to_string);
                let set = |enabled| {
                    vault.set_key_enabled("local", "registry-key", version.as_deref(), enabled)
                };
                set(false).await.unwrap();
                tokio::time::sleep(Duration::from_millis(50 + dice.below(400))).await;
                set(true).await.unwrap();
            }
            3 | 4 => {
                vault.add_fault(FaultRule::new(on, kind)).unwrap();
                tokio::time::sleep(Duration::from_millis(50 + dice.below(400))).await;
                vault.clear_faults();
            }
            5 => {
                let options = emulator.registry().collect_options();
                emulator.registry().collect(options).await.unwrap();
            }
            6 => emulator.advance(Duration::from_secs(dice.below(100))).await.unwrap(),
            _ => emulator.advance(Duration::from_secs(dice.below(30 * 3600))).await.unwrap(),
        }
    }
    vault.clear_faults();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn while_key_vault_and_clock_change_every_answer_is_right_or_a_refusal_and_nothing_is_lost() {
    let seed = from_environment("SEALYARD_SOAK_SEED").unwrap_or_else(rand::random);
    let rounds = from_environment("SEALYARD_SOAK_ROUNDS").unwrap_or(ROUNDS);
    let builder = Sealyard::builder().ephemeral().key_lease(Duration::from_millis(300));
    let emulator = Arc::new(builder.start().await.unwrap());
    let mut dice = Dice(seed);
    let over = Arc::new(AtomicBool::new(false));
    let mut ready = Vec::new();
    for name in 0..CLIENTS {
        let (client, dice) = (Client::of(&emulator), Dice(dice.roll()));
        let (images, tally) = (Vec::new(), BTreeMap::new());
        let mut worker = Worker { seed, name, client, dice, images, tally };
        // On a slow machine no push may succeed during the faults, so each worker pushes an image before.
        worker.push_image().await;
        assert_eq!(
            worker.images.len(),
            1,
            "seed {seed}: a push before the first fault was refused"
        );
        ready.push(worker);
    }
    let troubling =
        tokio::spawn(trouble(Arc::clone(&emulator), Dice(dice.roll()), Arc::clone(&over)));
    let workers: tokio::task::JoinSet<_> =
        ready.into_iter().map(|worker| worker.work(rounds)).collect();

    let workers = workers.join_all().await;
    over.store(true, Ordering::Release);
    troubling.await.unwrap();
    emulator.registry().key_ring().check().await;

    let status = emulator.registry().key_ring().status();
    assert_eq!(status.state.name(), "active", "seed {seed}: {status:?}");
    for mut worker in workers {
        for image in worker.images.clone() {
            // After a failed unwrap the registry waits for the time in the vault's `Retry-After` before it asks again.
            let mut looks = 0;
            while !worker.pull(&image, true).await {
                looks += 1;
                assert!(looks < 100, "seed {seed}: {} is lost: {:?}", image.tag, worker.tally);
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    emulator.registry().collect(emulator.registry().collect_options()).await.unwrap();
    let content = emulator.registry().content().await.unwrap();
    let verified = content.verify(false, |_| ()).await.unwrap();
    assert!(verified.findings.is_empty(), "seed {seed}: {verified:?}");
    assert!(0 < verified.manifests, "seed {seed}: no push succeeded");
}
