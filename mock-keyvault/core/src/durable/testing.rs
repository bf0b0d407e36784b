//! Helpers for the tests of the rows.

use std::path::Path;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::key::RowsKey;
use super::{Durability, OpenOptions};
use crate::disk_space::DiskSpace;

/// The trees of the tests.
pub(super) const TREES: &[&str] = &["a", "b"];

pub(super) fn key() -> Arc<RowsKey> {
    Arc::new(RowsKey::from_root(&Zeroizing::new([7; 32])))
}

/// Options for rows in this folder, which may be new.
pub(super) fn options(folder: &Path) -> OpenOptions<'_> {
    OpenOptions {
        folder,
        trees: TREES,
        key: key(),
        durability: Durability::Full,
        disk_space: Arc::new(DiskSpace::without_reserve(folder)),
        is_new: true,
        repair: "rows repair",
        remembered: &[],
        superseded: None,
        restore: None,
    }
}
