//! Kills the program while clients change keys: acknowledged changes survive, and no partial change is visible.
//!
//! Each round starts the program over the same folder, lets clients work until it is killed at a random moment that a seed
//! determines, starts it again and compares the stored keys with the answers that the clients got. A change without an answer may
//! have happened or not, but never in part.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use azure_emulator_core::identity::{OWNER_CLIENT_ID, TENANT, WELL_KNOWN_SECRET};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::jwk;
use crate::program::Running;
use crate::support::client;

const ROUNDS: u64 = 6;
const CLIENTS: u64 = 4;

/// The permitted values: one value if an answer came, two if none did.
type Seen<T> = Vec<T>;

/// An acknowledged version.
#[derive(Debug)]
struct Version {
    modulus: String,
    tag: Seen<Option<String>>,
    enabled: Seen<bool>,
    /// A value that the version wrapped: its own id.
    wrapped: Option<String>,
}

/// A key of one client. No other client touches it.
#[derive(Debug)]
struct Key {
    name: String,
    deleted: Seen<bool>,
    versions: BTreeMap<String, Version>,
    /// Whether a new version was requested and no answer came.
    unanswered: bool,
}

/// The program and a client with every permission.
struct World {
    program: Running,
    http: reqwest::Client,
    token: String,
    url: String,
    /// Requests so far, by all clients.
    sent: AtomicUsize,
}

/// The program has ended.
struct Gone;

impl World {
    async fn start(folder: &Path) -> Self {
        let program = Running::start(folder, &[]);
        let endpoints = program.endpoints();
        let ca = std::fs::read_to_string(endpoints["ca"].as_str().unwrap()).unwrap();
        let http = client(&ca);
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", OWNER_CLIENT_ID),
            ("client_secret", WELL_KNOWN_SECRET),
            ("scope", "https://vault.azure.net/.default"),
        ];
        let login = format!("{}/{TENANT}/oauth2/v2.0/token", endpoints["login"].as_str().unwrap());
        let answer: Value =
            http.post(login).form(&form).send().await.unwrap().json().await.unwrap();
        let token = answer["access_token"].as_str().unwrap().to_owned();
        let url = endpoints["vault"].as_str().unwrap().to_owned();
        Self { program, http, token, url, sent: AtomicUsize::new(0) }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<(StatusCode, Value), Gone> {
        let url = format!("{}{path}?api-version=7.4", self.url);
        let request = self.http.request(method, url).bearer_auth(&self.token);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        self.sent.fetch_add(1, Ordering::SeqCst);
        let answer = request.send().await.map_err(|_| Gone)?;
        let status = answer.status();
        Ok((status, answer.json().await.map_err(|_| Gone)?))
    }

