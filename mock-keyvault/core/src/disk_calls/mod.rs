//! The calls by which both programs use files: those of [`fs_err`], with one place through which each call goes.
//!
//! Called as `fs` by all code that stores data. There a test can record a call, make it fail, or end the use of a folder as
//! if the process had ended: `watch.rs`, which exists only with the feature `internals`. In other builds a call goes
//! straight to [`fs_err`]. The calls of sled do not come here.

mod file;
mod functions;
mod hook;
#[cfg(any(test, feature = "internals"))]
pub mod watch;

pub use file::{File, OpenOptions};
pub use fs_err::{DirEntry, metadata, read_dir, read_link, set_permissions, symlink_metadata};
pub use functions::{
    boot_id, copy, create_dir, create_dir_all, create_private_dir, exchange, fallocate, hard_link,
    open_without_path, read, read_to_string, remove_dir, remove_dir_all, remove_file, rename,
    syncfs, write,
};
