//! `sealyard demo`: shows in a terminal how a customer-managed key works, with real requests.
//!
//! It starts an emulator on free ports, in a folder that it removes at the end, and follows one image: it pushes the image,
//! shows that the disk does not reveal it, rotates, revokes and restores the key, and pulls and compares the image. Each claim
//! is checked; the exit code is 0 only if all claims are true. It needs only this program.

mod client;
mod image;
mod narration;
mod report;
mod run;
mod search;
mod step;
mod story;

pub(super) use self::run::{DemoArgs, HELP, demo};
