//! Every way in which the key can be taken away in the vault, and the way back from each: one table.
//!
//! For each row: what clients are told, that no data key is left, that control still answers, and that everything is
//! back to the byte afterwards.

use std::time::Duration;

use mock_keyvault::clock::Clock;
use mock_keyvault::faults::FaultRule;
use mock_keyvault::{KeyPermission, MockKeyVault, NetworkRules, VaultChanges};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::{Answer, Client, content, start_with_clock};

const VAULT: &str = "local";
const KEY: &str = "registry-key";
const ROLE: &str = "Key Vault Crypto Service Encryption User";

/// Longer than a lease.
const LATER: Duration = Duration::from_secs(6);

/// A way in which the registry loses its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    PolicyTaken,
    PolicyWithoutUnwrap,
    RoleTaken,
    VersionDisabled,
    KeyDeleted,
    FirewallClosed,
    PublicAccessOff,
    VaultDeleted,
    VaultDown,
    VaultThrottles,
    IssuerDown,
}

impl Way {
    const ALL: [Self; 11] = [
        Self::PolicyTaken,
        Self::PolicyWithoutUnwrap,
        Self::RoleTaken,
        Self::VersionDisabled,
        Self::KeyDeleted,
        Self::FirewallClosed,
        Self::PublicAccessOff,
        Self::VaultDeleted,
        Self::VaultDown,
        Self::VaultThrottles,
        Self::IssuerDown,
    ];

    /// The cause that clients are told.
    fn cause(self) -> &'static str {
        match self {
            Self::PolicyTaken | Self::PolicyWithoutUnwrap => "policyRemoved",
            Self::RoleTaken => "roleRemoved",
            Self::VersionDisabled => "keyDisabled",
            Self::KeyDeleted => "keyDeleted",
            Self::FirewallClosed | Self::PublicAccessOff => "vaultFirewall",
            Self::VaultDeleted => "vaultDeleted",
            Self::VaultDown => "vaultUnreachable",
            Self::VaultThrottles => "vaultThrottled",
            Self::IssuerDown => "issuerDown",
        }
    }

    /// Whether somebody said no, and not merely nothing.
    fn is_refusal(self) -> bool {
        !matches!(self, Self::VaultDown | Self::VaultThrottles | Self::IssuerDown)
    }

    /// What has to be so before.
    async fn prepare(self, vault: &MockKeyVault, identity: &str) {
        if self == Self::RoleTaken {
            let scope = vault.vault_id(VAULT).unwrap();
            vault.assign_role(&scope, ROLE, identity).await.unwrap();
            let roles = VaultChanges { rbac: Some(true), ..VaultChanges::default() };
            vault.change_vault(VAULT, roles).await.unwrap();
        }
    }

    async fn take(self, vault: &MockKeyVault, identity: &str) {
        match self {
            Self::PolicyTaken => vault.remove_access_policy(VAULT, identity).await.unwrap(),
            Self::PolicyWithoutUnwrap => {
                let some = [KeyPermission::Get, KeyPermission::WrapKey];
                vault.set_access_policy(VAULT, identity, &some).await.unwrap();
            }
            Self::RoleTaken => {
                let scope = vault.vault_id(VAULT).unwrap();
                vault.remove_role(&scope, ROLE, identity).await.unwrap();
            }
            Self::VersionDisabled => vault.set_key_enabled(VAULT, KEY, None, false).await.unwrap(),
            Self::KeyDeleted => vault.delete_key(VAULT, KEY).await.unwrap(),
            Self::FirewallClosed => {
                vault.set_network_rules(VAULT, NetworkRules::closed()).await.unwrap();
            }
            Self::PublicAccessOff => set_public_access(vault, false).await,
            Self::VaultDeleted => vault.delete_vault(VAULT).await.unwrap(),
            Self::VaultDown => vault.set_outage(true),
            Self::VaultThrottles => {
                let rule = json!({"on": "*", "kind": "status", "status": 429});
                vault.add_fault(serde_json::from_value::<FaultRule>(rule).unwrap()).unwrap();
            }
            Self::IssuerDown => vault.set_issuer_outage(true),
        }
    }

    async fn give_back(self, vault: &MockKeyVault, identity: &str) {
        match self {
            Self::PolicyTaken | Self::PolicyWithoutUnwrap => {
                let all = KeyPermission::FOR_ENCRYPTION;
                vault.set_access_policy(VAULT, identity, all).await.unwrap();
            }
            Self::RoleTaken => {
                let scope = vault.vault_id(VAULT).unwrap();
                vault.assign_role(&scope, ROLE, identity).await.unwrap();
            }
            Self::VersionDisabled => vault.set_key_enabled(VAULT, KEY, None, true).await.unwrap(),
            Self::KeyDeleted => vault.recover_key(VAULT, KEY).await.unwrap(),
            Self::FirewallClosed => {
                vault.set_network_rules(VAULT, NetworkRules::default()).await.unwrap();
            }
            Self::PublicAccessOff => set_public_access(vault, true).await,
            Self::VaultDeleted => vault.recover_vault(VAULT).await.unwrap(),
            Self::VaultDown => vault.set_outage(false),
            Self::VaultThrottles => vault.clear_faults(),
            Self::IssuerDown => vault.set_issuer_outage(false),
        }
    }

    /// How long it takes at the most until the registry knows. A token outlives its issuer by its own time.
    fn until_known(self) -> Duration {
        if self == Self::IssuerDown { Duration::from_hours(2) } else { LATER }
    }
}

