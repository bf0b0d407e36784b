//! A local emulator of Azure Container Registry with customer-managed keys.
//!
//! [`Sealyard`] is a running emulator: the registry, its embedded mock Key Vault, and the clock of both. Tests of a
//! program that pushes to a registry, or that must survive the revocation of its key, start one on free ports:
//!
//! ```
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! use sealyard::{Sealyard, State};
//!
//! let emulator = Sealyard::builder().ephemeral().start().await?;
//! println!("docker push {}/app:1", emulator.registry_address());
//!
//! // Returns when the registry has seen the change: the next pull is refused.
//! let changed = emulator.set_key_enabled("local", false).await?;
//! assert_eq!(changed.state, State::Unavailable);
//!
//! emulator.reset().await?;
//! emulator.shutdown().await;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | to | use |
//! |---|---|
//! | choose ports, folder, vault and clock | [`Sealyard::builder`], [`Config`] |
//! | read the state | [`Sealyard::status`], [`Sealyard::events`] |
//! | have more registries | [`Sealyard::create_registry`], [`Sealyard::create_registry_as`], [`Sealyard::registry_address_of`] |
//! | disable, delete or rotate a key | [`Sealyard::set_key_enabled`], [`Sealyard::change_key`] |
//! | revoke and restore the access to a key | [`Sealyard::revoke`], [`Sealyard::restore`] |
//! | inject faults | [`Sealyard::add_fault`], [`FaultRule`] |
//! | let time pass | [`Sealyard::advance`] |
//! | change the embedded vault, or count its calls | [`Sealyard::vault`], [`mock_keyvault::MockKeyVault`] |
//! | begin the next test | [`Sealyard::reset`] |
//! | check and clean up what is stored | [`Sealyard::verify`], [`Sealyard::collect`] |
//! | repair a damaged data folder | [`repair`] |
//!
//! With `default-features = false` the crate has no command line, and builds none of the crates that it needs.
//!
//! The program `sealyard` is the same emulator with a command line. `ARCHITECTURE.md` has the map of the modules.
//!
//! Tokens are signed and verified through `jsonwebtoken`, which has one provider of cryptography for the whole process. If
//! the program has installed none, one with only HS256 and RS256 is installed: a program that uses `jsonwebtoken` with other
//! algorithms calls `install_default` on its own provider first.

mod acr;
mod admin;
mod app;
mod arm;
mod changes;
#[cfg(feature = "command-line")]
mod cli;
mod config;
mod diagnosis;
mod directory;
mod duration;
mod endpoints;
mod faults;
#[cfg(feature = "command-line")]
mod holder;
mod inflight;
mod keys;
mod listeners;
mod names;
mod oci;
mod password;
mod platform;
mod registry;
pub mod repair;
mod reset;
mod resume;
mod revocation;
mod routes;
mod running;
mod scheduler;
mod serve;
mod state_watch;
mod store;
mod vault;

pub use azure_emulator_core::clock::{Clock, ClockRequest};
pub use azure_emulator_core::disk_space::SimulatedDisk;
pub use azure_emulator_core::durable::Durability;
pub use azure_emulator_core::faults::{FaultKind, FaultRule};
pub use mock_keyvault;

pub use self::admin::{
    AdminError, CollectRequest, CollectedReport, CreateRegistry, CreatedRegistry, ErrorReport,
    EventReport, FaultList, FeatureStatus, IdentityReport, KeyOperation, KeyReply, KeyReport,
    KeyRequest, Policies, Policy, PrincipalReport, RegistryDetails, RegistryReport, RestoreReply,
    RetainedReport, RevokeReply, RotationReport, VerifyRequest,
};
#[cfg(feature = "command-line")]
#[doc(hidden)]
pub use self::cli::main as run_program;
pub use self::config::{ArmOperations, Config, ExternalVault, Origin, OriginError, VaultChoice};
pub use self::endpoints::Endpoints;
pub use self::keys::{Cause, State};
pub use self::password::{Password, PasswordSource};
pub use self::registry::{Finding, FindingKind, Verified};
pub use self::reset::Reset;
pub use self::revocation::RevocationMethod;
pub use self::serve::{Builder, Sealyard, StartError};
pub use self::store::{FileId, StoreError};
pub use self::vault::ConnectionError;

/// The items that this project's tests and fuzz targets use beyond the API. They are only in a build for these, so that in all
/// other builds the compiler finds code that nothing uses.
#[cfg(feature = "internals")]
pub mod internals {
    /// The routes of the additions of Azure's registry.
    pub mod acr {
        pub use crate::acr::{ParsedPath, RouteKind, parse_paths};
    }

    /// The templates of deployments.
    pub mod arm {
        pub use crate::arm::template::{
            DeploymentScope, LookupResults, Plan, Text, TextError, read,
        };
    }

    /// The hints of the command line.
    #[cfg(feature = "command-line")]
    pub mod cli {
        pub use crate::cli::hints::{FREE_PORT, Hint, Hints};
    }

    /// Keys and the audit of their uses.
    pub mod keys {
        pub use crate::keys::{
            KeyId, KeyOperation, KeyUse, Purpose, REFUSAL_SENTENCE, RENEWAL_WAIT, RingError,
            RotationTarget,
        };
    }

    /// The routes of the OCI distribution specification.
    pub mod oci {
        pub use crate::oci::{ByteRange, Code, ContentRange, ParsedPath, RouteKind, parse_paths};
    }

    /// The domain.
    pub mod registry {
        pub use crate::registry::{
            AccessName, AdminCredentials, Algorithm, Audience, Body, Caller, Change, ChunkHeaders,
            CollectOptions, Content, Deployment, DeploymentState, Digest, Error, Event,
            IdentityRef, IdentityResource, KeyChange, ManageError, ParsedManifest, PasswordName,
            Registry, RegistryName, RepositoryName, ResourceGroup, Scope, Settings, Tag, Tags,
            TokenKey, Update, UploadId,
        };
    }

    /// Revocations.
    pub mod revocation {
        pub use crate::revocation::{RevocationContext, RevocationError};
    }
}

/// The example of README.md, which the documentation tests compile and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct ReadmeExample;

/// Chooses the implementation of TLS for this process, if none is chosen yet.
pub fn install_crypto_provider() {
    // An error says that one was chosen already, by this crate or by the program that embeds it.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
