//! Waiting until a registry has seen what was changed in its vault.
//!
//! Called after every change that the owner makes: by `revoke` and `restore`, and by the `key` commands. The vault is
//! asked anew, so that the first answer is mostly the last. A vault that does not answer for a moment is asked again.

use std::time::Duration;

use super::error::RevocationError;
use crate::keys::{Cause, State, Status};
use crate::registry::Registry;

/// How long it is waited for, in real time.
const LIMIT: Duration = Duration::from_secs(10);
/// How long it is between two questions.
const PAUSE: Duration = Duration::from_millis(100);

/// What the registry is to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Content is refused.
    Dark,
    /// Content is served.
    Served,
    /// Whatever the vault says to a question that is asked now.
    Told,
    /// Nothing: the state is told as it is, and nobody is asked.
    Anything,
}

/// The state of a registry once it is as expected. Another state than that, when it lasts, is an error.
pub async fn seen(registry: &Registry, expected: Expected) -> Result<Status, RevocationError> {
    let ring = registry.key_ring();
    if expected == Expected::Anything {
        return Ok(ring.status());
    }
    let asking = async {
        loop {
            let status = ring.check().await;
            if expected.is_met_by(&status) || expected.is_denied_by(&status) {
                return status;
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    let status = tokio::time::timeout(LIMIT, asking).await.unwrap_or_else(|_| ring.status());
    if expected.is_met_by(&status) || expected == Expected::Told {
        return Ok(status);
    }
    Err(RevocationError::NotSeen { registry: registry.name().to_owned(), status })
}

impl Expected {
    fn is_met_by(self, status: &Status) -> bool {
        let is_refused = status.cause.is_some_and(Cause::is_refusal);
        match self {
            Self::Dark => status.state == State::Unavailable && is_refused,
            Self::Served => status.state == State::Active,
            Self::Told => status.state == State::Active || is_refused,
            Self::Anything => true,
        }
    }

    /// Whether asking again will not change it: the vault said no where a yes is waited for.
    fn is_denied_by(self, status: &Status) -> bool {
        self == Self::Served && status.cause.is_some_and(Cause::is_refusal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(state: State, cause: Option<Cause>) -> Status {
        Status { state, cause, words: None, since: time::OffsetDateTime::UNIX_EPOCH }
    }

    #[test]
    fn an_outage_is_neither_the_dark_nor_the_light_that_is_waited_for() {
        let down = status(State::Unavailable, Some(Cause::VaultUnreachable));

        for expected in [Expected::Dark, Expected::Served, Expected::Told] {
            assert!(!expected.is_met_by(&down) && !expected.is_denied_by(&down), "{expected:?}");
        }
    }

    #[test]
    fn a_no_ends_the_waiting_for_a_yes() {
        let refused = status(State::Unavailable, Some(Cause::KeyDisabled));
        let expired = status(State::Active, Some(Cause::KeyExpired));

        assert!(Expected::Served.is_denied_by(&refused) && !Expected::Dark.is_denied_by(&refused));
        assert!(Expected::Dark.is_met_by(&refused) && Expected::Told.is_met_by(&refused));
        assert!(Expected::Served.is_met_by(&expired) && !Expected::Dark.is_met_by(&expired));
    }
}
