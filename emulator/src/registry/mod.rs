//! The domain: a registry that seals every stored byte under data keys wrapped by a Key Vault key.
//!
//! `oci/`, `acr/` and `admin/` call it with parsed types and render its results. This module decides; [`crate::store`]
//! stores, [`crate::keys`] decides whether content may be used, and [`sealed_envelope`] is the file format.
//!
//! Invariant: content is reached only through [`Content`], and [`Registry::content`] returns one only after the key was
//! admitted. So no route can forget the check.
//!
//! This module does not know HTTP.

mod access;
mod audit;
mod blob_stream;
mod blobs;
mod blocking;
mod change;
mod cmk;
mod collect;
mod creation;
mod creation_steps;
mod damage;
mod damage_report;
mod deletion;
mod deployments;
mod digest;
mod due;
mod error;
mod events;
mod groups;
mod identities;
mod identity;
mod ids;
mod image;
mod intents;
mod locks;
mod manage_error;
mod manifest;
mod manifests;
mod media;
mod metadata;
mod metrics;
mod names;
mod object;
mod object_name;
mod opening;
mod parts;
mod profile;
mod read_ahead;
mod recover;
mod registries;
mod reset;
mod resource;
mod resume;
mod service_key;
mod settings;
mod system_identity;
mod task_runs;
#[cfg(test)]
mod tests;
mod times;
mod update;
mod update_steps;
mod upload_limit;
mod uploads;
mod verify;

pub use self::access::{
    Access, AccessChangeError, AccessError, AccessName, AccessSettings, Action, Actions,
    AdminCredentials, Audience, Caller, Credentials, Directory, Doorkeeper, LoginToken, Need,
    NewPassword, NoDirectory, Password, PasswordName, Proof, Scope, ScopeMap, ScopeMapAction,
    ScopeMapActionError, TokenKey, TokenPassword, TokenProblem, UnknownAction, UnknownScope,
    Vouched,
};
pub use self::blob_stream::BlobStream;
pub use self::blobs::Blob;
pub use self::change::{Change, KeyChange};
pub use self::collect::{Collected, Collection, KeptBack};
pub use self::creation::{Encryption, NewRegistry};
pub use self::deployments::{Deployment, DeploymentName, DeploymentState};
pub use self::digest::{Algorithm, Digest, DigestError};
pub use self::error::Error;
pub use self::events::{Event, EventStream, Events};
pub use self::groups::Group;
pub use self::identity::{
    AssignedIdentity, Identity, IdentityOf, Platform, PlatformError, Principal,
};
pub use self::ids::{InvalidTaskRunId, TaskRunId, UploadId};
pub use self::image::Listed;
pub use self::intents::{Intent, Intents, Kind, Outcome, Unfinished};
pub use self::locks::{AttributeChange, Target};
pub use self::manage_error::{ManageError, Warning};
pub use self::manifest::{MAX_MANIFEST_LEN, ManifestError, ParsedManifest};
pub use self::manifests::{
    Manifest, ManifestNames, Page, PutManifest, REFERRERS_PAGE, ReferrerDescriptor,
};
pub use self::media::{ManifestKind, OCI_INDEX};
pub use self::metadata::{DeletedRepository, ManifestInfo, Order, RepositoryInfo, TagInfo, Window};
pub use self::metrics::Metrics;
pub use self::names::{NameError, RECOVERED, Reference, RegistryName, RepositoryName, Tag};
pub use self::object_name::{DamagedObject, ObjectName};
use self::parts::Parts;
pub use self::parts::{Content, Registry};
pub use self::profile::{Author, FORMER_IDENTITY_WORKS, FormerIdentity, Profile};
pub use self::recover::{
    DamagedContent, Incomplete, LostFile, Recovered, RecoveredContent, RecoveryProgress, Search,
    recover,
};
pub use self::registries::Registries;
pub use self::resource::{
    IdentityRef, IdentityResource, Location, ResourceError, ResourceGroup, Sku, Tags,
};
pub use self::settings::{BackgroundOptions, CollectOptions, Settings};
pub use self::task_runs::{MAX_LOG_LEN, TaskRun, TaskRunStatus};
pub use self::update::Update;
pub use self::uploads::{Body, ChunkHeaders, UploadStatus};
pub use self::verify::{Finding, FindingKind, Verified, findings_of_rows};
pub use crate::store::{Attributes, Damage, HeldByUploads, Locked};
