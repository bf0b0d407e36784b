//! The operations on keys.

use std::collections::HashMap;

use azure_security_keyvault_keys::ResourceExt as _;
use azure_security_keyvault_keys::models::{
    CreateKeyParameters, CurveName, ImportKeyParameters, JsonWebKey, KeyAttributes,
    KeyClientGetKeyOptions, KeyClientListKeyPropertiesVersionsOptions, KeyRotationPolicy,
    KeyRotationPolicyAction, KeyRotationPolicyAttributes, KeyType, LifetimeAction,
    LifetimeActionTrigger, LifetimeActionType, RestoreKeyParameters, UpdateKeyPropertiesParameters,
};
use futures::TryStreamExt as _;

use crate::support::{create, fresh, owner, rsa, vault_url, version};

#[tokio::test]
async fn rsa_keys_of_each_size_and_elliptic_keys_of_each_curve_are_created() {
    let client = owner();

    for bits in [2048, 3072, 4096] {
        let key = create(&client, &fresh("rsa"), rsa(bits)).await.key.unwrap();
        assert_eq!(key.n.unwrap().len() * 8, usize::try_from(bits).unwrap());
        assert!(key.d.is_none() && key.p.is_none());
    }
    for (curve, len) in [
        (CurveName::P256, 32),
        (CurveName::P256K, 32),
        (CurveName::P384, 48),
        (CurveName::P521, 66),
    ] {
        for kty in [KeyType::Ec, KeyType::EcHsm] {
            let parameters = CreateKeyParameters {
                kty: Some(kty.clone()),
                curve: Some(curve.clone()),
                ..Default::default()
            };
            let key = create(&client, &fresh("ec"), parameters).await.key.unwrap();
            assert_eq!((key.kty, key.crv), (Some(kty), Some(curve.clone())));
            assert_eq!((key.x.unwrap().len(), key.y.unwrap().len()), (len, len));
            assert!(key.d.is_none());
        }
    }
}

#[tokio::test]
async fn every_operation_of_the_lifecycle_of_a_key_works() {
    let (client, name) = (owner(), fresh("life"));
    let first = create(&client, &name, rsa(2048)).await;
    let second = create(&client, &name, rsa(2048)).await;
    let id = first.resource_id().unwrap();
    assert_eq!(format!("{}/", id.vault_url.trim_end_matches('/')), format!("{}/", vault_url()));

    let latest = client.get_key(&name, None).await.unwrap().into_model().unwrap();
    assert_eq!(version(&latest), version(&second));
    let options = KeyClientGetKeyOptions { key_version: id.version, ..Default::default() };
    let old = client.get_key(&name, Some(options)).await.unwrap().into_model().unwrap();
    assert_eq!(old.key.unwrap().n, first.key.as_ref().unwrap().n);
    let changes = UpdateKeyPropertiesParameters {
        key_attributes: Some(KeyAttributes { enabled: Some(false), ..Default::default() }),
        tags: Some(HashMap::from([("a".to_owned(), "b".to_owned())])),
        ..Default::default()
    };
    let changed = client.update_key_properties(&name, changes.try_into().unwrap(), None).await;
    let changed = changed.unwrap().into_model().unwrap();
    assert_eq!(changed.attributes.unwrap().enabled, Some(false));
    assert_eq!(changed.tags.unwrap()["a"], "b");
    let listed: Vec<_> = client.list_key_properties(None).unwrap().try_collect().await.unwrap();
    assert!(listed.iter().any(|item| item.resource_id().unwrap().name == name));
    let options =
        KeyClientListKeyPropertiesVersionsOptions { maxresults: Some(1), ..Default::default() };
    let versions = client.list_key_properties_versions(&name, Some(options)).unwrap();
    let versions: Vec<_> = versions.try_collect().await.unwrap();
    assert_eq!(versions.len(), 2, "two pages of one");

    let deleted = client.delete_key(&name, None).await.unwrap().into_model().unwrap();
    assert_eq!(deleted.recovery_id.unwrap(), format!("{}/deletedkeys/{name}", vault_url()));
    let pager = client.list_deleted_key_properties(None).unwrap();
    let gone: Vec<_> = pager.try_collect().await.unwrap();
    assert!(gone.iter().any(|item| item.resource_id().unwrap().name == name));
    client.recover_deleted_key(&name, None).await.unwrap();
    client.get_key(&name, None).await.unwrap();
    client.delete_key(&name, None).await.unwrap();
    client.get_deleted_key(&name, None).await.unwrap();
    client.purge_deleted_key(&name, None).await.unwrap();
    client.get_deleted_key(&name, None).await.unwrap_err();
}

#[tokio::test]
async fn a_key_is_rotated_on_request_and_its_policy_is_stored() {
    let (client, name) = (owner(), fresh("rotate"));
    let first = create(&client, &name, rsa(2048)).await;
    let rotate = LifetimeAction {
        action: Some(LifetimeActionType { type_prop: Some(KeyRotationPolicyAction::Rotate) }),
        trigger: Some(LifetimeActionTrigger {
            time_after_create: Some("P30D".to_owned()),
            ..Default::default()
        }),
    };
    let policy = KeyRotationPolicy {
        attributes: Some(KeyRotationPolicyAttributes {
            expiry_time: Some("P90D".to_owned()),
            ..Default::default()
        }),
        lifetime_actions: Some(vec![rotate]),
        ..Default::default()
    };

    client.update_key_rotation_policy(&name, policy.try_into().unwrap(), None).await.unwrap();
    let kept = client.get_key_rotation_policy(&name, None).await.unwrap().into_model().unwrap();
    let rotated = client.rotate_key(&name, None).await.unwrap().into_model().unwrap();

    assert_eq!(kept.attributes.unwrap().expiry_time.unwrap(), "P90D");
    assert_eq!(kept.lifetime_actions.unwrap().len(), 2, "the service adds Notify");
    assert_ne!(version(&first), version(&rotated));
    let attributes = rotated.attributes.unwrap();
    let life = attributes.expires.unwrap() - attributes.created.unwrap();
    assert_eq!(life.whole_days(), 90);
}

#[tokio::test]
async fn a_key_is_restored_from_its_backup_and_an_external_key_is_imported() {
    let (client, name) = (owner(), fresh("backup"));
    let made = create(&client, &name, rsa(2048)).await;

    let backup = client.backup_key(&name, None).await.unwrap().into_model().unwrap();
    client.delete_key(&name, None).await.unwrap();
    client.purge_deleted_key(&name, None).await.unwrap();
    let parameters = RestoreKeyParameters { key_backup: backup.value };
    let restored = client.restore_key(parameters.try_into().unwrap(), None).await;

    assert_eq!(version(&restored.unwrap().into_model().unwrap()), version(&made));
    // RFC 7515, appendix A.3.
    let part = |text| azure_core::base64::decode_url_safe(text).unwrap();
    let key = JsonWebKey {
        kty: Some(KeyType::Ec),
        crv: Some(CurveName::P256),
        x: Some(part("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU")),
        y: Some(part("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0")),
        d: Some(part("jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI")),
        ..Default::default()
    };
    let parameters = ImportKeyParameters { key: Some(key.clone()), ..Default::default() };
    let imported = client.import_key(&fresh("import"), parameters.try_into().unwrap(), None).await;
    let imported = imported.unwrap().into_model().unwrap().key.unwrap();
    assert_eq!((imported.x, imported.y, imported.d), (key.x, key.y, None));
}
