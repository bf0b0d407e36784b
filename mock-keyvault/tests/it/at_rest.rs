//! Tests that a reader of the data folder finds no secret.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use azure_emulator_core::sealing::SealingKey;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use mock_keyvault::{KeySize, MockKeyVault};
use reqwest::{Method, StatusCode};
use rsa::PrivateKey;
use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::pkcs8::DecodePrivateKey;
use rsa::traits::PrivateKeyParts;
use serde_json::json;

use crate::jwk;
use crate::support::World;

fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, into) } else { into.push(path) }
    }
}

/// The raw and the encoded forms of a number, each of which would reveal it.
fn forms(number: &[u8]) -> Vec<Vec<u8>> {
    let middle = &number[number.len() / 4..number.len() / 4 + 24];
    let mut forms = vec![middle.to_vec(), middle.iter().rev().copied().collect()];
    // The Base64 of a part depends on its start: all three alignments, without the edges.
    for skip in 0..3 {
        for text in
            [STANDARD_NO_PAD.encode(&middle[skip..]), URL_SAFE_NO_PAD.encode(&middle[skip..])]
        {
            forms.push(text.as_bytes()[..text.len() - 2].to_vec());
        }
    }
    forms.push(hex::encode(middle).into_bytes());
    forms.push(hex::encode_upper(middle).into_bytes());
    forms
}

fn holds(bytes: &[u8], form: &[u8]) -> bool {
    bytes.windows(form.len()).any(|window| window == form)
}

/// Keys of every type, generated and imported, each used and backed up.
async fn fill(world: &World) {
    world.vault.create_key("local", "k", KeySize::Rsa2048).await.unwrap();
    let wrapped = world.wrap("/keys/k/wrapkey", "RSA-OAEP-256", b"a known value 0123456789").await;
    world.wrap("/keys/k/unwrapkey", "RSA-OAEP-256", &wrapped.value()).await.value();
    let rsa = json!({"key": jwk::rsa(3072)});
    world.owner(Method::PUT, "/keys/imported", Some(rsa)).await;
    for (curve, alg, len) in [
        ("P-256", "ES256", 32),
        ("P-256K", "ES256K", 32),
        ("P-384", "ES384", 48),
        ("P-521", "ES512", 64),
    ] {
        let body = json!({"kty": "EC", "crv": curve});
        world.owner(Method::POST, &format!("/keys/{curve}/create"), Some(body)).await;
        let body = json!({"key": jwk::ec(curve)});
        world.owner(Method::PUT, &format!("/keys/{curve}"), Some(body)).await;
        let body = json!({"alg": alg, "value": URL_SAFE_NO_PAD.encode(vec![1; len])});
        world.owner(Method::POST, &format!("/keys/{curve}/sign"), Some(body)).await.value();
        let backup = world.owner(Method::POST, &format!("/keys/{curve}/backup"), None).await;
        assert_eq!(backup.status, StatusCode::OK);
        world.vault.delete_key("local", curve).await.unwrap();
        world.vault.purge_key("local", curve).await.unwrap();
        let body = json!({"value": backup.field("value")});
        let restored = world.owner(Method::POST, "/keys/restore", Some(body)).await;
        assert_eq!(restored.status, StatusCode::OK);
    }
}

/// Every private number of an RSA key.
fn numbers(key: &PrivateKey) -> Vec<Vec<u8>> {
    let crt = [key.dp().cloned(), key.dq().cloned(), key.crt_coefficient()];
    let primes = key.primes().iter().map(|prime| prime.to_be_bytes());
    let all = primes.chain(crt.into_iter().flatten().map(|number| number.to_be_bytes()));
    all.chain([key.d().to_be_bytes()]).map(Vec::from).collect()
}

