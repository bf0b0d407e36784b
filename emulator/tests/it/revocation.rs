//! One table of every method to revoke the key, and of the restore after each.
//!
//! For each row: the errors for clients, that no data key is left, that the admin API still answers, and that all content
//! is intact after the restore.

use std::time::Duration;

use azure_emulator_core::clock::Clock;
use azure_emulator_core::faults::FaultRule;
use futures::StreamExt as _;
use mock_keyvault::{KeyPermission, MockKeyVault, NetworkRules, VaultChanges};
use reqwest::{Method, StatusCode};
use sealyard::Cause;
use sealyard::Sealyard;
use sealyard::internals::keys::{REFUSAL_SENTENCE, RENEWAL_WAIT, RingError, RotationTarget};
use sealyard::internals::registry::{Change, IdentityRef, IdentityResource, RegistryName};
use serde_json::json;

use crate::support::{Answer, Client, content, start_with_clock};

const VAULT: &str = "local";
const KEY: &str = "registry-key";
const ROLE: &str = "Key Vault Crypto Service Encryption User";

/// Longer than a lease.
const LATER: Duration = Duration::from_secs(6);

/// A method to revoke the registry's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AccessLoss {
    PolicyRemoved,
    PolicyWithoutUnwrap,
    RoleRemoved,
    VersionDisabled,
    KeyDeleted,
    FirewallClosed,
    PublicAccessOff,
    VaultDeleted,
    VaultDown,
    VaultThrottles,
    IssuerDown,
    IdentityRemoved,
}

impl AccessLoss {
    const ALL: [Self; 12] = [
        Self::PolicyRemoved,
        Self::PolicyWithoutUnwrap,
        Self::RoleRemoved,
        Self::VersionDisabled,
        Self::KeyDeleted,
        Self::FirewallClosed,
        Self::PublicAccessOff,
        Self::VaultDeleted,
        Self::VaultDown,
        Self::VaultThrottles,
        Self::IssuerDown,
        Self::IdentityRemoved,
    ];

    /// The cause in the errors for clients.
    fn cause(self) -> &'static str {
        match self {
            Self::PolicyRemoved | Self::PolicyWithoutUnwrap => "policyRemoved",
            Self::RoleRemoved => "roleRemoved",
            Self::VersionDisabled => "keyDisabled",
            Self::KeyDeleted => "keyDeleted",
            Self::FirewallClosed | Self::PublicAccessOff => "vaultFirewall",
            Self::VaultDeleted => "vaultDeleted",
            Self::VaultDown => "vaultUnreachable",
            Self::VaultThrottles => "vaultThrottled",
            Self::IssuerDown => "issuerDown",
            Self::IdentityRemoved => "identityRemoved",
        }
    }

    /// Whether the vault or the issuer refuses, instead of not answering.
    fn is_refusal(self) -> bool {
        !matches!(self, Self::VaultDown | Self::VaultThrottles | Self::IssuerDown)
    }

    /// Creates the state that the method needs.
    async fn prepare(self, vault: &MockKeyVault, identity: &str) {
        if self == Self::RoleRemoved {
            let scope = vault.vault_id(VAULT).unwrap();
            vault.assign_role(&scope, ROLE, identity).await.unwrap();
            let roles = VaultChanges { rbac: Some(true), ..VaultChanges::default() };
            vault.change_vault(VAULT, roles).await.unwrap();
        }
    }

    async fn revoke(self, emulator: &Sealyard, identity: &str) {
        let vault = emulator.vault().unwrap();
        match self {
            Self::PolicyRemoved => vault.remove_access_policy(VAULT, identity).await.unwrap(),
            Self::PolicyWithoutUnwrap => {
                let some = [KeyPermission::Get, KeyPermission::WrapKey];
                vault.set_access_policy(VAULT, identity, &some).await.unwrap();
            }
            Self::RoleRemoved => {
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
            Self::IdentityRemoved => {
                let remove = vec![IdentityRef::Resource(start_identity(emulator))];
                change(emulator, Change { remove, ..Change::default() }).await;
            }
        }
    }

    async fn restore(self, emulator: &Sealyard, identity: &str) {
        let vault = emulator.vault().unwrap();
        match self {
            Self::PolicyRemoved | Self::PolicyWithoutUnwrap => {
                let all = KeyPermission::FOR_ENCRYPTION;
                vault.set_access_policy(VAULT, identity, all).await.unwrap();
            }
            Self::RoleRemoved => {
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
            Self::IdentityRemoved => {
                let assign = vec![start_identity(emulator)];
                change(emulator, Change { assign, ..Change::default() }).await;
            }
        }
    }

    /// The longest time until the registry notices. After the issuer fails, a token still works until it expires.
    fn until_known(self) -> Duration {
        if self == Self::IssuerDown { Duration::from_hours(2) } else { LATER }
    }
}

/// Sets public access and the bypass for trusted services, which would still have access.
async fn set_public_access(vault: &MockKeyVault, on: bool) {
    let network = NetworkRules { bypass_for_services: on, ..NetworkRules::default() };
    let changes = VaultChanges {
        public_network_access: Some(on),
        network: Some(network),
        ..VaultChanges::default()
    };
    vault.change_vault(VAULT, changes).await.unwrap();
}

fn start_identity(emulator: &Sealyard) -> IdentityResource {
    emulator.app().registries.start_identity().resource.clone()
}

async fn change(emulator: &Sealyard, change: Change) {
    let local = RegistryName::local();
    emulator.app().registries.change(&local, change).await.unwrap();
}

/// The requests that every row must refuse, with their names for the report.
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
        ("referrers", client.get(&blob.replace("/blobs/", "/referrers/")).await),
        ("status of an upload", client.get(upload).await),
    ]
}

