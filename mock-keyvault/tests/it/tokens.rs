//! Every kind of invalid token, and the keys with which others verify tokens.

use std::sync::OnceLock;
use std::time::Duration;

use azure_emulator_core::changes::Changes;
use azure_emulator_core::clock::{Clock, SavedClock};
use azure_emulator_core::identity::{Issuer, OWNER_CLIENT_ID, Secrets, TokenRefused};
use azure_emulator_core::sealing::SealingKey;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use proptest::prelude::*;
use rand::rngs::SysRng;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Method, StatusCode};
use rsa::pkcs1::EncodeRsaPrivateKey as _;
use rsa::pkcs1v15::{Signature, VerifyingKey};
use rsa::signature::Verifier as _;
use rsa::{BoxedUint, PrivateKey, Pss, PublicKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::{Answer, World, claims_of, clock, send};

const RESOURCE: &str = "https://vault.azure.net";
const SCOPE: &str = "https://vault.azure.net/.default";

/// Claims of a token that is valid except for its signature.
fn claims(world: &World) -> Value {
    let token = world.vault.token(OWNER_CLIENT_ID, RESOURCE).unwrap();
    claims_of(token.expose())
}

async fn published_key(world: &World) -> Value {
    let base = format!("{}/{}", world.vault.authority_uri(), world.vault.tenant());
    let keys = send(world.http.get(format!("{base}/discovery/v2.0/keys"))).await.json();
    keys["keys"][0].clone()
}

/// The refusal of a token: a 401 with a challenge.
async fn refused(world: &World, token: &str) -> String {
    let answer = world.with_token(token, Method::GET, "/keys", None).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{token}");
    assert!(answer.headers.contains_key("www-authenticate"));
    answer.refusal().2
}

async fn token_from(world: &World, tenant: &str, form: &[(&str, &str)]) -> Answer {
    let url = format!("{}/{tenant}/oauth2/v2.0/token", world.vault.authority_uri());
    send(world.http.post(url).form(form)).await
}

/// The issuer's answer to this scope, with the secret in the body or in the header.
async fn token_for_scope(world: &World, scope: &str, is_in_header: bool) -> Answer {
    let url = format!("{}/{}/oauth2/v2.0/token", world.vault.authority_uri(), world.vault.tenant());
    let grant = [("grant_type", "client_credentials"), ("scope", scope)];
    let proof = [("client_id", OWNER_CLIENT_ID), ("client_secret", "sealyard")];
    let request = world.http.post(url);
    send(if is_in_header {
        request.basic_auth(OWNER_CLIENT_ID, Some("sealyard")).form(&grant)
    } else {
        request.form(&[grant, proof].concat())
    })
    .await
}

fn decoded(key: &Value, name: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn a_key_from_the_published_numbers_verifies_a_token_without_a_token_library() {
    let world = World::new().await;
    let key = published_key(&world).await;
    let token = world.token(world.vault.owner()).await;

    let number = |name: &str| BoxedUint::from_be_slice_vartime(&decoded(&key, name));
    let public = PublicKey::new(number("n"), number("e")).unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let signature = Signature::try_from(signature.as_slice()).unwrap();
    let verifying = VerifyingKey::<Sha256>::new(public);

    verifying.verify(signed.as_bytes(), &signature).unwrap();
    assert!(verifying.verify(&signed.as_bytes()[1..], &signature).is_err());
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    assert_eq!(header, json!({"alg": "RS256", "typ": "JWT", "kid": key["kid"]}));
}

#[tokio::test]
async fn a_token_signed_with_any_other_key_than_the_issuers_is_refused() {
    let world = World::new().await;
    let key = published_key(&world).await;
    let kid = key["kid"].as_str().unwrap();
    let claims = claims(&world);
    let private = PrivateKey::new(&mut SysRng, 2048).unwrap();
    let own = EncodingKey::from_rsa_der(private.to_pkcs1_der().unwrap().as_bytes());
    let signed = |algorithm: Algorithm, kid: Option<&str>, key: &EncodingKey| {
        let mut header = Header::new(algorithm);
        header.kid = kid.map(str::to_owned);
        jsonwebtoken::encode(&header, &claims, key).unwrap()
    };

    let mut forged = vec![
        signed(Algorithm::RS256, Some(kid), &own),
        signed(Algorithm::RS256, Some("another"), &own),
        signed(Algorithm::RS256, None, &own),
    ];
    // The programs never sign with PS256, so the test does it itself.
    let header = json!({"alg": "PS256", "typ": "JWT", "kid": kid}).to_string();
    let claims_of = forged[0].split('.').nth(1).unwrap();
    let message = format!("{}.{claims_of}", URL_SAFE_NO_PAD.encode(header));
    let digest = Sha256::digest(&message);
    let signature = private.sign_with_rng(&mut SysRng, Pss::<Sha256>::new(), &digest).unwrap();
    forged.push(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)));
    // The public key as the secret of a keyed hash, which a careless verifier would accept.
    let modulus = key["n"].as_str().unwrap();
    for secret in [decoded(&key, "n"), modulus.as_bytes().to_vec(), key.to_string().into_bytes()] {
        forged.push(signed(Algorithm::HS256, Some(kid), &EncodingKey::from_secret(&secret)));
    }
    let unsigned = json!({"alg": "none", "typ": "JWT", "kid": kid}).to_string();
    let unsigned = URL_SAFE_NO_PAD.encode(unsigned);
    forged.push(format!("{unsigned}.{}.", forged[0].split('.').nth(1).unwrap()));

    for token in forged {
        let header = token.split('.').next().unwrap();
        assert_eq!(
            refused(&world, &token).await,
            format!(
                "AKV10046: Unable to resolve the key used for signature validation. EncodedJwtHeader: '{header}'."
            )
        );
    }
}

