//! The names of the domain: registries, repositories, tags, digests, uploads and task runs.
//!
//! A name is parsed once, at the boundary: by the APIs when it comes in a request, and by the store when it is the key of a
//! row. A value of these types is always well formed. The compiler keeps two names apart that stand side by side in a call.
//!
//! Everything may use this module, and it uses no other.

mod digest;
mod error;
mod reference;
mod registry_name;
mod repository_name;
mod tag;
mod task_run_id;
mod upload_id;

pub(crate) use self::digest::Hasher;
pub use self::digest::{Algorithm, Digest, DigestError};
pub use self::error::NameError;
pub use self::reference::Reference;
pub use self::registry_name::RegistryName;
pub use self::repository_name::RepositoryName;
pub use self::tag::Tag;
pub use self::task_run_id::TaskRunId;
pub use self::upload_id::UploadId;
