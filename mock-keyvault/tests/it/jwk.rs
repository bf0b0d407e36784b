//! Private keys as JSON Web Keys, for tests that import a key.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::elliptic_curve::Generate;
use rand::rngs::SysRng;
use rsa::BoxedUint;
use rsa::pkcs8::DecodePrivateKey;
use rsa::traits::{PrivateKeyParts, PublicKeyParts};
use serde_json::{Value, json};

/// A published RSA key of this many bits with all its numbers. Generating one would take a second.
pub(crate) fn rsa(bits: usize) -> Value {
    let file = match bits {
        2048 => include_str!("../vectors/rsa_oaep_2048_sha1_mgf1sha1.json"),
        3072 => include_str!("../vectors/rsa_oaep_3072_sha256_mgf1sha256.json"),
        4096 => include_str!("../vectors/rsa_oaep_4096_sha256_mgf1sha256.json"),
        _ => unreachable!("there is no vector of {bits} bits"),
    };
    let vectors: Value = serde_json::from_str(file).unwrap();
    let der = vectors["testGroups"][0]["privateKeyPkcs8"].as_str().unwrap();
    of_rsa(&rsa::PrivateKey::from_pkcs8_der(&hex::decode(der).unwrap()).unwrap())
}

/// A new RSA key of a size that Azure does not have.
pub(crate) fn small_rsa() -> Value {
    of_rsa(&rsa::PrivateKey::new(&mut SysRng, 1024).unwrap())
}

fn of_rsa(key: &rsa::PrivateKey) -> Value {
    let text = |number: &BoxedUint| {
        let bytes = number.to_be_bytes();
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        URL_SAFE_NO_PAD.encode(&bytes[zeros..])
    };
    json!({
        "kty": "RSA",
        "n": text(key.n().as_ref()),
        "e": text(key.e()),
        "d": text(key.d()),
        "p": text(key.primes()[0].as_ref()),
        "q": text(key.primes()[1].as_ref()),
        "dp": text(key.dp().unwrap()),
        "dq": text(key.dq().unwrap()),
        "qi": text(&key.crt_coefficient().unwrap()),
    })
}

/// A new key on a curve.
pub(crate) fn ec(curve: &str) -> Value {
    macro_rules! of {
        ($curve:ident) => {{
            let key = $curve::ecdsa::SigningKey::try_generate_from_rng(&mut SysRng).unwrap();
            let point = key.verifying_key().to_sec1_point(false);
            (key.to_bytes().to_vec(), point.as_bytes()[1..].to_vec())
        }};
    }
    let (scalar, point) = match curve {
        "P-256" => of!(p256),
        "P-256K" => of!(k256),
        "P-384" => of!(p384),
        "P-521" => of!(p521),
        _ => unreachable!("there is no curve {curve}"),
    };
    let (x, y) = point.split_at(point.len() / 2);
    json!({
        "kty": "EC",
        "crv": curve,
        "x": URL_SAFE_NO_PAD.encode(x),
        "y": URL_SAFE_NO_PAD.encode(y),
        "d": URL_SAFE_NO_PAD.encode(scalar),
    })
}

/// The bytes of a member.
pub(crate) fn member(jwk: &Value, name: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap()
}

/// The same key without these members.
pub(crate) fn without(jwk: &Value, names: &[&str]) -> Value {
    let mut jwk = jwk.clone();
    for name in names {
        jwk.as_object_mut().unwrap().remove(*name);
    }
    jwk
}

/// The same key with another value for a member.
pub(crate) fn with(jwk: &Value, name: &str, value: impl Into<Value>) -> Value {
    let mut jwk = jwk.clone();
    jwk[name] = value.into();
    jwk
}
