//! The settings of registries.

use std::time::Duration;

use super::events::Events;

/// The settings of a registry.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long an unwrapped data key may be used without asking the vault.
    pub key_lease: Duration,
    /// How often a key without a version is checked for a newer version, in emulator time.
    pub rotation_check: Duration,
    /// The maximum number of open uploads, including those from before the start.
    pub max_uploads: usize,
    /// How long a body may be idle before the request is aborted; the upload stays.
    pub body_idle: Duration,
    /// The maximum page length of a list, and its length if the client names none.
    pub page_len: usize,
    /// Whether an index may list manifests that the repository does not have.
    pub sparse_indexes: bool,
    /// Whether registries with a customer-managed key lack the features that real ones lack, however they were created.
    pub strict_parity: bool,
    /// Whether writes of an upload are sent to the disk early.
    pub write_back: bool,
    /// When collection deletes unused content.
    pub collect: CollectOptions,
    /// The limits of background verification.
    pub background: BackgroundOptions,
    /// Where key events are sent. All registries of an emulator share it.
    pub events: Events,
}

/// When content counts as left behind.
#[derive(Clone, Copy, Debug)]
pub struct CollectOptions {
    /// The age of an unreferenced blob, in emulator time.
    pub unreferenced_for: Duration,
    /// The idle time of an upload, in emulator time.
    pub upload_idle_for: Duration,
    /// The idle time of all content, in real time.
    pub really_idle_for: Duration,
    /// Whether manifests that no tag reaches are removed too, at the age of a blob.
    pub untagged: bool,
}

/// The amount and frequency of background verification.
#[derive(Clone, Copy, Debug)]
pub struct BackgroundOptions {
    /// The time between two steps.
    pub every: Duration,
    /// The number of content bytes that one step authenticates. The last object or segment may exceed it.
    pub bytes: u64,
    /// The time from the end of one pass over everything to the beginning of the next.
    pub rest: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            key_lease: Duration::from_secs(5),
            rotation_check: Duration::from_mins(15),
            max_uploads: 1000,
            body_idle: Duration::from_mins(1),
            page_len: 1000,
            sparse_indexes: false,
            strict_parity: false,
            write_back: true,
            collect: CollectOptions::default(),
            background: BackgroundOptions::default(),
            events: Events::default(),
        }
    }
}

impl Default for CollectOptions {
    fn default() -> Self {
        Self {
            unreferenced_for: Duration::from_hours(1),
            upload_idle_for: Duration::from_hours(24),
            really_idle_for: Duration::from_mins(1),
            untagged: false,
        }
    }
}

impl Default for BackgroundOptions {
    fn default() -> Self {
        Self { every: Duration::from_secs(1), bytes: 4 << 20, rest: Duration::from_hours(24) }
    }
}
