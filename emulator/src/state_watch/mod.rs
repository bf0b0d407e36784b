//! Keeps the state of every registry up to date even without pulls.
//!
//! A mock vault reports its changes; `follow.rs` listens for as long as the emulator runs, and lets each registry that
//! may be concerned ask. Other vaults report nothing: there, the vault is asked when a client asks for the state,
//! at most once per lease. That is a call of status or health, a scrape of metrics, or an open stream of events.
//!
//! The admin API calls [`StateWatch::refresh`] and [`StateWatch::listen`]. `keys/` defines how a registry asks.
//! Without a reason, the vault is not asked: an idle emulator stays idle.

mod follow;
mod watch;

pub use self::watch::StateWatch;
