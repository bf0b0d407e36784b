//! Resumes operations of several steps that a stop or a failure has interrupted.
//!
//! `serve/` starts one [`Runner`]. Operations that `local` depends on are tried once before the emulator reports that it is
//! ready, with a timeout; all others continue in the background, each in its own task, so that an operation that waits
//! for its vault delays no other. A failed attempt is reported (log, event, `status`, `doctor`) and repeated at growing
//! intervals until it succeeds.
//!
//! It knows the area that an operation belongs to, but not the operation itself.

mod runner;

#[cfg(test)]
mod tests;

pub use self::runner::Runner;