/// Turned off, it still lets trusted services in, unless that is turned off as well.
async fn set_public_access(vault: &MockKeyVault, on: bool) {
    let network = NetworkRules { bypass_for_services: on, ..NetworkRules::default() };
    let changes = VaultChanges {
        public_network_access: Some(on),
        network: Some(network),
        ..VaultChanges::default()
    };
    vault.change_vault(VAULT, changes).await.unwrap();
}

/// What every row has to refuse, and what it is called in the report.
async fn ask(client: &Client, upload: &str, layer: &[u8]) -> Vec<(&'static str, Answer)> {
    let blob = format!("/v2/app/blobs/{}", content::digest(layer));
    let uploads = "/v2/app/blobs/uploads/";
    let image = content::image(b"{}", &[layer]).to_string().into_bytes();
    vec![
        ("pull of a manifest", client.get("/v2/app/manifests/v1").await),
        ("pull of a blob", client.get(&blob).await),
        ("tag list", client.get("/v2/app/tags/list").await),
        ("catalogue", client.get("/v2/_catalog").await),
        ("begin of an upload", client.send(Method::POST, uploads, "").await),
        ("chunk of an upload", client.send(Method::PATCH, upload, "more").await),
        (
            "end of an upload",
            client
                .send(Method::PUT, &format!("{upload}?digest={}", content::digest(b"x")), "")
                .await,
        ),
        ("push of a manifest", client.put_manifest("app", "v2", &image).await),
        ("delete of a tag", client.send(Method::DELETE, "/v2/app/manifests/v1", "").await),
        ("delete of a blob", client.send(Method::DELETE, &blob, "").await),
    ]
}

async fn pass(clock: &Clock, by: Duration) {
    clock.pass(by);
    // The keeper wakes and wipes what has ended.
    tokio::task::yield_now().await;
}