    /// A request that must be answered with 200.
    async fn done(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, Gone> {
        let (status, answer) = self.send(method, path, body).await?;
        assert_eq!(status, StatusCode::OK, "{path}: {answer}");
        Ok(answer)
    }

    async fn wrap(&self, at: &str, operation: &str, value: &str) -> Result<String, Gone> {
        let body = json!({"alg": "RSA-OAEP-256", "value": value});
        let answer = self.done(Method::POST, &format!("{at}/{operation}"), Some(body)).await?;
        Ok(answer["value"].as_str().unwrap().to_owned())
    }
}

/// Works on its own keys until the program has ended.
async fn work(
    world: &World,
    keys: &mut Vec<Key>,
    who: u64,
    random: &mut StdRng,
) -> Result<(), Gone> {
    loop {
        let of_all = keys.len();
        let live: Vec<usize> = (0..of_all).filter(|at| keys[*at].deleted == [false]).collect();
        let choice = random.random_range(0..10);
        let at = match live.choose(random) {
            Some(at) if choice > 1 => *at,
            _ => {
                keys.push(Key {
                    name: format!("c{who}-{of_all}"),
                    deleted: vec![false],
                    versions: BTreeMap::new(),
                    unanswered: false,
                });
                of_all
            }
        };
        let key = &mut keys[at];
        if key.versions.is_empty() || choice == 2 {
            new_version(world, key, random).await?;
        } else if choice == 3 {
            change_deletion(world, key).await?;
        } else {
            change_version(world, key, random).await?;
        }
    }
}

/// Creates a version with one of the three operations.
async fn new_version(world: &World, key: &mut Key, random: &mut StdRng) -> Result<(), Gone> {
    let path = format!("/keys/{}", key.name);
    key.unanswered = true;
    let made = match random.random_range(0..3) {
        0 if !key.versions.is_empty() => {
            world.done(Method::POST, &format!("{path}/rotate"), None).await?
        }
        1 => world.done(Method::PUT, &path, Some(json!({"key": jwk::rsa(2048)}))).await?,
        _ => {
            let body = json!({"kty": "RSA"});
            world.done(Method::POST, &format!("{path}/create"), Some(body)).await?
        }
    };
    key.unanswered = false;
    let (id, version) = version_of(&made);
    let at = format!("{path}/{id}");
    let version = key.versions.entry(id.clone()).or_insert(version);
    version.wrapped = Some(world.wrap(&at, "wrapkey", &id).await?);
    Ok(())
}

async fn change_version(world: &World, key: &mut Key, random: &mut StdRng) -> Result<(), Gone> {
    let at = random.random_range(0..key.versions.len());
    let id = key.versions.keys().nth(at).unwrap().clone();
    let version = key.versions.get_mut(&id).unwrap();
    let (tag, enabled) = (format!("{:x}", random.random::<u64>()), random.random_range(0..4) > 0);
    version.tag.push(Some(tag.clone()));
    version.enabled.push(enabled);
    let body = json!({"tags": {"t": tag}, "attributes": {"enabled": enabled}});
    world.done(Method::PATCH, &format!("/keys/{}/{id}", key.name), Some(body)).await?;
    (version.tag, version.enabled) = (vec![Some(tag)], vec![enabled]);
    Ok(())
}

async fn change_deletion(world: &World, key: &mut Key) -> Result<(), Gone> {
    key.deleted = vec![false, true];
    world.done(Method::DELETE, &format!("/keys/{}", key.name), None).await?;
    key.deleted = vec![true, false];
    let path = format!("/deletedkeys/{}/recover", key.name);
    world.done(Method::POST, &path, None).await?;
    key.deleted = vec![false];
    Ok(())
}

fn version_of(bundle: &Value) -> (String, Version) {
    let id = bundle["key"]["kid"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let version = Version {
        modulus: bundle["key"]["n"].as_str().unwrap().to_owned(),
        tag: vec![bundle["tags"]["t"].as_str().map(str::to_owned)],
        enabled: vec![bundle["attributes"]["enabled"].as_bool().unwrap()],
        wrapped: None,
    };
    (id, version)
}

/// Compares a key with the answers that its client got, and continues with the found values.
async fn compare(world: &World, key: &mut Key) -> Result<(), Gone> {
    let path = format!("/keys/{}", key.name);
    let deleted_path = format!("/deletedkeys/{}", key.name);
    let (live, _) = world.send(Method::GET, &path, None).await?;
    let (deleted, _) = world.send(Method::GET, &deleted_path, None).await?;
    if key.versions.is_empty() && live == StatusCode::NOT_FOUND {
        assert_eq!(deleted, StatusCode::NOT_FOUND);
        return Ok(());
    }
    let is_deleted = match (live, deleted) {
        (StatusCode::OK, StatusCode::NOT_FOUND) => false,
        (StatusCode::NOT_FOUND, StatusCode::OK) => true,
        both => panic!("{}: live and deleted are {both:?}", key.name),
    };
    assert!(key.deleted.contains(&is_deleted), "{key:?}");
    if is_deleted {
        world.done(Method::POST, &format!("{deleted_path}/recover"), None).await?;
    }
    key.deleted = vec![false];
    let listed = world.done(Method::GET, &format!("{path}/versions"), None).await?;
    let listed = listed["value"].as_array().unwrap();
    let unknown = listed.len() - key.versions.len();
    assert!(unknown <= usize::from(key.unanswered), "{listed:?} of {key:?}");
    key.unanswered = false;
    let mut seen = 0;
    for item in listed {
        let id = item["kid"].as_str().unwrap().rsplit('/').next().unwrap();
        let at = format!("{path}/{id}");
        let (id, found) = version_of(&world.done(Method::GET, &at, None).await?);
        if let Some(known) = key.versions.get(&id) {
            seen += 1;
            assert_eq!(found.modulus, known.modulus);
            let (old_tag, old_enabled) = (&known.tag[0], known.enabled[0]);
            assert!(known.tag.contains(&found.tag[0]), "{found:?}, {known:?}");
            assert!(known.enabled.contains(&found.enabled[0]), "{found:?}, {known:?}");
            // Both fields belong to one request: a change happened completely or not at all.
            let expected =
                if found.tag[0] == *old_tag { Some(&old_enabled) } else { known.enabled.last() };
            assert_eq!(Some(&found.enabled[0]), expected, "{found:?}, {known:?}");
        }
        let wrapped = key.versions.get(&id).and_then(|known| known.wrapped.clone());
        let body = json!({"attributes": {"enabled": true}});
        world.done(Method::PATCH, &at, Some(body)).await?;
        if let Some(wrapped) = &wrapped {
            assert_eq!(world.wrap(&at, "unwrapkey", wrapped).await?, id);
        }
        let again = world.wrap(&at, "wrapkey", &id).await?;
        assert_eq!(world.wrap(&at, "unwrapkey", &again).await?, id);
        let found = Version { enabled: vec![true], wrapped: Some(again), ..found };
        key.versions.insert(id, found);
    }
    assert_eq!(seen + unknown, listed.len(), "a version is lost: {key:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_moment_loses_no_acknowledged_change_and_leaves_no_partial_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut all: Vec<Vec<Key>> = (0..CLIENTS).map(|_| Vec::new()).collect();

    for round in 0..ROUNDS {
        let world = Arc::new(World::start(folder.path()).await);
        let mut random = StdRng::seed_from_u64(round);
        let clients: Vec<_> = all
            .drain(..)
            .zip(0..)
            .map(|(mut keys, who)| {
                let (world, mut random) =
                    (Arc::clone(&world), StdRng::seed_from_u64(random.random()));
                tokio::spawn(async move {
                    let _gone = work(&world, &mut keys, who, &mut random).await;
                    keys
                })
            })
            .collect();
        let (after, moment) = (random.random_range(40..120), random.random_range(0..20_000));
        while world.sent.load(Ordering::SeqCst) < after {
            assert!(!clients.iter().any(tokio::task::JoinHandle::is_finished), "a client gave up");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // A random moment during running requests, not a time to wait for.
        tokio::time::sleep(Duration::from_micros(moment)).await;
        world.program.kill();
        for client in clients {
            all.push(client.await.unwrap());
        }
        drop(world);

        let world = World::start(folder.path()).await;
        for key in all.iter_mut().flatten() {
            assert!(compare(&world, key).await.is_ok(), "the program ended by itself");
        }
        let versions: usize = all.iter().flatten().map(|key| key.versions.len()).sum();
        assert!(versions > 0);
    }
}

/// A change by a request that must be answered with 200.
struct Change {
    method: Method,
    path: &'static str,
    body: Option<Value>,
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_change_survives_a_kill_right_after_its_answer() {
    let folder = tempfile::tempdir().unwrap();
    let change = |method, path, body| Change { method, path, body };
    let policy = json!({"lifetimeActions": [], "attributes": {"expiryTime": "P90D"}});

    for Change { method, path, body } in [
        change(Method::POST, "/keys/k/create", Some(json!({"kty": "EC"}))),
        change(Method::POST, "/keys/k/rotate", None),
        change(Method::PUT, "/keys/i", Some(json!({"key": jwk::ec("P-256")}))),
        change(Method::PATCH, "/keys/k", Some(json!({"tags": {"a": "b"}}))),
        change(Method::PUT, "/keys/k/rotationpolicy", Some(policy)),
        change(Method::DELETE, "/keys/k", None),
        change(Method::POST, "/deletedkeys/k/recover", None),
    ] {
        let world = World::start(folder.path()).await;
        assert!(world.done(method, path, body).await.is_ok(), "{path}");
        let before = state(&world).await;
        world.program.kill();
        drop(world);

        let after = state(&World::start(folder.path()).await).await;

        assert_eq!(after, before, "{path}");
    }
}

/// Everything that clients see of two keys, without the port.
async fn state(world: &World) -> String {
    let mut seen = String::new();
    for path in [
        "/keys/k",
        "/keys/k/versions",
        "/keys/k/rotationpolicy",
        "/deletedkeys/k",
        "/keys/i",
        "/keys/i/versions",
    ] {
        let Ok((_, answer)) = world.send(Method::GET, path, None).await else {
            panic!("the program ended by itself");
        };
        seen.push_str(&answer.to_string().replace(&world.url, ""));
        seen.push('\n');
    }
    seen
}
