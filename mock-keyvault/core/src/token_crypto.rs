//! The cryptography of tokens: HS256 and RS256 (RFC 7518, section 3) for `jsonwebtoken`, with crates that are already used.
//!
//! The crate's own providers bring a second RSA implementation, two more curves and 30 packages. There is one provider for
//! the whole process: if a program installs another one first, tokens are signed and verified with that one.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::signature::{self, Signer, Verifier};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind, EncodingKey, Header};
use ring::error::Unspecified;
use ring::rand::SystemRandom;
use ring::rsa::KeyPair;
use ring::signature::RSA_PKCS1_SHA256;
use rsa::pkcs1::DecodeRsaPublicKey;
use rsa::{BoxedUint, Pkcs1v15Sign, PublicKey};
use serde::Serialize;
use sha2::{Digest, Sha256};

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| signer(*algorithm, key),
    verifier_factory: |algorithm, key| verifier(*algorithm, key),
    key_utils: KeyUtils::new_unimplemented(),
};

/// Makes `jsonwebtoken` sign and verify with this module, unless the process already has a provider.
pub fn install() {
    // An error only means that there is a provider already.
    let _ = PROVIDER.install_default();
}

fn signer(algorithm: Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>, Error> {
    match (algorithm, key.family()) {
        (Algorithm::HS256, AlgorithmFamily::Hmac) => Ok(Box::new(Hs256(keyed(key.as_bytes())?))),
        (Algorithm::RS256, AlgorithmFamily::Rsa) => {
            let key = KeyPair::from_der(key.as_bytes());
            Ok(Box::new(Rs256Signer(key.map_err(|_| invalid_key())?)))
        }
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    }
}

fn verifier(algorithm: Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    match (algorithm, key.family()) {
        (Algorithm::HS256, AlgorithmFamily::Hmac) => {
            Ok(Box::new(Hs256(keyed(key.try_get_as_bytes()?)?)))
        }
        (Algorithm::RS256, AlgorithmFamily::Rsa) => Ok(Box::new(Rs256Verifier(public(key)?))),
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    }
}

fn keyed(secret: &[u8]) -> Result<Hmac<Sha256>, Error> {
    Hmac::new_from_slice(secret).map_err(|_| invalid_key())
}

fn public(key: &DecodingKey) -> Result<PublicKey, Error> {
    match key.kind() {
        DecodingKeyKind::SecretOrDer(der) => {
            PublicKey::from_pkcs1_der(der).map_err(|_| invalid_key())
        }
        DecodingKeyKind::RsaModulusExponent { n, e } => {
            let [modulus, exponent] = [n, e].map(|bytes| BoxedUint::from_be_slice_vartime(bytes));
            PublicKey::new(modulus, exponent).map_err(|_| invalid_key())
        }
    }
}

fn invalid_key() -> Error {
    ErrorKind::InvalidKeyFormat.into()
}

fn padding() -> Pkcs1v15Sign {
    Pkcs1v15Sign::new::<Sha256>()
}

/// HMAC with SHA-256 (RFC 7518, section 3.2).
struct Hs256(Hmac<Sha256>);

impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        Ok(self.0.clone().chain_update(message).finalize().into_bytes().to_vec())
    }
}

impl Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        // In constant time.
        let found = self.0.clone().chain_update(message).verify_slice(signature);
        found.map_err(|_| signature::Error::new())
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

/// The token with this header and these claims, signed with RS256. For a key that signs many tokens: `jsonwebtoken` would read
/// the key for each of them.
pub(crate) fn rs256_token(
    key: &KeyPair,
    header: &Header,
    claims: &impl Serialize,
) -> Result<String, Error> {
    let [header, claims] = [serde_json::to_vec(header)?, serde_json::to_vec(claims)?]
        .map(|part| URL_SAFE_NO_PAD.encode(part));
    let signed = format!("{header}.{claims}");
    let signature = sign_rs256(key, signed.as_bytes())
        .map_err(|error| ErrorKind::Signing(error.to_string()))?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518, section 3.3), in constant time.
///
/// `ring` signs in a third of the time that the crate `rsa` needs: 0.52 ms against 1.71 ms for 2048 bits, and every start of an
/// emulator needs a token. The crate `rsa` verifies, so that two implementations check each other.
fn sign_rs256(key: &KeyPair, message: &[u8]) -> Result<Vec<u8>, Unspecified> {
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)?;
    Ok(signature)
}

/// Signs for `jsonwebtoken` with [`sign_rs256`].
struct Rs256Signer(KeyPair);

impl Signer<Vec<u8>> for Rs256Signer {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        sign_rs256(&self.0, message).map_err(|_| signature::Error::new())
    }
}

