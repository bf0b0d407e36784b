//! Tokens that a client made itself: no service accepts one, whatever its header says.

use azure_emulator_core::identity::OWNER_CLIENT_ID;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use rand::rngs::SysRng;
use reqwest::{Method, StatusCode};
use rsa::PrivateKey;
use rsa::pkcs1::EncodeRsaPrivateKey as _;
use rsa::traits::PublicKeyParts as _;
use sealyard::Sealyard;
use serde_json::{Value, json};

use crate::acr_login::{assert_unauthorized, close, text, with_basic, with_bearer};
use crate::support::arm::through_proxy;
use crate::support::{Answer, Client, start};

const TOKEN_USER: &str = "00000000-0000-0000-0000-000000000000";

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn parsed(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).unwrap();
    let base64 = base64::engine::general_purpose::STANDARD_NO_PAD;
    let bytes = URL_SAFE_NO_PAD.decode(part).or_else(|_| base64.decode(part)).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// A token with exactly this header.
fn signed(algorithm: Algorithm, header: &Value, claims: &Value, key: &EncodingKey) -> String {
    let signed = format!("{}.{}", part(header), part(claims));
    let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), key, algorithm).unwrap();
    format!("{signed}.{signature}")
}

fn with_hmac(header: &Value, claims: &Value, secret: &[u8]) -> String {
    signed(Algorithm::HS256, header, claims, &EncodingKey::from_secret(secret))
}

/// Tokens with the claims of this token that are not signed with the key of the issuer. `public` is the issuer's public key, in the
/// forms in which a client can know it.
fn forged(token: &str, public: &[Vec<u8>]) -> Vec<(String, String)> {
    let (header, claims) = (parsed(token, 0), parsed(token, 1));
    let kid = header["kid"].as_str().unwrap_or("1");
    let own = PrivateKey::new(&mut SysRng, 2048).unwrap();
    let der = own.to_pkcs1_der().unwrap();
    let mut all = Vec::new();
    let mut add = |what: &str, token: String| all.push((what.to_owned(), token));
    for algorithm in ["none", "None", "NONE", "nOnE", ""] {
        let unsigned =
            format!("{}.{}.", part(&json!({"alg": algorithm, "kid": kid})), part(&claims));
        add(&format!("the algorithm {algorithm:?}"), unsigned);
    }
    add("no algorithm", format!("{}.{}.", part(&json!({"kid": kid})), part(&claims)));
    for (number, secret) in public.iter().enumerate() {
        let header = json!({"alg": "HS256", "typ": "JWT", "kid": kid});
        add(
            &format!("HS256 with form {number} of the public key"),
            with_hmac(&header, &claims, secret),
        );
    }
    for secret in ["", "secret", "sealyard", kid, "\0"] {
        let header = json!({"alg": "HS256", "typ": "JWT", "kid": kid});
        add(&format!("HS256 with {secret:?}"), with_hmac(&header, &claims, secret.as_bytes()));
    }
    for kid in [
        "/dev/null",
        "../../../../dev/null",
        "tokens.key",
        "' UNION SELECT 'secret'--",
        "http://127.0.0.1:9/key",
        "",
        "\0",
    ] {
        add(
            &format!("HS256 with the kid {kid:?}"),
            with_hmac(&json!({"alg": "HS256", "kid": kid}), &claims, b""),
        );
        add(
            &format!("HS256 with the kid {kid:?} as the key"),
            with_hmac(&json!({"alg": "HS256", "kid": kid}), &claims, kid.as_bytes()),
        );
    }
    let jwk = json!({"kty": "RSA", "n": URL_SAFE_NO_PAD.encode(own.n_bytes()), "e": URL_SAFE_NO_PAD.encode(own.e_bytes())});
    for (what, more) in [
        ("a key of its own", json!({"kid": kid})),
        ("its own key in the header", json!({"kid": kid, "jwk": jwk})),
        (
            "its own key at an address",
            json!({"jku": "http://127.0.0.1:9/keys", "x5u": "http://127.0.0.1:9/c"}),
        ),
        ("a critical header", json!({"kid": kid, "crit": ["exp"], "b64": false})),
    ] {
        let mut header = json!({"alg": "RS256", "typ": "JWT"});
        header.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let key = EncodingKey::from_rsa_der(der.as_bytes());
        add(&format!("RS256 with {what}"), signed(Algorithm::RS256, &header, &claims, &key));
    }
    let mut parts = token.split('.');
    let [header, _, signature] = [(); 3].map(|()| parts.next().unwrap());
    let mut more = claims;
    more["exp"] = json!(99_999_999_999_i64);
    add("changed claims", format!("{header}.{}.{signature}", part(&more)));
    add("no signature", format!("{header}.{}.", part(&more)));
    all
}

