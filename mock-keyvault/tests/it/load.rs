//! Many keys that are listed in pages, and many clients at once whose key changes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mock_keyvault::Curve;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::{RwLock, Semaphore};

use crate::support::{Answer, World, send};

/// So many keys that a list has hundreds of pages.
const KEYS: usize = 10_000;
const CLIENTS: u64 = 64;
const CHANGES: usize = 24;

/// The known state of the key, in the one task that changes it.
#[derive(Clone, Default)]
struct Known {
    deleted: bool,
    /// Each version: whether it is enabled, and a value that it wrapped.
    versions: BTreeMap<String, (bool, Vec<u8>)>,
}

impl Known {
    fn any(&self, random: &mut StdRng) -> String {
        let at = random.random_range(0..self.versions.len());
        self.versions.keys().nth(at).unwrap().clone()
    }
}

/// The data that all tasks share.
struct Shared {
    world: World,
    owner: String,
    identity: String,
    known: RwLock<Known>,
    /// Odd during a change. An answer that began and ended in one even epoch has exactly one right form.
    epoch: AtomicU64,
    answers: Semaphore,
    over: AtomicBool,
}

/// When a client ends early, this guard ends the wait for its answers.
struct Answering(Arc<Shared>);

impl Drop for Answering {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.answers.close();
        }
    }
}

impl Shared {
    async fn owner(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let answer = self.world.with_token(&self.owner, method, path, body).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
        answer.json()
    }

    async fn unwrap(&self, version: &str, wrapped: &[u8]) -> Answer {
        let body = json!({"alg": "RSA-OAEP-256", "value": URL_SAFE_NO_PAD.encode(wrapped)});
        let path = format!("/keys/k/{version}/unwrapkey");
        self.world.with_token(&self.identity, Method::POST, &path, Some(body)).await
    }

    /// Creates a version by this request. Returns the version and a value that it wrapped: its own id.
    async fn new_version(&self, path: &str, body: Option<Value>) -> (String, Vec<u8>) {
        let made = self.owner(Method::POST, path, body).await;
        let kid = made["key"]["kid"].as_str().unwrap();
        let version = kid.rsplit('/').next().unwrap().to_owned();
        let body = json!({"alg": "RSA-OAEP-256", "value": URL_SAFE_NO_PAD.encode(&version)});
        let path = format!("/keys/k/{version}/wrapkey");
        let wrapped = self.owner(Method::POST, &path, Some(body)).await;
        (version, URL_SAFE_NO_PAD.decode(wrapped["value"].as_str().unwrap()).unwrap())
    }

    async fn set_enabled(&self, version: &str, enabled: bool) {
        let body = json!({"attributes": {"enabled": enabled}});
        self.owner(Method::PATCH, &format!("/keys/k/{version}"), Some(body)).await;
    }

    /// Makes one change, and then waits for at least one answer for each client.
    async fn change(&self, known: &mut Known, random: &mut StdRng) {
        let version = known.any(random);
        self.epoch.fetch_add(1, Ordering::SeqCst);
        if known.deleted {
            self.owner(Method::POST, "/deletedkeys/k/recover", None).await;
            known.deleted = false;
        } else {
            match random.random_range(0..8) {
                0 => {
                    self.owner(Method::DELETE, "/keys/k", None).await;
                    known.deleted = true;
                }
                1 => {
                    let (version, wrapped) = self.new_version("/keys/k/rotate", None).await;
                    known.versions.insert(version, (true, wrapped));
                }
                _ => {
                    let (enabled, _) = known.versions.get_mut(&version).unwrap();
                    *enabled = !*enabled;
                    self.set_enabled(&version, *enabled).await;
                }
            }
        }
        *self.known.write().await = known.clone();
        self.epoch.fetch_add(1, Ordering::SeqCst);
        self.answers.forget_permits(self.answers.available_permits());
        let some = u32::try_from(CLIENTS).unwrap();
        self.answers.acquire_many(some).await.unwrap().forget();
    }