async fn pass(clock: &Clock, by: Duration) {
    clock.pass(by);
    // The task that wipes ended leases runs now.
    tokio::task::yield_now().await;
}

/// Sends the rest of an upload from the offset in its status: the registry lost the tail in memory with the key.
async fn finish(client: &Client, upload: &str, bytes: &[u8]) -> Answer {
    let status = client.get(upload).await;
    assert_eq!(status.status, StatusCode::NO_CONTENT, "{status:?}");
    let last: usize = status.header("range").trim_start_matches("0-").parse().unwrap();
    let kept = if last == 0 { 0 } else { last + 1 };
    let rest = bytes[kept..].to_vec();
    let range = format!("{kept}-{}", bytes.len() - 1);
    let request = client.request(Method::PATCH, status.header("location"));
    let chunk = Answer::of(request.header("content-range", range).body(rest).send().await.unwrap());
    let chunk = chunk.await;
    assert_eq!(chunk.status, StatusCode::ACCEPTED, "{chunk:?}");
    let end = format!("{}?digest={}", chunk.header("location"), content::digest(bytes));
    client.send(Method::PUT, &end, "").await
}

/// Reads a download to its end. Returns the received bytes if it broke, and `None` if it ended cleanly.
async fn broken_after(
    stream: impl futures::Stream<Item = reqwest::Result<bytes::Bytes>>,
) -> Option<usize> {
    let mut stream = std::pin::pin!(stream);
    let mut received = 0;
    while let Some(bytes) = stream.next().await {
        match bytes {
            Ok(bytes) => received += bytes.len(),
            Err(_) => return Some(received),
        }
    }
    None
}

