//! The operations that clients still have to poll, and which requests of Azure are polled.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use azure_emulator_core::clock::{Clock, Deadline};
use http::{Method, Request, StatusCode};
use uuid::Uuid;

use crate::arm::path::{DeploymentPart, RegistryPart, Target, is_purge, is_vault};

/// The number of polls until an operation has ended.
const POLLS: u32 = 2;
/// How long an operation is in progress without polls, on the emulator's clock.
const MAX_DURATION: Duration = Duration::from_secs(30);

/// The operations in progress, by id, and their resources.
#[derive(Debug)]
pub(in crate::arm) struct PolledOperations {
    clock: Clock,
    operations: Mutex<HashMap<Uuid, PolledOperation>>,
}

#[derive(Debug)]
struct PolledOperation {
    /// The path of the resource, in one spelling.
    resource: String,
    /// The state that the resource is shown with.
    state: &'static str,
    polls_left: u32,
    ends: Deadline,
}

/// How Azure makes a client poll for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::arm) enum Polling {
    /// 201, with both headers. The resource is shown as being created.
    Change,
    /// 202, with both headers.
    Deletion,
    /// The usual answer, without headers: the client requests the resource itself until it exists.
    NewVault,
}

impl PolledOperations {
    pub(in crate::arm) fn new(clock: Clock) -> Self {
        Self { clock, operations: Mutex::default() }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<Uuid, PolledOperation>> {
        let mut entries = self.operations.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|_, one| one.polls_left > 0 && !self.clock.has_passed(one.ends));
        entries
    }

    /// Counts a poll and returns whether the operation is still in progress.
    pub(in crate::arm) fn poll(&self, id: Uuid) -> bool {
        let mut entries = self.entries();
        let Some(one) = entries.get_mut(&id) else { return false };
        one.polls_left -= 1;
        true
    }

    /// Notes an operation that has just begun.
    pub(in crate::arm) fn begin(&self, id: Uuid, resource: String, state: &'static str) {
        let ends = self.clock.deadline(MAX_DURATION);
        let mut entries = self.entries();
        // A newer operation on the same resource replaces the older one.
        entries.retain(|_, one| one.resource != resource);
        entries.insert(id, PolledOperation { resource, state, polls_left: POLLS, ends });
    }

    /// The state that a resource is shown with, if it differs from its own. For a vault, each read counts as a poll.
    pub(in crate::arm) fn displayed_state(&self, resource: &str) -> Option<&'static str> {
        let mut entries = self.entries();
        let one = entries.values_mut().find(|one| one.resource == resource)?;
        if one.state == Polling::NewVault.state(StatusCode::OK) {
            one.polls_left -= 1;
        }
        Some(one.state)
    }
}

impl Polling {
    /// How a request is polled; `None` if Azure answers it at once.
    pub(in crate::arm) fn for_request<B>(request: &Request<B>) -> Option<Self> {
        let path = request.uri().path();
        let method = request.method();
        let is_change = [Method::PUT, Method::PATCH].contains(method);
        match Target::parse(path).ok()? {
            Target::Registry {
                part: RegistryPart::Whole | RegistryPart::ScopeMap(_) | RegistryPart::Token(_),
                ..
            } => match *method {
                Method::DELETE => Some(Self::Deletion),
                _ => is_change.then_some(Self::Change),
            },
            Target::Deployment { part: DeploymentPart::Whole, .. } => {
                (method == Method::DELETE).then_some(Self::Deletion)
            }
            Target::Vault => match *method {
                Method::PUT => is_vault(path).then_some(Self::NewVault),
                Method::POST => is_purge(path).then_some(Self::Deletion),
                _ => None,
            },
            _ => None,
        }
    }

    /// The state that the resource is shown with until the end. `status` is that of the immediate answer.
    pub(in crate::arm) fn state(self, status: StatusCode) -> &'static str {
        match self {
            Self::Change if status == StatusCode::CREATED => "Creating",
            Self::Change => "Updating",
            Self::Deletion => "Deleting",
            Self::NewVault => "RegisteringDns",
        }
    }
}
