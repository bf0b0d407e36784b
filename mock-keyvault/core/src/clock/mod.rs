//! The one clock of a process: every part that reads the time gets a [`Clock`].
//!
//! There are two times. *Emulator time* applies to keys, tokens, rotation and retention. It can be moved and frozen, so
//! that one call makes an hour or ninety days pass. *Real time* only runs forward. It limits what must end in real time
//! as well, such as the lease of a data key. A [`Deadline`] watches both.
//!
//! This module knows nothing of vaults. It does not store the offset: its owner does, with [`Clock::saved`].

mod handle;
mod request;

pub use handle::{Clock, Deadline, SavedClock};
pub use request::{ClockPlan, ClockRequest, ClockRequestError};