impl JwtSigner for Rs256Signer {
    fn algorithm(&self) -> Algorithm {
        Algorithm::RS256
    }
}

/// Verifies the signatures of [`sign_rs256`].
struct Rs256Verifier(PublicKey);

impl Verifier<Vec<u8>> for Rs256Verifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let found = self.0.verify(padding(), &Sha256::digest(message), signature);
        found.map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for Rs256Verifier {
    fn algorithm(&self) -> Algorithm {
        Algorithm::RS256
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::Validation;
    use rand::rngs::SysRng;
    use rsa::PrivateKey;
    use rsa::pkcs1::EncodeRsaPrivateKey;
    use rsa::traits::PublicKeyParts;

    use super::*;

    /// RFC 7515, appendix A.1: the key, and the token that it signs.
    const SECRET: &str =
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    const SIGNED: &str = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    const SIGNATURE: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

    fn verifies(algorithm: Algorithm, key: &DecodingKey, message: &str, signature: &[u8]) -> bool {
        let verifier = verifier(algorithm, key).unwrap();
        verifier.verify(message.as_bytes(), &signature.to_vec()).is_ok()
    }

    #[test]
    fn hs256_signs_the_example_of_rfc_7515_and_rejects_any_other_text_key_or_signature() {
        let secret = URL_SAFE_NO_PAD.decode(SECRET).unwrap();
        let expected = URL_SAFE_NO_PAD.decode(SIGNATURE).unwrap();
        let key = DecodingKey::from_secret(&secret);
        let other = DecodingKey::from_secret(b"another secret");

        let signer = signer(Algorithm::HS256, &EncodingKey::from_secret(&secret)).unwrap();

        assert_eq!(signer.sign(SIGNED.as_bytes()), expected);
        assert!(verifies(Algorithm::HS256, &key, SIGNED, &expected));
        assert!(!verifies(Algorithm::HS256, &key, "another text", &expected));
        assert!(!verifies(Algorithm::HS256, &other, SIGNED, &expected));
        assert!(!verifies(Algorithm::HS256, &key, SIGNED, &expected[..31]), "a cut signature");
    }

    #[test]
    fn rs256_verifies_only_with_the_public_key_of_the_signing_key() {
        let [key, other] = [(); 2].map(|()| PrivateKey::new(&mut SysRng, 2048).unwrap());
        let der = key.to_pkcs1_der().unwrap();
        let half =
            |key: &PrivateKey| DecodingKey::from_rsa_raw_components(&key.n_bytes(), &key.e_bytes());

        let signer = signer(Algorithm::RS256, &EncodingKey::from_rsa_der(der.as_bytes())).unwrap();
        let signature = signer.sign(SIGNED.as_bytes());

        assert!(verifies(Algorithm::RS256, &half(&key), SIGNED, &signature));
        assert!(!verifies(Algorithm::RS256, &half(&key), "another text", &signature));
        assert!(!verifies(Algorithm::RS256, &half(&other), SIGNED, &signature));
        assert!(!verifies(Algorithm::RS256, &half(&key), SIGNED, &signature[1..]), "cut");
    }

    #[test]
    fn a_token_is_verified_by_jsonwebtoken_and_the_crate_rsa() {
        install();
        let private = PrivateKey::new(&mut SysRng, 2048).unwrap();
        let key = KeyPair::from_der(private.to_pkcs1_der().unwrap().as_bytes()).unwrap();
        let public = DecodingKey::from_rsa_raw_components(&private.n_bytes(), &private.e_bytes());
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some("key".to_owned());
        let claims = serde_json::json!({"sub": "ä", "exp": 4_000_000_000_i64});

        let token = rs256_token(&key, &header, &claims).unwrap();

        let read = jsonwebtoken::decode(&token, &public, &Validation::new(Algorithm::RS256));
        let read: jsonwebtoken::TokenData<serde_json::Value> = read.unwrap();
        assert_eq!((read.header, read.claims), (header, claims));
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let digest = Sha256::digest(signed.as_bytes());
        private.to_public_key().verify(padding(), &digest, &signature).unwrap();
    }

    #[test]
    fn a_key_is_never_used_for_the_algorithm_of_another_family() {
        let secret = EncodingKey::from_secret(b"secret");
        let public = DecodingKey::from_rsa_raw_components(b"n", b"e");

        assert!(signer(Algorithm::RS256, &secret).is_err());
        assert!(signer(Algorithm::HS512, &secret).is_err());
        // Otherwise the public key of an issuer could be used as a secret to forge tokens (CVE-2015-9235).
        assert!(verifier(Algorithm::HS256, &public).is_err());
    }
}
