//! encrypt and decrypt, and their common behaviour with wrapKey and unwrapKey.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::json;

use crate::support::{Answer, World};

const ALGORITHMS: [(&str, usize); 3] = [("RSA-OAEP-256", 190), ("RSA-OAEP", 214), ("RSA1_5", 245)];

async fn operate(world: &World, operation: &str, alg: &str, value: &[u8]) -> Answer {
    let body = json!({"alg": alg, "value": URL_SAFE_NO_PAD.encode(value)});
    world.owner(Method::POST, &format!("/keys/k/{operation}"), Some(body)).await
}

#[tokio::test]
async fn values_up_to_the_maximum_length_are_encrypted_and_decrypted() {
    let world = World::with_key().await;

    for (alg, max) in ALGORITHMS {
        for len in [1, 32, max] {
            let value = vec![7; len];
            let encrypted = operate(&world, "encrypt", alg, &value).await;
            let decrypted = operate(&world, "decrypt", alg, &encrypted.value()).await;
            assert_eq!(decrypted.value(), value, "{alg}");
            assert_eq!(decrypted.field("kid"), encrypted.field("kid"));
        }
        let refused = operate(&world, "encrypt", alg, &vec![7; max + 1]).await;
        let (status, code, message) = refused.refusal();
        assert_eq!((status, code.as_str()), (400, "BadParameter"));
        assert!(message.starts_with(&format!("Invalid length of 'value': {} bytes.", max + 1)));
    }
}

#[tokio::test]
async fn wrap_key_is_encrypt_under_another_name() {
    let world = World::with_key().await;

    let wrapped = operate(&world, "wrapkey", "RSA-OAEP-256", b"key").await.value();
    let encrypted = operate(&world, "encrypt", "RSA-OAEP", b"data").await.value();

    assert_eq!(operate(&world, "decrypt", "RSA-OAEP-256", &wrapped).await.value(), b"key");
    assert_eq!(operate(&world, "unwrapkey", "RSA-OAEP", &encrypted).await.value(), b"data");
}

#[tokio::test]
async fn every_failed_decryption_gets_the_same_answer_to_the_byte() {
    let world = World::with_key().await;
    let good = operate(&world, "encrypt", "RSA-OAEP-256", b"data").await.value();
    let mut changed = good.clone();
    changed[100] ^= 1;
    let too_long = [&good[..], &[0]].concat();
    let with_zero = [&[0], &good[..]].concat();

    let mut answers = Vec::new();
    for operation in ["decrypt", "unwrapkey"] {
        for bad in [&changed[..], &good[1..], &too_long, &with_zero, &[], &[0; 256], &[0xff; 256]] {
            answers.push(operate(&world, operation, "RSA-OAEP-256", bad).await.text);
            answers.push(operate(&world, operation, "RSA-OAEP", bad).await.text);
        }
        for bad in [&good[1..], &too_long, &[], &[0xff; 256]] {
            answers.push(operate(&world, operation, "RSA1_5", bad).await.text);
        }
    }

    let only = r#"{"error":{"code":"BadParameter","message":"Unable to decrypt specified value with this key."}}"#;
    assert!(answers.iter().all(|answer| answer == only), "{answers:?}");
}

#[tokio::test]
async fn wrong_padding_under_rsa1_5_cannot_be_distinguished_from_right_padding() {
    let world = World::with_key().await;
    let mut ciphertext = operate(&world, "encrypt", "RSA1_5", b"data").await.value();
    ciphertext[200] ^= 1;

    let first = operate(&world, "decrypt", "RSA1_5", &ciphertext).await.value();
    let again = operate(&world, "decrypt", "RSA1_5", &ciphertext).await.value();

    assert_eq!(first, again);
    assert_ne!(first, b"data");
}

#[tokio::test]
async fn outside_its_validity_a_key_decrypts_but_does_not_encrypt() {
    let world = World::with_key().await;
    let now = world.clock.unix_now();
    let encrypted = operate(&world, "encrypt", "RSA-OAEP", b"data").await.value();

    for (attributes, code) in [
        (json!({"nbf": now + 10}), "Forbidden/KeyNotYetValid"),
        (json!({"nbf": now - 10, "exp": now}), "Forbidden/KeyExpired"),
    ] {
        let patch = Some(json!({"attributes": attributes}));
        world.owner(Method::PATCH, "/keys/k", patch).await;

        for operation in ["encrypt", "wrapkey"] {
            assert_eq!(operate(&world, operation, "RSA-OAEP", b"x").await.refusal().1, code);
        }
        for operation in ["decrypt", "unwrapkey"] {
            let decrypted = operate(&world, operation, "RSA-OAEP", &encrypted).await;
            assert_eq!(decrypted.value(), b"data");
        }
    }
}

#[tokio::test]
async fn a_disabled_key_refuses_all_four_and_a_key_refuses_operations_it_does_not_list() {
    let world = World::with_key().await;
    let encrypted = operate(&world, "encrypt", "RSA-OAEP", b"data").await.value();
    let operations = [
        ("encrypt", "encrypt"),
        ("decrypt", "decrypt"),
        ("wrapkey", "wrapKey"),
        ("unwrapkey", "unwrapKey"),
    ];

    let patch = json!({"attributes": {"enabled": false}});
    world.owner(Method::PATCH, "/keys/k", Some(patch)).await;
    for (path, operation) in operations {
        let refused = operate(&world, path, "RSA-OAEP", &encrypted[..20]).await;
        let message = format!("Operation {operation} is not allowed on a disabled key.");
        assert_eq!(refused.refusal(), (403, "Forbidden/KeyDisabled".into(), message));
    }

    let patch = json!({"attributes": {"enabled": true}, "key_ops": ["sign"]});
    world.owner(Method::PATCH, "/keys/k", Some(patch)).await;
    for (path, operation) in operations {
        let refused = operate(&world, path, "RSA-OAEP", &encrypted[..20]).await;
        let message = format!("Operation {operation} is not permitted on this key.");
        assert_eq!(refused.refusal(), (403, "Forbidden/KeyOperationForbidden".into(), message));
    }
}