/// One row of the table.
async fn is_refused_by_its_cause_and_undone_to_the_byte(method: AccessLoss) {
    let (emulator, client, clock) = start_with_clock().await;
    let vault = emulator.vault().unwrap();
    let identity = vault.managed_identity().object_id.to_owned();
    method.prepare(vault, &identity).await;
    let layer = content::bytes(7, 300_000);
    // The layer is larger than all buffers between the disk and this test.
    let large = content::bytes(9, 32 << 20);
    let manifest = client.push_image("app", "v1", &[&layer, &large]).await;
    let upload = client.begin("app").await;
    let whole = content::bytes(8, 600_000);
    let half = client.send(Method::PATCH, &upload, whole[..300_000].to_vec()).await;
    assert_eq!(half.status, StatusCode::ACCEPTED);
    let download = format!("/v2/app/blobs/{}", content::digest(&large));
    let stream = client.request(Method::GET, &download).send().await.unwrap().bytes_stream();
    let lease = emulator.registry().key_ring().current().await.unwrap();

    method.revoke(&emulator, &identity).await;
    pass(&clock, method.until_known()).await;
    let answers = ask(&client, half.header("location"), &layer).await;

    for (what, refused) in &answers {
        let (status, code, state) = if method.is_refusal() {
            (StatusCode::FORBIDDEN, "DENIED", "unavailable")
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", "unavailable")
        };
        assert_eq!(refused.status, status, "{what}: {refused:?}");
        assert_eq!(refused.code(), code, "{what}");
        assert_eq!(refused.headers.contains_key("retry-after"), !method.is_refusal(), "{what}");
        let error = &refused.json()["errors"][0];
        assert_eq!(error["detail"]["cause"], method.cause(), "{what}");
        assert_eq!(error["detail"]["state"], state, "{what}");
        assert!(error["detail"]["keyIdentifier"].as_str().unwrap().contains(KEY), "{what}");
        let message = error["message"].as_str().unwrap();
        assert!(
            message.starts_with(REFUSAL_SENTENCE) && message.contains(KEY),
            "{what}: {message}"
        );
    }
    // After an outage a download waits for a moment, because the vault may answer again.
    let passing = async {
        loop {
            pass(&clock, RENEWAL_WAIT).await;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let received = tokio::select! {
        received = broken_after(stream) => received,
        () = passing, if !method.is_refusal() => None,
    };
    let received = received.expect("the download was not cut");
    assert!(received < large.len());
    assert!(lease.with(|_| ()).is_err(), "a data key is left");
    let report = client.get("/_sealyard/status").await.json();
    assert_eq!(report["registries"][0]["cause"], method.cause());
    assert_eq!(client.get("/v2/").await.status, StatusCode::OK);
    assert_eq!(client.get("/_sealyard/health").await.status, StatusCode::OK);
    let events = client.request(Method::GET, "/_sealyard/events");
    let events = Answer::of(events.header("accept", "application/json").send().await.unwrap());
    let events = events.await.json()["events"].take();
    assert_eq!(events.as_array().unwrap().last().unwrap()["cause"], method.cause());
    // Garbage collection opens no file, so it still works, and it removes only unreferenced content.
    let collected = client.send_json("/_sealyard/registries/local/gc", &json!({})).await;
    assert_eq!(collected.status, StatusCode::OK, "{collected:?}");

    method.restore(&emulator, &identity).await;
    pass(&clock, LATER).await;

    assert_eq!(client.get("/v2/app/manifests/v1").await.body, manifest);
    assert!(client.pull_blob("app", &layer).await.body == layer);
    assert!(client.pull_blob("app", &large).await.body == large);
    let finished = finish(&client, half.header("location"), &whole).await;
    assert_eq!(finished.status, StatusCode::CREATED, "{finished:?}");
    assert!(client.pull_blob("app", &whole).await.body == whole);
    assert_eq!(client.push_blob("app", b"afterwards").await.status, StatusCode::CREATED);
    let status = emulator.registry().key_ring().check().await;
    assert_eq!(status.cause, None);
}

/// Makes one test for each row, so that a report names the row.
macro_rules! rows {
    ($($name:ident: $method:ident,)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                is_refused_by_its_cause_and_undone_to_the_byte(AccessLoss::$method).await;
            }
        )*

        #[test]
        fn every_method_has_a_row() {
            assert_eq!([$(AccessLoss::$method),*], AccessLoss::ALL);
        }
    };
}

rows! {
    the_access_policy_is_removed: PolicyRemoved,
    the_access_policy_loses_the_permission_to_unwrap: PolicyWithoutUnwrap,
    the_role_is_removed: RoleRemoved,
    the_version_is_disabled: VersionDisabled,
    the_key_is_deleted_and_recovered: KeyDeleted,
    the_firewall_of_the_vault_is_closed: FirewallClosed,
    the_public_access_to_the_vault_is_off: PublicAccessOff,
    the_vault_is_deleted_and_recovered: VaultDeleted,
    the_vault_is_unreachable: VaultDown,
    the_vault_throttles: VaultThrottles,
    the_issuer_of_tokens_is_down: IssuerDown,
    the_identity_is_removed_from_the_registry: IdentityRemoved,
}

#[tokio::test]
async fn a_client_that_continues_an_upload_with_a_lost_tail_is_told_its_offset() {
    let (emulator, client, clock) = start_with_clock().await;
    let vault = emulator.vault().unwrap();
    let bytes = content::bytes(5, 300_000);
    let upload = client.begin("app").await;
    let begun = client.send(Method::PATCH, &upload, bytes[..200_000].to_vec()).await;

    vault.set_key_enabled(VAULT, KEY, None, false).await.unwrap();
    pass(&clock, LATER).await;
    let dark = client.send(Method::PATCH, &upload, bytes[200_000..].to_vec()).await;
    vault.set_key_enabled(VAULT, KEY, None, true).await.unwrap();
    pass(&clock, LATER).await;
    let end = format!("{upload}?digest={}", content::digest(&bytes));
    let too_soon = client.send(Method::PUT, &end, bytes[200_000..].to_vec()).await;
    let finished = finish(&client, &upload, &bytes).await;

    assert_eq!((begun.status, dark.status), (StatusCode::ACCEPTED, StatusCode::FORBIDDEN));
    assert_eq!(too_soon.status, StatusCode::RANGE_NOT_SATISFIABLE, "{too_soon:?}");
    assert_eq!(too_soon.header("range"), "0-0");
    assert_eq!(finished.status, StatusCode::CREATED, "{finished:?}");
    assert!(client.pull_blob("app", &bytes).await.body == bytes);
}

