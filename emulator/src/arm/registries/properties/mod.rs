//! How this registry treats each property of Azure's API: it acts on it, refuses it, or accepts it without effect.
//!
//! [`table`] is the only list. [`check`] refuses by it when a description of a registry is read: a registry that
//! silently lacks a requested feature is worse than an error. `docs/differences.md` is rendered from it; a test
//! compares both.

mod check;
mod property;
mod table;

pub(super) use self::check::check;

#[cfg(test)]
mod tests;