#[tokio::test]
async fn a_cut_too_long_or_non_text_token_is_refused() {
    let world = World::new().await;
    let good = world.token(world.vault.owner()).await;

    for cut in [1, 10, 342, 343, 344, good.len() - 1] {
        refused(&world, &good[..good.len() - cut]).await;
    }
    for token in
        ["...", "..", ".", "a.b", "a.b.c.d", &"a".repeat(40_000), &format!("{good}.{good}")]
    {
        assert!(refused(&world, token).await.contains("IDX12741") || token == "..", "{token}");
    }
    let huge = format!("{}.b.c", "a".repeat(60_000));
    assert!(refused(&world, &huge).await.contains("IDX12741"));
    let bytes = HeaderValue::from_bytes(b"Bearer \xff\xfe.\xff.\xff").unwrap();
    let no_text = send(world.http.get(world.url("/keys")).header(AUTHORIZATION, bytes)).await;
    assert_eq!(no_text.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_token_is_valid_from_its_first_second_until_the_second_before_its_expiry() {
    let world = World::new().await;
    let token = world.token(world.vault.owner()).await;
    let get = || world.with_token(&token, Method::GET, "/keys", None);

    let first = get().await;
    let restart_at = |seconds| {
        let offset = time::Duration::seconds(seconds);
        world.clock.restore(SavedClock { offset, frozen_at: None });
    };
    restart_at(-1);
    let early = get().await;
    restart_at(3599);
    let last = get().await;
    world.clock.advance(Duration::from_secs(1));
    let late = get().await;

    assert_eq!((first.status, last.status), (StatusCode::OK, StatusCode::OK));
    assert_eq!(
        early.refusal().2,
        "Error validating token: IDX10222: Lifetime validation failed. The token is not yet valid. ValidFrom: '1/1/2026 12:00:00 AM', Current time: '12/31/2025 11:59:59 PM'."
    );
    assert!(late.refusal().2.contains("IDX10223"), "{}", late.text);
    // A client that asks again gets a valid token.
    let again = world.token(world.vault.owner()).await;
    let again = world.with_token(&again, Method::GET, "/keys", None).await;
    assert_eq!(again.status, StatusCode::OK);
}

#[tokio::test]
async fn the_other_parameters_of_msal_are_tolerated() {
    let world = World::new().await;
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", OWNER_CLIENT_ID),
        ("client_secret", "sealyard"),
        ("client_info", "1"),
        ("claims", r#"{"access_token":{"xms_cc":{"values":["CP1"]}}}"#),
        ("scope", SCOPE),
    ];

    let answer = token_from(&world, world.vault.tenant(), &form).await;

    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(answer.json()["expires_in"], 3599);
    assert_eq!(answer.json()["token_type"], "Bearer");
}

/// MSAL for Go and for Java always add these scopes (cmaneu/entra-local#28).
#[tokio::test]
async fn the_scopes_of_openid_connect_are_accepted_in_any_order_with_the_scope_of_a_resource() {
    let world = World::new().await;
    let resources =
        [RESOURCE, "https://management.azure.com/", "https://containerregistry.azure.net"];
    let scopes = resources.iter().flat_map(|resource| {
        [
            (resource, format!("{resource}/.default openid offline_access profile")),
            (resource, format!("openid profile {resource}/.default email offline_access")),
            (resource, format!("  offline_access   {resource}/.default ")),
            (resource, format!("{resource}/.default {resource}/.default openid openid")),
        ]
    });

    for (resource, scope) in scopes {
        for is_in_header in [false, true] {
            let answer = token_for_scope(&world, &scope, is_in_header).await;
            assert_eq!(answer.status, StatusCode::OK, "{scope}: {}", answer.text);
            assert_eq!(claims_of(&answer.field("access_token"))["aud"], **resource, "{scope}");
        }
    }
}

#[tokio::test]
async fn a_scope_without_or_with_several_resources_is_refused() {
    let world = World::new().await;

    for scope in [
        "openid offline_access profile",
        "/.default openid",
        "https://vault.azure.net",
        "https://vault.azure.net/.default User.Read openid",
        "https://vault.azure.net/.default https://management.azure.com/.default",
    ] {
        let answer = token_for_scope(&world, scope, false).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{scope}");
        assert_eq!(answer.json()["error"], "invalid_scope");
        let expected =
            format!("AADSTS1002012: The provided value for scope {scope} is not valid. Client");
        let description = answer.field("error_description");
        assert!(description.starts_with(&expected), "{description}");
    }
}

/// The vault's issuer also has the older endpoint, which expects a resource and ignores the scope.
#[tokio::test]
async fn the_older_endpoint_accepts_the_scopes_of_openid_connect_with_its_resource() {
    let world = World::new().await;
    let url = format!("{}/{}/oauth2/token", world.vault.authority_uri(), world.vault.tenant());
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", OWNER_CLIENT_ID),
        ("client_secret", "sealyard"),
        ("resource", RESOURCE),
        ("scope", "openid offline_access profile"),
    ];

    let answer = send(world.http.post(url).form(&form)).await;

    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(answer.json()["resource"], RESOURCE);
}

#[tokio::test]
async fn other_tenants_and_other_proofs_are_refused_clearly() {
    let world = World::new().await;
    let secret = [
        ("grant_type", "client_credentials"),
        ("client_id", OWNER_CLIENT_ID),
        ("client_secret", "sealyard"),
        ("scope", SCOPE),
    ];
    let assertion = [
        ("grant_type", "client_credentials"),
        ("client_id", OWNER_CLIENT_ID),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", "a.b.c"),
        ("scope", SCOPE),
    ];

    for (tenant, form, status, number, expected) in [
        ("common", &secret[..], 400, 50_059, "No tenant-identifying information found"),
        ("Organizations", &secret[..], 400, 50_059, world.vault.tenant()),
        ("contoso.com", &secret[..], 400, 90_002, "Tenant 'contoso.com' not found"),
        (world.vault.tenant(), &assertion[..], 401, 700_027, "send a 'client_secret'"),
    ] {
        let answer = token_from(&world, tenant, form).await;
        let body = answer.json();
        assert_eq!((answer.status.as_u16(), &body["error_codes"]), (status, &json!([number])));
        let description = body["error_description"].as_str().unwrap();
        assert!(description.starts_with(&format!("AADSTS{number}: ")), "{description}");
        assert!(description.contains(expected), "{description}");
    }
}

#[tokio::test]
async fn an_authority_is_found_at_every_path_that_msal_tries() {
    let world = World::new().await;
    let (authority, tenant) = (world.vault.authority_uri(), world.vault.tenant());

    let instance = send(world.http.get(format!(
        "{authority}/common/discovery/instance?api-version=1.1&authorization_endpoint={authority}/{tenant}/oauth2/v2.0/authorize"
    )))
    .await;
    let found = send(world.http.get(instance.field("tenant_discovery_endpoint"))).await;
    let older =
        send(world.http.get(format!("{authority}/{tenant}/.well-known/openid-configuration")));
    let common = format!("{authority}/common/v2.0/.well-known/openid-configuration");
    let elsewhere = format!("{authority}/contoso.com/v2.0/.well-known/openid-configuration");

    assert_eq!(found.field("token_endpoint"), format!("{authority}/{tenant}/oauth2/v2.0/token"));
    assert_eq!(older.await.json(), found.json());
    assert_eq!(send(world.http.get(common)).await.json(), found.json());
    assert_eq!(send(world.http.get(elsewhere)).await.json()["error_codes"], json!([90_002]));
}

/// One issuer for all cases of the properties, and one of its tokens.
fn issuer() -> &'static (Issuer, String) {
    static ISSUER: OnceLock<(Issuer, String)> = OnceLock::new();
    ISSUER.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let sealing = SealingKey::open(&folder.path().join("key")).unwrap().into();
        let clock: Clock = clock();
        let issuer =
            Issuer::open(folder.path(), Secrets::WellKnown, &sealing, &clock, &Changes::default())
                .unwrap();
        let owner = issuer.principal(OWNER_CLIENT_ID).unwrap();
        let token = issuer.token_for(&owner, RESOURCE).unwrap().expose().to_owned();
        (issuer, token)
    })
}

