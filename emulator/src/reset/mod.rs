//! Resets the emulator to the state of its first start: content, uploads, tokens with their scope maps, registries except
//! `local`, keys, faults, the clock and revocations.
//!
//! `admin/reset.rs` and the library call [`reset`]. It resets the vault first, so that its key can be used, and then the
//! registries, each in one commit. A vault that is in a fresh state already is left unchanged, so that such a reset takes
//! milliseconds; otherwise it is created anew with a new key, which takes as long as finding two primes. A vault in another
//! process has other users as well: there only the changes of this emulator are undone, and a message lists the rest.
//!
//! Before its first step a reset ends the operations that it replaces, and waits for the current step of each. From
//! then on it holds the lock of the revocations, so that no revocation removes access that the reset has just created.
//!
//! A reset has an intent from its first step that cannot be undone until the commit that gives `local` its new ring. If a
//! kill or a failure interrupts it in between, it starts again until it completes. Meanwhile `local` serves no content, because
//! the reset would remove newly pushed content.

mod emulator;
mod error;
mod vault;

pub use self::emulator::{Reset, reset, resume};
pub use self::error::ResetError;
