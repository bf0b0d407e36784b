//! The parts that local emulators of Azure services share. Nothing here knows of vaults or registries.
//!
//! | part | modules |
//! |---|---|
//! | principals and tokens | [`identity`], [`token_crypto`] |
//! | role assignments | [`authorization`], [`directory`] |
//! | time | [`clock`], [`duration`] |
//! | connections | [`listen`], [`tls`], [`authority`], [`host_router`], [`retry`] |
//! | durable rows and files | [`durable`], [`files`], [`lines`], [`lock_file`], [`disk_space`], [`sealing`] |
//! | lists and filters of answers | [`listing`], [`odata`] |
//! | changes, events and injected faults | [`changes`], [`events`], [`faults`] |
//!
//! `mock-keyvault` and `sealyard` are built from these parts. A token of the issuer opens both, one clock drives both, and
//! both keep their rows in the same journal:
//!
//! ```
//! use azure_emulator_core::clock::Clock;
//! use time::macros::datetime;
//!
//! let clock = Clock::manual(datetime!(2026-01-01 00:00 UTC));
//! assert_eq!(clock.unix_now(), 1_767_225_600);
//! ```

// The enums of errors are exhaustive on purpose: each program has one table for each area, and a new error must get its row.

pub mod authority;
pub mod authorization;
pub mod changes;
pub mod clock;
pub mod directory;
pub mod disk_calls;
pub mod disk_space;
pub mod durable;
pub mod duration;
pub mod events;
pub mod faults;
pub mod files;
mod folders;
pub mod host_router;
pub mod identity;
pub mod lines;
pub mod listen;
pub mod listing;
pub mod lock_file;
pub mod odata;
pub mod random;
pub mod retry;
pub mod sealing;
pub mod tls;
pub mod token_crypto;
