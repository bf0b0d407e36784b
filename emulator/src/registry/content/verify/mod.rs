//! Verification: authenticates and hashes every stored byte again.
//!
//! It finds damaged, missing, unreadable and unreferenced objects, and continues after each problem, so that one does
//! not hide the next. It names the repositories and tags that each damaged object affects (`affected.rs`). It marks
//! objects that cannot be served, as a failed read does, and removes the mark of objects that it reads to the end. On
//! request it repairs what it can (`repair.rs`). `background.rs` does part of the work while the registry is in use.
//!
//! If the key is refused meanwhile, the rest is only checked without it: whether each file exists and has the right
//! length.

mod affected;
mod background;
mod finding;
mod repair;
mod rows;
mod run;
mod task;

pub(in crate::registry) use self::affected::name_affected;
pub(in crate::registry) use self::background::verify_in_background;
pub use self::finding::{Finding, FindingKind, Verified};
pub use self::rows::findings_of_rows;
pub(in crate::registry) use self::task::{Task, read_through};
