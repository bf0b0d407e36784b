//! The refusals of the vault, as this client reports them.

use azure_core::Error;
use azure_core::error::ErrorKind;
use azure_security_keyvault_keys::models::{
    EncryptionAlgorithm, KeyAttributes, KeyOperationParameters, UpdateKeyPropertiesParameters,
};

use crate::support::{IDENTITY, OWNER, SECRET, client_of, create, fresh, owner, rsa, vault_url};

#[track_caller]
fn check(error: &Error, status: u16, code: &str) {
    match error.kind() {
        ErrorKind::HttpResponse { status: found, error_code, .. } => {
            assert_eq!((u16::from(*found), error_code.as_deref()), (status, Some(code)), "{error}");
        }
        other => panic!("{other:?}: {error}"),
    }
}

#[tokio::test]
async fn an_unknown_key_a_deleted_name_and_a_disabled_key_are_refused() {
    let (client, name) = (owner(), fresh("refused"));
    check(&client.get_key(&name, None).await.unwrap_err(), 404, "KeyNotFound");
    create(&client, &name, rsa(2048)).await;
    let disabled = UpdateKeyPropertiesParameters {
        key_attributes: Some(KeyAttributes { enabled: Some(false), ..Default::default() }),
        ..Default::default()
    };
    client.update_key_properties(&name, disabled.try_into().unwrap(), None).await.unwrap();
    let body = KeyOperationParameters {
        algorithm: Some(EncryptionAlgorithm::RsaOaep256),
        value: Some(vec![7; 32]),
        ..Default::default()
    };
    let refused = client.wrap_key(&name, body.try_into().unwrap(), None).await.unwrap_err();
    check(&refused, 403, "Forbidden");
    assert!(refused.to_string().contains("Operation wrapKey is not allowed on a disabled key."));
    client.delete_key(&name, None).await.unwrap();
    let again = client.create_key(&name, rsa(2048).try_into().unwrap(), None).await;
    check(&again.unwrap_err(), 409, "Conflict");
}

#[tokio::test]
async fn a_principal_without_permission_and_an_unknown_principal_are_refused() {
    let identity = client_of(IDENTITY, SECRET, &vault_url(), true);
    let refused = identity.create_key(&fresh("denied"), rsa(2048).try_into().unwrap(), None).await;
    let refused = refused.unwrap_err();
    check(&refused, 403, "Forbidden");
    assert!(refused.to_string().contains("does not have keys create permission"));

    let stranger = client_of(OWNER, "wrong", &vault_url(), true);
    let error = stranger.get_key("any", None).await.unwrap_err();
    assert!(format!("{error:?}").contains("AADSTS7000215"), "{error:?}");
}

#[tokio::test]
async fn the_challenge_is_verified_and_refuses_localhost() {
    let address = vault_url().replace("local.vault.localhost", "localhost");

    let strict = client_of(OWNER, SECRET, &address, true).get_key("any", None).await.unwrap_err();
    let lax = client_of(OWNER, SECRET, &address, false).get_key("any", None).await.unwrap_err();

    assert!(format!("{strict:?}").contains("doesn't match the requested domain"), "{strict:?}");
    check(&lax, 404, "KeyNotFound");
}