    /// Unwraps until the test ends. Returns how many requests succeeded and how many were refused.
    async fn client(&self, number: u64) -> (usize, usize) {
        let mut random = StdRng::seed_from_u64(number);
        let (mut unwrapped, mut refused) = (0, 0);
        while !self.over.load(Ordering::SeqCst) {
            let before = self.epoch.load(Ordering::SeqCst);
            let known = self.known.read().await.clone();
            let version = known.any(&mut random);
            let (enabled, wrapped) = &known.versions[&version];

            let answer = self.unwrap(&version, wrapped).await;

            let is_certain =
                before.is_multiple_of(2) && self.epoch.load(Ordering::SeqCst) == before;
            let found = match answer.status {
                StatusCode::OK => {
                    assert_eq!(answer.value(), version.as_bytes());
                    assert!(answer.field("kid").ends_with(&version));
                    (200, String::new())
                }
                _ => (answer.refusal().0, answer.refusal().1),
            };
            let expected = match (known.deleted, enabled) {
                (true, _) => (404, "KeyNotFound".to_owned()),
                (false, true) => (200, String::new()),
                (false, false) => (403, "Forbidden/KeyDisabled".to_owned()),
            };
            if is_certain {
                assert_eq!(found, expected, "{}", answer.text);
            } else {
                let kinds = [(404, "KeyNotFound"), (403, "Forbidden/KeyDisabled"), (200, "")];
                assert!(kinds.contains(&(found.0, &found.1)), "{}", answer.text);
            }
            if found.0 == 200 {
                unwrapped += 1;
            } else {
                refused += 1;
            }
            self.answers.add_permits(1);
        }
        (unwrapped, refused)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_clients_unwrap_while_the_key_changes_and_each_answer_is_right() {
    let world = World::new().await;
    let owner = world.token(world.vault.owner()).await;
    let identity = world.token(world.vault.managed_identity()).await;
    let shared = Arc::new(Shared {
        world,
        owner,
        identity,
        known: RwLock::default(),
        epoch: AtomicU64::new(0),
        answers: Semaphore::new(0),
        over: AtomicBool::new(false),
    });
    let mut known = Known::default();
    for _ in 0..3 {
        let (version, wrapped) =
            shared.new_version("/keys/k/create", Some(json!({"kty": "RSA"}))).await;
        known.versions.insert(version, (true, wrapped));
    }
    *shared.known.write().await = known.clone();

    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let answering = Answering(Arc::clone(&shared));
            tokio::spawn(async move { answering.0.client(number).await })
        })
        .collect();
    let mut random = StdRng::seed_from_u64(4);
    for _ in 0..CHANGES {
        shared.change(&mut known, &mut random).await;
    }
    shared.over.store(true, Ordering::SeqCst);
    let (mut unwrapped, mut refused) = (0, 0);
    for client in clients {
        let (more_unwrapped, more_refused) = client.await.unwrap();
        unwrapped += more_unwrapped;
        refused += more_refused;
    }

    assert!(unwrapped > 0 && refused > 0, "{unwrapped} unwrapped, {refused} refused");
    if known.deleted {
        shared.owner(Method::POST, "/deletedkeys/k/recover", None).await;
    }
    let listed = shared.owner(Method::GET, "/keys/k/versions", None).await;
    assert_eq!(listed["value"].as_array().unwrap().len(), known.versions.len());
    for (version, (_, wrapped)) in &known.versions {
        shared.set_enabled(version, true).await;
        assert_eq!(shared.unwrap(version, wrapped).await.value(), version.as_bytes());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_keys_are_listed_page_by_page_each_once_and_in_order() {
    // An ephemeral vault syncs nothing, and a key on a curve needs no primes: creating many is cheap.
    let world = World::new().await;
    for number in 0..KEYS {
        // Names whose order differs from the order of creation.
        let name = format!("key-{}", number * 7919 % KEYS);
        world.vault.create_ec_key("local", &name, Curve::P256).await.unwrap();
    }
    let token = world.token(world.vault.owner()).await;

    let (mut listed, mut pages) = (Vec::new(), 0);
    let mut next = Some(world.url("/keys?maxresults=25"));
    while let Some(url) = next {
        let answer = send(world.http.get(url).bearer_auth(&token)).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        let page = answer.json();
        let items = page["value"].as_array().unwrap();
        assert!(items.len() <= 25);
        listed.extend(items.iter().map(|item| item["kid"].as_str().unwrap().to_owned()));
        next = page["nextLink"].as_str().map(str::to_owned);
        pages += 1;
    }

    let mut expected: Vec<String> =
        (0..KEYS).map(|number| format!("{}/keys/key-{number}", world.vault.uri())).collect();
    expected.sort();
    assert_eq!(listed, expected);
    assert_eq!(pages, KEYS.div_ceil(25));
}