#[tokio::test]
async fn no_part_of_a_private_key_is_in_the_data_folder() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("vault");
    let world = World::start(MockKeyVault::builder().data_dir(&data)).await;
    fill(&world).await;
    world.vault.shutdown().await;

    // The test opens the sealed values with the key of the folder, to know what to search for.
    let sealing = SealingKey::open(&data.join("sealing.key")).unwrap();
    let db = sled::open(data.join("index")).unwrap();
    let (mut of_rsa, mut of_curves) = (0, 0);
    let mut secrets = Vec::new();
    for entry in &db.open_tree("private").unwrap() {
        let (at, sealed) = entry.unwrap();
        let context = [b"mock-keyvault key 1\0", at.strip_prefix(b"n\0").unwrap()].concat();
        let form = sealing.open_sealed(&context, &sealed).unwrap();
        if let Ok(key) = PrivateKey::from_pkcs8_der(&form) {
            of_rsa += 1;
            secrets.extend(numbers(&key).iter().flat_map(|number| forms(number)));
        } else {
            of_curves += 1;
            assert!([32, 48, 66].contains(&form.len()));
            secrets.extend(forms(&form));
        }
    }
    assert_eq!((of_rsa, of_curves), (2, 8));
    drop(db);
    let sealed = std::fs::read(data.join("identity/issuer.sealed")).unwrap();
    let der = sealing.open_sealed(b"mock-keyvault issuer 1", &sealed).unwrap();
    let of_issuer = PrivateKey::from_pkcs1_der(&der).unwrap();
    secrets.extend(numbers(&of_issuer).iter().flat_map(|number| forms(number)));
    secrets.push(b"a known value 0123456789".to_vec());
    secrets.push(STANDARD.encode(b"a known value 0123456789").into_bytes());
    let mut paths = Vec::new();
    files(&data, &mut paths);
    assert!(paths.len() > 5, "{paths:?}");
    for path in paths {
        let bytes = std::fs::read(&path).unwrap();
        for secret in &secrets {
            assert!(!holds(&bytes, secret), "{} holds a secret", path.display());
        }
    }
}

#[tokio::test]
async fn files_with_secrets_are_only_readable_by_their_owner() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("vault");
    let any = std::net::SocketAddr::from(([0, 0, 0, 0], 0));
    let vault = MockKeyVault::builder().data_dir(&data).listen(any).start().await.unwrap();

    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    for file in [
        "sealing.key",
        "tls/ca.key",
        "identity/issuer.sealed",
        "identity/owner.secret",
        "identity/managed-identity.secret",
        "identity/identity-header.secret",
    ] {
        assert_eq!(mode(&data.join(file)), 0o600, "{file}");
    }
    assert_eq!(mode(vault.ca_path()), 0o644);
    let app = vault.add_application("app").await.unwrap().principal;
    let kept = data.join("identity/principals").join(format!("{}.json", app.client_id()));
    assert_eq!(mode(&kept), 0o600);
}

#[tokio::test]
async fn the_audit_log_names_calls_and_holds_no_value() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::start(MockKeyVault::builder().data_dir(folder.path())).await;
    world.vault.create_key("local", "k", KeySize::Rsa2048).await.unwrap();
    let wrapped = world.wrap("/keys/k/wrapkey", "RSA-OAEP-256", b"x").await;
    let value = wrapped.field("value");
    world.vault.shutdown().await;

    let log = std::fs::read_to_string(folder.path().join("audit.jsonl")).unwrap();

    let line: serde_json::Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    assert_eq!(line["operationName"], "KeyWrap");
    assert_eq!(line["properties"]["id"], wrapped.field("kid"));
    assert_eq!(line["properties"]["httpStatusCode"], 200);
    assert!(!log.contains(&value));
}

#[tokio::test]
async fn no_secret_and_no_token_of_a_principal_is_in_the_data_folder() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::start(MockKeyVault::builder().data_dir(folder.path())).await;
    let app = world.vault.add_application("app").await.unwrap();
    let (id, secret) = (app.principal.client_id().to_owned(), app.secret.unwrap().secret);
    let token = world.vault.token(&id, "https://vault.azure.net").unwrap();
    world.with_token(token.expose(), Method::GET, "/keys", None).await;
    world.vault.shutdown().await;

    let mut paths = Vec::new();
    files(folder.path(), &mut paths);

    let raw = hex::decode(secret.expose()).unwrap();
    let forms = [
        secret.expose().as_bytes()[8..56].to_vec(),
        STANDARD.encode(secret.expose()).as_bytes()[..40].to_vec(),
        raw.clone(),
        STANDARD_NO_PAD.encode(&raw).as_bytes()[..40].to_vec(),
        URL_SAFE_NO_PAD.encode(&raw).as_bytes()[..40].to_vec(),
        token.expose().rsplit('.').next().unwrap().as_bytes()[..40].to_vec(),
    ];
    assert!(paths.iter().any(|path| path.ends_with(format!("identity/principals/{id}.json"))));
    for path in paths {
        let bytes = std::fs::read(&path).unwrap();
        for form in &forms {
            assert!(!holds(&bytes, form), "{} holds a secret", path.display());
        }
    }
}
