//! The stream of a mock vault's changes, embedded or in another process.
//!
//! `state_watch` calls it. It knows the protocol (`GET /_keyvault/changes`) and nothing about registries. Any other vault
//! sends another response, or none, and is [`SubscribeError::NotAMock`].

use reqwest::{Client, Response, StatusCode, Url};
use serde::Deserialize;

use super::connection::{ConnectionError, VaultConnection, config_error};

/// The path of the stream.
const PATH: &str = "/_keyvault/changes";

/// The media type of the stream.
const MEDIA_TYPE: &str = "application/x-ndjson";

/// The longest line that is read.
const MAX_LINE: usize = 16 << 10;

/// The address of a vault's stream of changes.
#[derive(Clone, Debug)]
pub(crate) struct ChangeFeed {
    url: Url,
    client: Client,
}

/// An open stream.
#[derive(Debug)]
pub(crate) struct Subscription {
    response: Response,
    /// The bytes of an incomplete line.
    read: Vec<u8>,
}

/// The reasons why there is no stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SubscribeError {
    /// The vault has none: it is not a mock vault, or does not permit us to use its admin API.
    NotAMock,
    /// The vault does not answer.
    Away,
}

/// The meaning of a line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum VaultChange {
    /// Nothing has changed: the stream is alive.
    Nothing,
    /// Only the answers of this vault may have changed.
    Vault(String),
    /// The answers of any vault may have changed.
    Any,
}

#[derive(Deserialize)]
struct Line {
    kind: String,
    vault: Option<String>,
}

impl VaultConnection {
    /// The address of the vault's stream; `None` if the vault is Azure's, which has none.
    pub(crate) fn change_feed(&self) -> Result<Option<ChangeFeed>, ConnectionError> {
        if self.is_azure() {
            return Ok(None);
        }
        let failed = |error: &dyn std::fmt::Display| config_error(error.to_string());
        let client = self.http().stream_client(self.base()).map_err(|error| failed(&error))?;
        let url = self.base().join(PATH).map_err(|error| failed(&error))?;
        Ok(Some(ChangeFeed { url, client }))
    }
}

impl ChangeFeed {
    /// Opens the stream. Every change after this call is on it.
    pub(crate) async fn subscribe(&self) -> Result<Subscription, SubscribeError> {
        let sent = self.client.get(self.url.clone()).send().await;
        let response = sent.map_err(|_| SubscribeError::Away)?;
        match response.status() {
            StatusCode::OK => (),
            // The response comes from a proxy before the vault.
            status if status.is_server_error() => return Err(SubscribeError::Away),
            _ => return Err(SubscribeError::NotAMock),
        }
        let media_type = response.headers().get(http::header::CONTENT_TYPE);
        if media_type.is_none_or(|media_type| media_type != MEDIA_TYPE) {
            return Err(SubscribeError::NotAMock);
        }
        let mut subscription = Subscription { response, read: Vec::new() };
        // The first line confirms the subscription.
        subscription.next().await.ok_or(SubscribeError::Away)?;
        Ok(subscription)
    }
}

impl Subscription {
    /// The meaning of the next line; `None` if the stream is lost.
    pub(crate) async fn next(&mut self) -> Option<VaultChange> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                return parse_change(&line);
            }
            if self.read.len() > MAX_LINE {
                return None;
            }
            let chunk = self.response.chunk().await.ok()??;
            self.read.extend_from_slice(&chunk);
        }
    }
}

/// The meaning of a line; `None` if it does not belong to this stream.
fn parse_change(line: &[u8]) -> Option<VaultChange> {
    let Line { kind, vault } = serde_json::from_slice(line).ok()?;
    Some(match (kind.as_str(), vault) {
        ("subscribed" | "alive", _) => VaultChange::Nothing,
        (_, Some(vault)) => VaultChange::Vault(vault),
        (_, None) => VaultChange::Any,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_of_the_stream_is_read_and_an_unknown_kind_may_concern_any_vault() {
        let vault = VaultChange::Vault("local".to_owned());
        for (line, expected) in [
            (r#"{"generation":1,"kind":"subscribed"}"#, Some(VaultChange::Nothing)),
            (r#"{"generation":1,"kind":"alive"}"#, Some(VaultChange::Nothing)),
            (r#"{"generation":2,"kind":"vault","vault":"local"}"#, Some(vault)),
            (r#"{"generation":3,"kind":"role"}"#, Some(VaultChange::Any)),
            (r#"{"generation":9,"kind":"missed"}"#, Some(VaultChange::Any)),
            (r#"{"generation":9,"kind":"later","more":1}"#, Some(VaultChange::Any)),
            ("<html>", None),
            ("{}", None),
        ] {
            assert_eq!(parse_change(line.as_bytes()), expected, "{line}");
        }
    }
}