proptest! {
    #[test]
    fn no_text_is_a_token(text in "\\PC{0,200}") {
        prop_assert!(issuer().0.verify(&text, |_| true).is_err());
    }

    #[test]
    fn no_three_random_parts_are_a_token(
        header in r#"\{"(alg|typ|kid)":"(RS256|HS256|none|ES256|)"(,"[a-z]{0,3}":[0-9]{1,3})?\}?"#,
        claims in r#"\{("(iss|aud|exp|nbf|appid)":("[ -~&&[^"\\]]{0,9}"|-?[0-9]{1,25}|null),?){0,5}\}?"#,
        signature in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let [header, claims, signature] = [header.as_bytes(), claims.as_bytes(), &signature]
            .map(|part| URL_SAFE_NO_PAD.encode(part));
        let refused = issuer().0.verify(&format!("{header}.{claims}.{signature}"), |_| true);
        let as_it_should =
            matches!(refused, Err(TokenRefused::Signature { .. } | TokenRefused::Issuer { .. }));
        prop_assert!(as_it_should);
    }

    #[test]
    fn a_token_with_any_change_is_refused(at in 0..2000_usize, byte in 0x20..0x7f_u8, kind in 0..3) {
        let (issuer, token) = issuer();
        let at = at % token.len();
        let mut changed = token.clone().into_bytes();
        match kind {
            0 => changed[at] = byte,
            1 => changed.insert(at, byte),
            _ => drop(changed.remove(at)),
        }
        let changed = String::from_utf8(changed).unwrap();
        prop_assume!(changed != *token);
        prop_assert!(issuer.verify(&changed, |_| true).is_err());
        prop_assert!(issuer.verify(token, |_| true).is_ok());
    }
}