#[tokio::test]
async fn no_service_accepts_a_forged_token_of_the_issuer() {
    let (emulator, client) = start().await;
    close(&emulator, &client).await;
    let vault = emulator.vault().unwrap();
    let http = through_proxy(&emulator);
    let keys = "https://login.microsoftonline.com/common/discovery/keys";
    let key: Value = http.get(keys).send().await.unwrap().json().await.unwrap();
    let key = &key["keys"][0];
    let modulus = key["n"].as_str().unwrap();
    let decoded = URL_SAFE_NO_PAD.decode(modulus).unwrap();
    let number = rsa::BoxedUint::from_be_slice_vartime(&decoded);
    let public =
        rsa::PublicKey::new(number, rsa::BoxedUint::from_be_slice_vartime(&[1, 0, 1])).unwrap();
    let der = rsa::pkcs1::EncodeRsaPublicKey::to_pkcs1_der(&public).unwrap();
    let forms = [
        decoded,
        modulus.as_bytes().to_vec(),
        key.to_string().into_bytes(),
        der.as_bytes().to_vec(),
    ];
    let refresh = async |token: String| {
        let token = token.as_str();
        let form = [("grant_type", "access_token"), ("service", "s"), ("access_token", token)];
        let request = client.request(Method::POST, "/oauth2/exchange").form(&form);
        Answer::of(request.send().await.unwrap()).await
    };

    for (resource, url) in [
        ("https://vault.azure.net", "https://local.vault.azure.net/keys?api-version=7.4"),
        (
            "https://management.azure.com",
            "https://management.azure.com/subscriptions?api-version=2022-12-01",
        ),
        ("https://graph.microsoft.com", "https://graph.microsoft.com/v1.0/servicePrincipals"),
    ] {
        let good = vault.token(OWNER_CLIENT_ID, resource).unwrap();
        let get =
            async |token: &str| http.get(url).bearer_auth(token).send().await.unwrap().status();
        assert_eq!(get(good.expose()).await, StatusCode::OK, "{url}");
        for (what, token) in forged(good.expose(), &forms) {
            assert_eq!(get(&token).await, StatusCode::UNAUTHORIZED, "{url}: {what}: {token}");
        }
    }
    let good = vault.token(OWNER_CLIENT_ID, "https://management.azure.com").unwrap();
    assert_eq!(refresh(good.expose().to_owned()).await.status, StatusCode::OK);
    for (what, token) in forged(good.expose(), &forms) {
        assert_unauthorized(&refresh(token).await, &what);
    }
}

/// An access token and a refresh token of the owner.
async fn tokens(emulator: &Sealyard, client: &Client) -> (String, String) {
    let entra = emulator.vault().unwrap().token(OWNER_CLIENT_ID, "https://management.azure.com");
    let entra = entra.unwrap();
    let form = [("grant_type", "access_token"), ("service", "s"), ("access_token", entra.expose())];
    let request = client.request(Method::POST, "/oauth2/exchange").form(&form);
    let refresh = text(&Answer::of(request.send().await.unwrap()).await, "refresh_token");
    let access =
        crate::acr_login::access(client, &refresh, "repository:app:pull registry:catalog:*");
    (text(&access.await, "access_token"), refresh)
}

#[tokio::test]
async fn a_registry_accepts_no_forged_access_token_or_refresh_token() {
    let (emulator, client) = start().await;
    close(&emulator, &client).await;
    let (access, refresh) = tokens(&emulator, &client).await;
    // The registry has no public key: these are names that a careless server could use as a secret.
    let guesses = ["local", "localhost", "Azure Container Registry", "tokens.key"];
    let guesses: Vec<Vec<u8>> = guesses.iter().map(|text| text.as_bytes().to_vec()).collect();
    let catalog = "/v2/_catalog";

    assert_eq!(with_bearer(&client, Method::GET, catalog, &access).await.status, StatusCode::OK);
    for (what, token) in forged(&access, &guesses).into_iter().chain(forged(&refresh, &guesses)) {
        let bearer = with_bearer(&client, Method::GET, catalog, &token).await;
        assert_unauthorized(&bearer, &what);
        let basic = with_basic(&client, Method::GET, catalog, TOKEN_USER, &token).await;
        assert_unauthorized(&basic, &what);
        let exchanged = crate::acr_login::access(&client, &token, "registry:catalog:*").await;
        assert_unauthorized(&exchanged, &what);
    }
}
