//! The content of a registry: repositories, blobs, manifests, uploads, task runs; their collection and verification.
//!
//! Requests get to it through [`Content`](super::Content) only. Work that needs no key, such as the collection, belongs to
//! [`Registry`](super::Registry).

mod blob_stream;
mod blobs;
mod collect;
mod damage;
mod damage_report;
mod due;
mod image;
mod lists;
mod locks;
mod manifest_push;
mod manifests;
mod metadata;
mod object;
mod read_ahead;
mod referrers;
mod task_runs;
mod times;
mod upload_limit;
mod uploads;
mod verify;
mod window;

#[cfg(test)]
pub use self::blob_stream::BlobStream;
pub use self::blobs::Blob;
pub use self::collect::{Collection, RetainedContent};
pub(in crate::registry) use self::collect::{collect_in_background, sweep_after_start};
pub(in crate::registry) use self::damage::{cause_of, damage_of, damaged};
pub use self::image::Listed;
pub use self::lists::Page;
pub use self::locks::{AttributeChange, Target};
pub use self::manifest_push::ManifestNames;
pub use self::metadata::{DeletedRepository, ManifestInfo, RepositoryInfo, TagInfo};
pub(in crate::registry) use self::object::OpenObject;
pub use self::task_runs::{TaskRun, TaskRunStatus};
pub use self::uploads::{Body, ChunkHeaders, UploadStatus};
pub use self::verify::{Finding, FindingKind, Verified, findings_of_rows};
pub(in crate::registry) use self::verify::{
    Task, name_affected, read_through, verify_in_background,
};
pub use self::window::{Order, Window};
