//! The judge: starts an emulator on a folder after a fault, and compares it with the facts.

use std::path::Path;

use reqwest::Method;
use sealyard::Sealyard;
use serde_json::{Value, json};

use super::facts::{Facts, Right, Thing};
use super::steps::{Reply, Step, ask, look};
use super::stories::{Content, released, start};
use crate::support::{Client, content};

/// The messages of an error and its causes.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Compares all things with the facts. A refusal is a fault only if `strict`.
pub(super) async fn compare(client: &Client, facts: &Facts, strict: bool) -> Vec<String> {
    let mut faults = Vec::new();
    for thing in facts.0.keys() {
        match look(client, thing).await {
            Ok(state) => faults.extend(facts.fault(thing, &state)),
            Err(refusal) if strict => faults.push(format!("{thing:?} is refused: {refusal}")),
            Err(_) => {}
        }
    }
    faults
}

/// The faults of a folder that no process uses: after a start, its content is right, `verify` finds nothing that is damaged or
/// missing, changes are accepted, and a collection removes nothing that is needed.
pub(super) async fn judge(data: &Path, facts: &Facts) -> Vec<String> {
    // Threads of the run before it may not have ended yet.
    released(data).await;
    let emulator = match start(data).await {
        Ok(emulator) => emulator,
        Err(error) => return vec![format!("no start: {}", chain(&error))],
    };
    let mut faults = judge_running(&emulator, facts).await;
    emulator.shutdown().await;
    if faults.is_empty() {
        released(data).await;
        // The files that the start has made are those that the next start needs.
        match start(data).await {
            Ok(emulator) => {
                faults.extend(compare(&Client::of(&emulator), &kept(facts), true).await);
                emulator.shutdown().await;
            }
            Err(error) => faults.push(format!("no second start: {}", chain(&error))),
        }
    }
    faults
}

async fn judge_running(emulator: &Sealyard, facts: &Facts) -> Vec<String> {
    let client = Client::of(emulator);
    // An operation of several steps that was interrupted continues in the background.
    settled(&client).await;
    // A read that failed once may have marked content as unreadable. `verify` reads it again, and removes the mark.
    let mut faults = verify(&client).await;
    faults.extend(compare(&client, facts, true).await);
    // An own repository: a push of content that is there would replace its file.
    match (Step::Push(content::bytes(99, 100))).run(&client).await {
        Reply::Done => {}
        other => faults.push(format!("a push is refused: {other:?}")),
    }
    let request = client.request(Method::POST, "/_sealyard/registries/local/gc");
    match ask(request.json(&json!({ "now": true }))).await {
        Ok((status, ..)) if status.is_success() => {}
        other => faults.push(format!("a collection is refused: {other:?}")),
    }
    let after = compare(&client, &kept(facts), true).await;
    faults.extend(after.into_iter().map(|fault| format!("after a collection: {fault}")));
    faults.extend(
        verify(&client).await.into_iter().map(|fault| format!("after a collection: {fault}")),
    );
    faults
}

/// Waits until the emulator has no unfinished operation.
async fn settled(client: &Client) {
    for _ in 0..1500 {
        let Ok((_, _, body)) = ask(client.request(Method::GET, "/_sealyard/status")).await else {
            return;
        };
        let status: Value = serde_json::from_slice(&body).unwrap_or_default();
        if status["unfinished"].is_null() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// The facts that a collection keeps: a blob that no manifest names may go.
fn kept(facts: &Facts) -> Facts {
    let stays = Content::new().kept();
    let known = facts.0.iter().filter(|(thing, right)| match thing {
        Thing::Blob(_) => stays.contains(thing),
        Thing::Manifest(_) => !matches!(right, Right::OneOf(states) if states.len() > 1),
        Thing::Registry(_) | Thing::KeyVersion => true,
    });
    Facts(known.map(|(thing, right)| (thing.clone(), right.clone())).collect())
}

/// The findings of `verify` that are faults.
async fn verify(client: &Client) -> Vec<String> {
    let request = client.request(Method::POST, "/_sealyard/registries/local/verify");
    let (status, _, body) = match ask(request.json(&json!({}))).await {
        Ok(answer) => answer,
        Err(broken) => return vec![format!("verify: {broken}")],
    };
    let text = String::from_utf8_lossy(&body);
    let last: Value =
        serde_json::from_str(text.lines().last().unwrap_or_default()).unwrap_or_default();
    let Some(findings) = last["verified"]["findings"].as_array() else {
        return vec![format!("verify: {status} {text}")];
    };
    let faults = findings.iter().filter(|finding| {
        let kind = finding["kind"].as_str().unwrap_or_default();
        !["unreferenced", "quarantined"].contains(&kind)
    });
    faults.map(|finding| format!("verify: {finding}")).collect()
}
