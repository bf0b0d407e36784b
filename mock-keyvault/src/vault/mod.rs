//! The vaults of one data folder: their keys, access to them, and deleted keys and vaults.
//!
//! Called by the routes and by the fixture's handle. The methods block (RSA, disk): callers on async threads use
//! `spawn_blocking`. Invariant: the result of a method is on disk before the method returns it, and a change is on disk before
//! memory shows it. One lock serializes all changes; readers never wait for the disk.
//!
//! This folder does not know HTTP, hosts or tokens.

pub mod lifecycle;

mod access;
mod backup;
mod crypto;
mod due;
mod events;
mod import;
mod manage;
mod rotation;
mod rows;
mod schedule;
mod soft_delete;
mod state;
mod vaults;
mod view;

#[cfg(test)]
mod races;

pub use crate::model::{
    Caller, KeyReference, algorithm, ec, error, key, names, network, permission, policy, rsa,
    settings,
};

pub(crate) use access::Granted;
pub(crate) use crypto::Purpose;
pub(crate) use import::KeyParts;
pub(crate) use manage::{KeyChanges, NewKey, NewVersion};
pub(crate) use rotation::PolicyView;
pub(crate) use vaults::Vaults;
pub(crate) use view::{KeyView, Page, PageRequest};