#[tokio::test]
async fn clients_do_not_notice_an_outage_that_is_shorter_than_a_lease() {
    let (emulator, client, clock) = start_with_clock().await;
    let layer = content::bytes(7, 300_000);
    client.push_image("app", "v1", &[&layer]).await;
    let vault = emulator.vault().unwrap();
    let metrics = || client.get("/_sealyard/metrics");
    let transitions = |answer: Answer| {
        let text = String::from_utf8(answer.body).unwrap();
        text.lines().filter(|line| line.contains("unavailable\",cause")).count()
    };

    vault.set_outage(true);
    pass(&clock, Duration::from_secs(2)).await;
    let during = client.pull_blob("app", &layer).await;
    vault.set_outage(false);
    pass(&clock, LATER).await;

    assert!(during.body == layer);
    assert!(client.pull_blob("app", &layer).await.body == layer);
    assert_eq!(client.push_blob("app", b"more").await.status, StatusCode::CREATED);
    assert_eq!(transitions(metrics().await), 0);
}

#[tokio::test]
async fn the_registry_reports_that_a_purged_key_is_lost_for_good() {
    let (emulator, client, clock) = start_with_clock().await;
    client.push_blob("app", b"content").await;
    let vault = emulator.vault().unwrap();

    vault.delete_key(VAULT, KEY).await.unwrap();
    vault.purge_key(VAULT, KEY).await.unwrap();
    pass(&clock, LATER).await;
    let refused = client.pull_blob("app", b"content").await;
    // A new key with the same name does not replace the purged key.
    vault.create_key(VAULT, KEY, mock_keyvault::KeySize::Rsa2048).await.unwrap();
    pass(&clock, LATER).await;
    let still = client.pull_blob("app", b"content").await;

    assert_eq!(refused.code(), "DENIED");
    assert_eq!(refused.json()["errors"][0]["detail"]["cause"], "keyPurged");
    assert_eq!(still.code(), "DENIED");
    let message = refused.json()["errors"][0]["message"].to_string();
    assert!(message.contains("gone for good"), "{message}");
}

/// Changes the attributes of the key in use, as its owner.
async fn set_attributes(vault: &MockKeyVault, attributes: serde_json::Value) {
    let owner = vault.token(vault.owner().client_id, "https://vault.azure.net").unwrap();
    let url = format!("https://127.0.0.1:{}/keys/{KEY}?api-version=7.4", vault.address().port());
    let request = Client::trusting(vault).patch(&url).bearer_auth(owner.expose());
    let patched = request.json(&json!({ "attributes": attributes })).send().await.unwrap();
    assert_eq!(patched.status(), StatusCode::OK);
}

/// Checks that a key outside its validity is no revocation: clients pull and push, but no new data key is created.
async fn narrows(attributes: impl Fn(i64) -> serde_json::Value) {
    let (emulator, client, clock) = start_with_clock().await;
    let layer = content::bytes(7, 300_000);
    let manifest = client.push_image("app", "v1", &[&layer]).await;
    let vault = emulator.vault().unwrap();
    set_attributes(vault, attributes(clock.unix_now())).await;

    pass(&clock, Duration::from_mins(2)).await;
    let ring = emulator.registry().key_ring();
    let status = ring.check().await;
    let other = RotationTarget::key(ring.describe().versioned.unwrap());
    let rotated = ring.rotate(other).await;

    assert_eq!(client.get("/v2/app/manifests/v1").await.body, manifest);
    assert!(client.pull_blob("app", &layer).await.body == layer);
    assert_eq!(client.push_blob("app", b"after").await.status, StatusCode::CREATED);
    assert_eq!(status.cause, Some(Cause::KeyExpired), "{status:?}");
    assert!(matches!(rotated, Err(RingError::OutsideValidity { .. })), "{rotated:?}");
    assert_eq!(ring.describe().data_keys, 1, "no new data key is created");
    let report = client.get("/_sealyard/status").await.json();
    assert_eq!(report["registries"][0]["state"], "active");
    assert_eq!(report["registries"][0]["cause"], "keyExpired");
    client.key("rotate").await;
    assert_eq!(ring.check().await.cause, None, "a rotation to a valid version ends it");
}

#[tokio::test]
async fn the_version_has_expired() {
    narrows(|now| json!({ "exp": now + 60 })).await;
}

#[tokio::test]
async fn the_version_is_not_yet_valid() {
    narrows(|now| json!({ "nbf": now + 3600 })).await;
}
