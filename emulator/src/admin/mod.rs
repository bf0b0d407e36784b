//! The admin API of the emulator, under `/_sealyard/` on the registry's listener: health, status, keys, checks, the clock.
//!
//! Its clients are the command line and test suites in any language. It answers in every state of the key.
//! Bodies are JSON; an error is `{"error":{"code","message"}}`. This module has types for the bodies, which
//! the command line uses as well.
//!
//! Invariant: every route goes through [`crate::listeners::Guard`], because a web page in the user's browser can reach the loopback too, and must
//! not be able to disable a key.

mod access;
mod audit;
mod authority;
mod clock;
mod content;
mod diagnosis;
mod endpoints_file;
mod error;
mod events;
mod faults;
mod find;
mod health;
mod identities;
mod json_body;
mod key;
mod key_bodies;
mod manage;
mod metrics;
mod registries;
mod registry_bodies;
mod reset;
mod revocation;
mod router;
mod status;
mod task_runs;
mod verify;
mod wire;

#[cfg(test)]
mod tests;

pub use self::access::{AccessReport, AccessRequest, TokenReply, TokenRequest};
pub use self::audit::AuditReport;
pub use self::authority::CA_PATH;
pub use self::clock::ClockReport;
pub use self::content::{CollectRequest, CollectedReport, KeptReport};
pub use self::diagnosis::{
    DiagnosisReport, IdentityDiagnosis, KeyDiagnosis, RegistryDiagnosis, RotationDiagnosis,
};
pub use self::endpoints_file::ENDPOINTS_FILE;
pub(crate) use self::endpoints_file::EndpointsFile;
#[cfg(feature = "command-line")]
pub(crate) use self::endpoints_file::read as read_endpoints;
pub use self::error::{AdminError, ErrorBody, ErrorReport};
pub use self::events::{EventList, EventReport};
pub(crate) use self::faults::all as all_faults;
pub use self::faults::{FaultAdded, FaultList};
pub use self::health::{HealthReport, RegistryHealth};
pub use self::identities::{
    CreateIdentity, DeleteIdentity, IdentityList, IdentityReport, PrincipalReport,
};
pub(crate) use self::key::change as change_key;
pub use self::key_bodies::{
    KeyList, KeyOperation, KeyReply, KeyRequest, KeyVersionReport, RotationReport,
};
pub use self::registry_bodies::{
    ChangeRegistry, CreateRegistry, CreatedRegistry, Policies, Policy, RegistryDetails,
    RegistryList, RotateKey, RotatedKey, Status,
};
pub use self::reset::{ResetPreview, ResetReply, ResetRequest};
pub use self::revocation::{
    RestoreReply, RestoreRequest, RevocationList, RevokeReply, RevokeRequest,
};
pub(crate) use self::revocation::{restore_access, revoke_access};
pub use self::router::{PREFIX, router};
pub use self::status::{
    KeyReport, PasswordLocation, RegistryReport, StatusReport, UnfinishedReport,
};
pub use self::task_runs::{TaskRunList, TaskRunReport};
pub use self::verify::{VerifyLine, VerifyRequest};
