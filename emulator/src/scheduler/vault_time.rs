//! The vault's part of a move: an embedded vault shares our clock, a remote mock vault is called, an external vault refuses.
//!
//! A vault in another process is a `mock-keyvault` if its admin API says so; its clock is set to each moment before ours.
//! A real Azure Key Vault keeps its own time, so the clock cannot be moved with one.

use std::fmt;

use azure_emulator_core::clock::{Clock, ClockPlan, ClockRequest};
use mock_keyvault::Timekeeper;
use reqwest::{Client, StatusCode, Url};
use serde::Deserialize;
use time::OffsetDateTime;

use super::error::SchedulerError;
use crate::vault::{ConnectionError, VaultConnection};

/// The time source of the vault.
#[derive(Clone)]
pub enum VaultTime {
    /// Our clock: the vault is embedded.
    Shared(Timekeeper),
    /// Its own clock, which we can set if it is a mock vault.
    Remote {
        /// The base URL of the vault.
        url: Url,
        /// A client that trusts it.
        client: Client,
    },
    /// Its own clock, at this address.
    Foreign(Url),
}

/// The vault during one move.
pub(super) enum VaultClock {
    Shared(Timekeeper),
    Remote(RemoteVault),
}

pub(super) struct RemoteVault {
    clock: Url,
    client: Client,
    state: RemoteClockState,
}

/// The state of a mock vault's clock.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RemoteClockState {
    #[serde(with = "time::serde::rfc3339")]
    now: OffsetDateTime,
    #[serde(default, with = "time::serde::rfc3339::option")]
    next_change: Option<OffsetDateTime>,
}

impl VaultTime {
    /// The time source of a vault in another process.
    pub fn from_connection(vault: &VaultConnection) -> Result<Self, ConnectionError> {
        let (client, url) = vault.http_client()?;
        Ok(if vault.is_azure() { Self::Foreign(url) } else { Self::Remote { url, client } })
    }

    /// Lets an embedded vault, which shares our clock, run its due work. A vault in another process runs it by itself.
    pub(super) async fn run_due(&self) -> Result<(), SchedulerError> {
        if let Self::Shared(timekeeper) = self {
            timekeeper.run_due().await?;
        }
        Ok(())
    }

    /// The access to the vault for a move. A vault in another process stops or resumes its clock before us.
    pub(super) async fn begin(&self, plan: ClockPlan) -> Result<VaultClock, SchedulerError> {
        match self {
            Self::Shared(timekeeper) => Ok(VaultClock::Shared(timekeeper.clone())),
            Self::Foreign(url) => Err(foreign(url)),
            Self::Remote { url, client } => {
                let clock = url.join("/_keyvault/clock").map_err(|_| foreign(url))?;
                let answer = client.get(clock.clone()).send().await.map_err(remote)?;
                if answer.status() == StatusCode::FORBIDDEN {
                    return Err(remote(answer.text().await.map_err(remote)?));
                }
                // The server at this address has no clock API of ours.
                let state = answer.json().await.map_err(|_| foreign(url))?;
                let mut vault = RemoteVault { clock, client: client.clone(), state };
                if plan.freeze || plan.resume {
                    let (freeze, resume) = (plan.freeze, plan.resume);
                    vault
                        .set_clock(ClockRequest { freeze, resume, ..ClockRequest::default() })
                        .await?;
                }
                Ok(VaultClock::Remote(vault))
            }
        }
    }
}

impl VaultClock {
    /// The next moment at which the vault changes.
    pub(super) fn next_change(&self) -> Option<OffsetDateTime> {
        match self {
            Self::Shared(timekeeper) => timekeeper.next_change(),
            Self::Remote(remote) => remote.state.next_change,
        }
    }

    /// Moves the clock of a remote vault to a moment, and lets it run its due work.
    pub(super) async fn advance_to(
        &mut self,
        moment: OffsetDateTime,
    ) -> Result<(), SchedulerError> {
        match self {
            Self::Remote(remote) if remote.state.now < moment => {
                remote
                    .set_clock(ClockRequest { set: Some(moment), ..ClockRequest::default() })
                    .await
            }
            Self::Remote(_) | Self::Shared(_) => Ok(()),
        }
    }

    /// Sets two frozen clocks to the same moment.
    pub(super) async fn synchronize(&mut self, clock: &Clock) -> Result<(), SchedulerError> {
        if let Self::Remote(remote) = self {
            clock.advance_to(remote.state.now);
        }
        self.advance_to(clock.now()).await
    }
}

impl RemoteVault {
    async fn set_clock(&mut self, request: ClockRequest) -> Result<(), SchedulerError> {
        let answer = self.client.post(self.clock.clone()).json(&request).send().await;
        let answer = answer.map_err(remote)?;
        if !answer.status().is_success() {
            return Err(remote(answer.text().await.map_err(remote)?));
        }
        self.state = answer.json().await.map_err(remote)?;
        Ok(())
    }
}

impl fmt::Debug for VaultTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shared(_) => f.write_str("Shared"),
            Self::Remote { url, .. } => f.debug_tuple("Remote").field(&url.as_str()).finish(),
            Self::Foreign(url) => f.debug_tuple("Foreign").field(&url.as_str()).finish(),
        }
    }
}

fn foreign(url: &Url) -> SchedulerError {
    SchedulerError::ForeignVault(url.as_str().trim_end_matches('/').to_owned())
}

#[expect(clippy::needless_pass_by_value, reason = "callers pass errors by value")]
fn remote(error: impl ToString) -> SchedulerError {
    SchedulerError::RemoteVault(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_real_vault_is_not_moved_and_the_message_has_the_reason() {
        let url: Url = "https://contoso.vault.azure.net".parse().unwrap();
        let plan = ClockPlan {
            resume: false,
            freeze: true,
            by: time::Duration::ZERO,
            to: OffsetDateTime::UNIX_EPOCH,
        };

        let refused = VaultTime::Foreign(url).begin(plan).await.err().unwrap().to_string();

        assert!(
            refused.contains("only with a mock vault: https://contoso.vault.azure.net keeps"),
            "{refused}"
        );
    }
}
