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
mod blocking;
mod content;
mod error;
mod events;
mod intents;
mod manage;
mod manifest;
mod media;
mod metrics;
mod object_name;
mod parts;
mod recover;
mod resources;
mod service_key;
mod settings;
#[cfg(test)]
mod tests;

pub use self::access::{
    Access, AccessChangeError, AccessError, AccessName, AccessSettings, Action, Actions,
    AdminCredentials, Authenticator, Credentials, Directory, LoginToken, NewPassword, NoDirectory,
    PasswordName, RequiredAccess, Scope, ScopeMap, ScopeMapAction, TokenGrant, TokenPassword,
    VerifiedPrincipal,
};
#[cfg(feature = "internals")]
pub use self::access::{Audience, Caller, TokenKey};
pub use self::content::{
    AttributeChange, Blob, Body, ChunkHeaders, Collection, DeletedRepository, Finding, FindingKind,
    Listed, ManifestInfo, ManifestNames, Order, Page, RepositoryInfo, RetainedContent, TagInfo,
    Target, TaskRun, TaskRunStatus, UploadStatus, Verified, Window, findings_of_rows,
};
pub use self::error::Error;
pub use self::events::{Event, Events};
pub use self::intents::{Intent, Intents, Kind, Outcome};
pub use self::manage::{
    Change, Deployment, DeploymentState, Encryption, Group, KeyChange, ManageError, NewRegistry,
    Registries, Update,
};
pub use self::manifest::MAX_MANIFEST_LEN;
#[cfg(feature = "internals")]
pub use self::manifest::ParsedManifest;
pub use self::media::OCI_INDEX;
pub use self::object_name::{DamagedObject, ObjectName};
use self::parts::Parts;
pub use self::parts::{Content, Registry};
pub use self::recover::{
    DamagedContent, IncompleteManifest, LostFile, Recovered, RecoveredContent, RecoveryProgress,
    Search, recover,
};
pub use self::resources::{
    AssignedIdentity, Author, DeploymentName, Identity, IdentityOf, IdentityRef, IdentityResource,
    Location, Platform, PlatformError, Principal, Profile, ResourceError, ResourceGroup, Sku, Tags,
};
pub use self::settings::{CollectOptions, Settings};
pub use crate::names::{
    Algorithm, Digest, DigestError, NameError, Reference, RegistryName, RepositoryName, Tag,
    TaskRunId, UploadId,
};
pub use crate::store::{Attributes, Locked};
