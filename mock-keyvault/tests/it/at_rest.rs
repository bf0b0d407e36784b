//! What a reader of the data folder finds.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use mock_keyvault::sealing::SealingKey;
use mock_keyvault::{KeySize, MockKeyVault};
use rsa::PrivateKey;
use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::pkcs8::DecodePrivateKey;
use rsa::traits::PrivateKeyParts;

use crate::support::World;

fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, into) } else { into.push(path) }
    }
}

/// The raw and the written forms of a number, each of which would betray it.
fn forms(number: &[u8]) -> Vec<Vec<u8>> {
    let middle = &number[number.len() / 4..number.len() / 4 + 24];
    let mut forms = vec![middle.to_vec(), middle.iter().rev().copied().collect()];
    // Base64 of a part depends on where it begins: all three alignments, without the edges.
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

#[tokio::test]
async fn no_part_of_a_private_key_is_in_the_data_folder() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("vault");
    let world = World::start(MockKeyVault::builder().data_dir(&data)).await;
    let key = world.vault.create_key("local", "k", KeySize::Rsa2048).await.unwrap();
    let wrapped = world.wrap("/keys/k/wrapkey", "RSA-OAEP-256", b"a known value 0123456789").await;
    world.wrap("/keys/k/unwrapkey", "RSA-OAEP-256", &wrapped.value()).await.value();
    world.vault.shutdown().await;

    // The test opens what is sealed, with the key of the folder, to know what to look for.
    let sealing = SealingKey::open(&data.join("sealing.key")).unwrap();
    let db = sled::open(data.join("vaults")).unwrap();
    let (_, sealed) = db.open_tree("private").unwrap().iter().next().unwrap().unwrap();
    let context = format!("mock-keyvault key 1\0local\0K\0{}", key.version.unwrap());
    let der = sealing.open_sealed(context.as_bytes(), &sealed).unwrap();
    let of_vault = PrivateKey::from_pkcs8_der(&der).unwrap();
    drop(db);
    let sealed = std::fs::read(data.join("identity/issuer.sealed")).unwrap();
    let der = sealing.open_sealed(b"mock-keyvault issuer 1", &sealed).unwrap();
    let of_issuer = PrivateKey::from_pkcs1_der(&der).unwrap();

    let mut secrets = Vec::new();
    for key in [&of_vault, &of_issuer] {
        secrets.extend(forms(&key.d().to_be_bytes()));
        for prime in key.primes() {
            secrets.extend(forms(&prime.to_be_bytes()));
        }
    }
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
async fn files_that_hold_secrets_are_for_their_owner_alone() {
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
    assert_eq!(line["operation"], "wrapKey");
    assert_eq!(line["key"], "k");
    assert_eq!(line["status"], 200);
    assert!(!log.contains(&value));
}

#[tokio::test]
async fn no_secret_and_no_token_of_a_principal_is_in_the_data_folder() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::start(MockKeyVault::builder().data_dir(folder.path())).await;
    let app = world.vault.add_application("app").await.unwrap();
    let (id, secret) = (app.principal.client_id().to_owned(), app.secret.unwrap().secret);
    let token = world.vault.token(&id, "https://vault.azure.net").unwrap();
    world.with_token(token.expose(), reqwest::Method::GET, "/keys", None).await;
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
