//! The operations that use keys. This client computes nothing locally: every operation is a call.

use azure_security_keyvault_keys::models::{
    CreateKeyParameters, CurveName, EncryptionAlgorithm, KeyClientEncryptOptions,
    KeyClientSignOptions, KeyClientWrapKeyOptions, KeyOperationParameters, KeyType, SignParameters,
    SignatureAlgorithm, VerifyParameters,
};
use sha2::Digest as _;

use crate::support::{create, fresh, owner, rsa, version};

const ENCRYPTS: [EncryptionAlgorithm; 3] =
    [EncryptionAlgorithm::Rsa1_5, EncryptionAlgorithm::RsaOaep, EncryptionAlgorithm::RsaOaep256];

fn given(algorithm: &EncryptionAlgorithm, value: &[u8]) -> KeyOperationParameters {
    KeyOperationParameters {
        algorithm: Some(algorithm.clone()),
        value: Some(value.to_vec()),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_wrapped_value_is_unwrapped_with_and_without_a_version() {
    let (client, name) = (owner(), fresh("wrap"));
    let version = version(&create(&client, &name, rsa(2048)).await);

    for algorithm in &ENCRYPTS {
        for (key_version, back) in [(Some(version.clone()), version.as_str()), (None, "")] {
            let options = KeyClientWrapKeyOptions { key_version, ..Default::default() };
            let body = given(algorithm, b"data key").try_into().unwrap();
            let wrapped = client.wrap_key(&name, body, Some(options)).await.unwrap();
            let wrapped = wrapped.into_model().unwrap().result.unwrap();
            let body = given(algorithm, &wrapped).try_into().unwrap();
            let unwrapped = client.unwrap_key(&name, back, body, None).await.unwrap();
            assert_eq!(unwrapped.into_model().unwrap().result.unwrap(), b"data key");
        }
    }
}

#[tokio::test]
async fn an_encrypted_value_is_decrypted_with_and_without_a_version() {
    let (client, name) = (owner(), fresh("encrypt"));
    let version = version(&create(&client, &name, rsa(3072)).await);

    for algorithm in &ENCRYPTS {
        for (key_version, back) in [(Some(version.clone()), version.as_str()), (None, "")] {
            let options = KeyClientEncryptOptions { key_version, ..Default::default() };
            let body = given(algorithm, b"plain").try_into().unwrap();
            let encrypted = client.encrypt(&name, body, Some(options)).await.unwrap();
            let encrypted = encrypted.into_model().unwrap().result.unwrap();
            let body = given(algorithm, &encrypted).try_into().unwrap();
            let decrypted = client.decrypt(&name, back, body, None).await.unwrap();
            assert_eq!(decrypted.into_model().unwrap().result.unwrap(), b"plain");
        }
    }
}

/// Signs and verifies with a key of this type, and checks that another digest does not verify.
async fn signs(parameters: CreateKeyParameters, algorithms: &[(SignatureAlgorithm, usize)]) {
    let (client, name) = (owner(), fresh("sign"));
    let version = version(&create(&client, &name, parameters).await);
    for (algorithm, bits) in algorithms {
        let digest = match bits {
            256 => sha2::Sha256::digest(b"signed").to_vec(),
            384 => sha2::Sha384::digest(b"signed").to_vec(),
            _ => sha2::Sha512::digest(b"signed").to_vec(),
        };
        for key_version in [Some(version.clone()), None] {
            let body =
                SignParameters { algorithm: Some(algorithm.clone()), value: Some(digest.clone()) };
            let options = KeyClientSignOptions { key_version, ..Default::default() };
            let signed = client.sign(&name, body.try_into().unwrap(), Some(options)).await.unwrap();
            let signature = signed.into_model().unwrap().result;
            for (digest, holds) in [(digest.clone(), true), (vec![0; bits / 8], false)] {
                let body = VerifyParameters {
                    algorithm: Some(algorithm.clone()),
                    digest: Some(digest),
                    signature: signature.clone(),
                };
                let body = body.try_into().unwrap();
                let verified = client.verify(&name, &version, body, None).await.unwrap();
                assert_eq!(verified.into_model().unwrap().value, Some(holds), "{algorithm:?}");
            }
        }
    }
}

#[tokio::test]
async fn rsa_signatures_verify_and_a_wrong_signature_does_not() {
    signs(
        rsa(2048),
        &[
            (SignatureAlgorithm::Rs256, 256),
            (SignatureAlgorithm::Rs384, 384),
            (SignatureAlgorithm::Rs512, 512),
            (SignatureAlgorithm::Ps256, 256),
            (SignatureAlgorithm::Ps384, 384),
            (SignatureAlgorithm::Ps512, 512),
        ],
    )
    .await;
}

#[tokio::test]
async fn elliptic_signatures_verify_and_a_wrong_signature_does_not() {
    for (curve, algorithm, bits) in [
        (CurveName::P256, SignatureAlgorithm::Es256, 256),
        (CurveName::P256K, SignatureAlgorithm::Es256K, 256),
        (CurveName::P384, SignatureAlgorithm::Es384, 384),
        (CurveName::P521, SignatureAlgorithm::Es512, 512),
    ] {
        let parameters = CreateKeyParameters {
            kty: Some(KeyType::Ec),
            curve: Some(curve),
            ..Default::default()
        };
        signs(parameters, &[(algorithm, bits)]).await;
    }
}
