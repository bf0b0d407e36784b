//! Waits until a registry has seen a change of its vault.
//!
//! `revoke`, `restore` and the `key` commands call this after every change that the owner makes. The registry asks the
//! vault anew, so the first answer is usually final. If the vault does not answer, the registry asks it again.

use std::time::Duration;

use super::error::RevocationError;
use crate::keys::{Cause, State, Status};
use crate::registry::Registry;

/// The maximum time to wait, in real time.
const LIMIT: Duration = Duration::from_secs(10);
/// The time between two requests to the vault.
const PAUSE: Duration = Duration::from_millis(100);

/// The state that the registry is expected to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Content is refused.
    Refused,
    /// Content is served.
    Served,
    /// The state after the vault's next answer, whatever it is.
    Answered,
    /// The current state; the vault is not asked.
    Current,
}

/// Waits for the expected state, and returns it. A different state that lasts is an error.
pub async fn wait_for_state(
    registry: &Registry,
    expected: Expected,
) -> Result<Status, RevocationError> {
    let ring = registry.key_ring();
    if expected == Expected::Current {
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
    if expected.is_met_by(&status) || expected == Expected::Answered {
        return Ok(status);
    }
    Err(RevocationError::NotSeen { registry: registry.name().to_owned(), status })
}

impl Expected {
    fn is_met_by(self, status: &Status) -> bool {
        let is_refused = status.cause.is_some_and(Cause::is_refusal);
        match self {
            Self::Refused => status.state == State::Unavailable && is_refused,
            Self::Served => status.state == State::Active,
            Self::Answered => status.state == State::Active || is_refused,
            Self::Current => true,
        }
    }

    /// Whether asking again is useless: the vault refuses, but is expected to allow.
    fn is_denied_by(self, status: &Status) -> bool {
        self == Self::Served && status.cause.is_some_and(Cause::is_refusal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(state: State, cause: Option<Cause>) -> Status {
        Status { state, cause, message: None, since: time::OffsetDateTime::UNIX_EPOCH }
    }

    #[test]
    fn an_outage_is_neither_of_the_expected_states() {
        let down = status(State::Unavailable, Some(Cause::VaultUnreachable));

        for expected in [Expected::Refused, Expected::Served, Expected::Answered] {
            assert!(!expected.is_met_by(&down) && !expected.is_denied_by(&down), "{expected:?}");
        }
    }

    #[test]
    fn a_refusal_ends_the_wait_for_access() {
        let refused = status(State::Unavailable, Some(Cause::KeyDisabled));
        let expired = status(State::Active, Some(Cause::KeyExpired));

        assert!(
            Expected::Served.is_denied_by(&refused) && !Expected::Refused.is_denied_by(&refused)
        );
        assert!(Expected::Refused.is_met_by(&refused) && Expected::Answered.is_met_by(&refused));
        assert!(Expected::Served.is_met_by(&expired) && !Expected::Refused.is_met_by(&expired));
    }
}