#[tokio::test]
async fn whatever_takes_the_key_away_is_told_by_its_cause_and_undone_to_the_byte() {
    for way in Way::ALL {
        let (emulator, client, clock) = start_with_clock().await;
        let vault = emulator.vault().unwrap();
        let identity = vault.managed_identity().object_id.to_owned();
        way.prepare(vault, &identity).await;
        let layer = content::bytes(7, 300_000);
        let manifest = client.push_image("app", "v1", &[&layer]).await;
        let upload = client.begin("app").await;
        let half = client.send(Method::PATCH, &upload, content::bytes(8, 300_000)).await;
        assert_eq!(half.status, StatusCode::ACCEPTED, "{way:?}");
        let lease = emulator.registry().key_ring().current().await.unwrap();

        way.take(vault, &identity).await;
        pass(&clock, way.until_known()).await;
        let answers = ask(&client, half.header("location"), &layer).await;

        for (what, refused) in &answers {
            let (status, code) = if way.is_refusal() {
                (StatusCode::FORBIDDEN, "DENIED")
            } else {
                (StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE")
            };
            assert_eq!(refused.status, status, "{way:?}: {what}: {refused:?}");
            assert_eq!(refused.code(), code, "{way:?}: {what}");
            let error = &refused.json()["errors"][0];
            assert_eq!(error["detail"]["cause"], way.cause(), "{way:?}: {what}");
            assert!(error["message"].as_str().unwrap().contains(KEY), "{way:?}: {what}: {error}");
        }
        assert!(lease.with(|_| ()).is_err(), "{way:?}: a data key is left");
        let told = client.get("/_sealyard/status").await.json();
        assert_eq!(told["registries"][0]["cause"], way.cause(), "{way:?}");
        assert_eq!(client.get("/v2/").await.status, StatusCode::OK, "{way:?}");
        assert_eq!(client.get("/_sealyard/health").await.status, StatusCode::OK, "{way:?}");

        way.give_back(vault, &identity).await;
        pass(&clock, LATER).await;

        assert_eq!(client.get("/v2/app/manifests/v1").await.body, manifest, "{way:?}");
        assert!(client.pull_blob("app", &layer).await.body == layer, "{way:?}");
        assert_eq!(
            client.push_blob("app", b"afterwards").await.status,
            StatusCode::CREATED,
            "{way:?}"
        );
        let status = emulator.registry().key_ring().check().await;
        assert_eq!(status.cause, None, "{way:?}");
    }
}

#[tokio::test]
async fn a_purged_key_is_gone_for_good_and_the_registry_says_so() {
    let (emulator, client, clock) = start_with_clock().await;
    client.push_blob("app", b"content").await;
    let vault = emulator.vault().unwrap();

    vault.delete_key(VAULT, KEY).await.unwrap();
    vault.purge_key(VAULT, KEY).await.unwrap();
    pass(&clock, LATER).await;
    let refused = client.pull_blob("app", b"content").await;
    // Another key of the same name is another key.
    vault.create_key(VAULT, KEY, mock_keyvault::KeySize::Rsa2048).await.unwrap();
    pass(&clock, LATER).await;
    let still = client.pull_blob("app", b"content").await;

    assert_eq!(refused.code(), "DENIED");
    assert_eq!(refused.json()["errors"][0]["detail"]["cause"], "keyPurged");
    assert_eq!(still.code(), "DENIED");
}

#[tokio::test]
async fn a_version_outside_its_validity_opens_what_there_is_and_pushes_go_on() {
    let (emulator, client, clock) = start_with_clock().await;
    client.push_blob("app", b"before").await;
    let vault = emulator.vault().unwrap();
    let expires = clock.unix_now() + 60;
    let owner = vault.token(vault.owner().client_id, "https://vault.azure.net").unwrap();
    let https = Client::trusting(vault);
    let url = format!("https://127.0.0.1:{}/keys/{KEY}?api-version=7.4", vault.address().port());
    let patch = json!({"attributes": {"exp": expires}});
    let patched = https.patch(&url).bearer_auth(owner.expose()).json(&patch).send().await.unwrap();
    assert_eq!(patched.status(), StatusCode::OK);

    pass(&clock, Duration::from_mins(2)).await;
    let status = emulator.registry().key_ring().check().await;

    assert_eq!(client.pull_blob("app", b"before").await.body, b"before");
    assert_eq!(client.push_blob("app", b"after").await.status, StatusCode::CREATED);
    assert_eq!(status.cause.map(sealyard::keys::Cause::name), Some("keyExpired"));
}
