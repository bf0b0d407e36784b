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

#[cfg(test)]
pub use self::access::{AccessRequest, TokenRequest};
pub(crate) use self::content::collect_garbage;
pub use self::content::{CollectRequest, CollectedReport, RetainedReport};
#[cfg(test)]
pub use self::diagnosis::IdentityDiagnosis;
pub(crate) use self::endpoints_file::EndpointsFile;
#[cfg(feature = "command-line")]
pub(crate) use self::endpoints_file::read as read_endpoints;
pub use self::error::{AdminError, ErrorReport};
pub use self::events::EventReport;
pub(crate) use self::events::events_of;
pub use self::faults::FaultList;
pub(crate) use self::faults::all as all_faults;
pub(crate) use self::identities::create_identity;
pub use self::identities::{CreateIdentity, IdentityReport, PrincipalReport};
pub(crate) use self::key::change as change_key;
#[cfg(test)]
pub use self::key_bodies::KeyVersionReport;
pub use self::key_bodies::{KeyOperation, KeyReply, KeyRequest, RotationReport};
pub(crate) use self::registries::{create_registry, delete_registry};
pub use self::registry_bodies::{
    CreateRegistry, CreatedRegistry, FeatureStatus, Policies, Policy, RegistryDetails,
};
pub use self::revocation::{RestoreReply, RestoreRequest, RevokeReply, RevokeRequest};
pub(crate) use self::revocation::{restore_access, revoke_access};
pub use self::router::router;
pub(crate) use self::status::registry_status;
pub use self::status::{KeyReport, RegistryReport};
pub use self::verify::VerifyRequest;
pub(crate) use self::verify::verify_registry;
// The bodies that the command line sends and reads.
#[cfg(feature = "command-line")]
pub use self::{
    access::AccessReport,
    authority::CA_PATH,
    clock::ClockReport,
    diagnosis::{DiagnosisReport, KeyDiagnosis, RegistryDiagnosis, RotationDiagnosis},
    endpoints_file::ENDPOINTS_FILE,
    error::ErrorBody,
    faults::FaultAdded,
    health::{HealthReport, RegistryHealth},
    identities::IdentityList,
    key_bodies::KeyList,
    registry_bodies::{ChangeRegistry, RegistryList, RotateKey, RotatedKey},
    reset::{ResetPreview, ResetReply, ResetRequest},
    router::PREFIX,
    status::{PasswordLocation, StatusReport, UnfinishedReport},
    verify::VerifyLine,
};
